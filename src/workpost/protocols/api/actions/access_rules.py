"""PutAccessControlRule, DeleteAccessControlRule, ListAccessControlRules, GetAccessControlEffect."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.access import rule_shell as shell
from workpost.domain.access.rule_shell import NamedRule
from workpost.domain.access.rules import AccessRule
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def PutAccessControlRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a rule, or replace the one of this name."""
    rule = AccessRule(
        effect=document["Effect"],
        description=document["Description"],
        ip_ranges=tuple(document.get("IpRanges", ())),
        not_ip_ranges=tuple(document.get("NotIpRanges", ())),
        actions=tuple(document.get("Actions", ())),
        not_actions=tuple(document.get("NotActions", ())),
        user_ids=tuple(document.get("UserIds", ())),
        not_user_ids=tuple(document.get("NotUserIds", ())),
        impersonation_role_ids=tuple(document.get("ImpersonationRoleIds", ())),
        not_impersonation_role_ids=tuple(document.get("NotImpersonationRoleIds", ())),
    )
    await shell.put_access_rule(api.core, grant_of(call, document), document["Name"], rule)
    return {}


async def DeleteAccessControlRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a rule, if it is there."""
    await shell.delete_access_rule(api.core, grant_of(call, document), document["Name"])
    return {}


async def ListAccessControlRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's rules."""
    rules = await shell.list_access_rules(api.core, grant_of(call, document))
    return {"Rules": [_rule(each) for each in rules]}


def _rule(named: NamedRule) -> dict[str, Any]:
    rule = named.rule
    conditions = {
        "IpRanges": rule.ip_ranges,
        "NotIpRanges": rule.not_ip_ranges,
        "Actions": rule.actions,
        "NotActions": rule.not_actions,
        "UserIds": rule.user_ids,
        "NotUserIds": rule.not_user_ids,
        "ImpersonationRoleIds": rule.impersonation_role_ids,
        "NotImpersonationRoleIds": rule.not_impersonation_role_ids,
    }
    return {
        "Name": named.name,
        "Effect": rule.effect,
        "Description": rule.description,
        "DateCreated": named.created,
        "DateModified": named.modified,
        **{name: list(values) for name, values in conditions.items() if values},
    }


async def GetAccessControlEffect(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell what the rules say to one access."""
    verdict = await shell.access_effect(
        api.core,
        grant_of(call, document),
        address=document["IpAddress"],
        action=document["Action"],
        user=document.get("UserId", ""),
        role=document.get("ImpersonationRoleId", ""),
    )
    return {"Effect": verdict.effect, "MatchedRules": list(verdict.matched)}
