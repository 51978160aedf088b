"""CreateMobileDeviceAccessRule, UpdateMobileDeviceAccessRule, DeleteMobileDeviceAccessRule,
ListMobileDeviceAccessRules, GetMobileDeviceAccessEffect.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.access import device_rule_shell as shell
from workpost.domain.access.device_rule_shell import KnownRule
from workpost.domain.access.device_rules import DeviceRule, DeviceVerdict, Reported
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call

CONDITIONS = {
    "DeviceTypes": "device_types",
    "NotDeviceTypes": "not_device_types",
    "DeviceModels": "device_models",
    "NotDeviceModels": "not_device_models",
    "DeviceOperatingSystems": "device_operating_systems",
    "NotDeviceOperatingSystems": "not_device_operating_systems",
    "DeviceUserAgents": "device_user_agents",
    "NotDeviceUserAgents": "not_device_user_agents",
}


def _read(document: Document) -> DeviceRule:
    conditions = {field: tuple(document.get(name, ())) for name, field in CONDITIONS.items()}
    return DeviceRule(
        name=document["Name"],
        effect=document["Effect"],
        description=document.get("Description", ""),
        **conditions,
    )


async def CreateMobileDeviceAccessRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a rule on mobile devices."""
    rule_id = await shell.create_device_rule(
        api.core,
        grant_of(call, document),
        _read(document),
        token=await client_token(api, call, document),
    )
    return {"MobileDeviceAccessRuleId": rule_id}


async def UpdateMobileDeviceAccessRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a rule on mobile devices as a whole."""
    rule_id = document["MobileDeviceAccessRuleId"]
    await shell.update_device_rule(api.core, grant_of(call, document), rule_id, _read(document))
    return {}


async def DeleteMobileDeviceAccessRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a rule on mobile devices, if it is there."""
    rule_id = document["MobileDeviceAccessRuleId"]
    await shell.delete_device_rule(api.core, grant_of(call, document), rule_id)
    return {}


async def ListMobileDeviceAccessRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the rules on mobile devices in the order of their making."""
    rules = await shell.list_device_rules(api.core, grant_of(call, document))
    return {"Rules": [_rule(each) for each in rules]}


def _rule(known: KnownRule) -> dict[str, Any]:
    rule = known.rule
    conditions = {name: getattr(rule, field) for name, field in CONDITIONS.items()}
    return {
        "MobileDeviceAccessRuleId": known.id,
        "Name": rule.name,
        "Description": rule.description or None,
        "Effect": rule.effect,
        **{name: list(values) for name, values in conditions.items() if values},
        "DateCreated": known.created,
        "DateModified": known.modified,
    }


async def GetMobileDeviceAccessEffect(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell what the rules say to a device that reports this."""
    reported = Reported(
        type=document.get("DeviceType", ""),
        model=document.get("DeviceModel", ""),
        os=document.get("DeviceOperatingSystem", ""),
        agent=document.get("DeviceUserAgent", ""),
    )
    verdict = await shell.rules_effect(api.core, grant_of(call, document), reported)
    return {"Effect": verdict.effect, "MatchedRules": matched_rules(verdict)}


def matched_rules(verdict: DeviceVerdict) -> list[dict[str, str]]:
    """The rules that have decided, as the API shows them."""
    return [
        {"MobileDeviceAccessRuleId": rule_id, "Name": name} for rule_id, name in verdict.matched
    ]
