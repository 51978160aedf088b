"""CreateInboundMailFlowRule, UpdateInboundMailFlowRule, DeleteInboundMailFlowRule,
DescribeInboundMailFlowRule, ListInboundMailFlowRules, TestInboundMailFlowRules, and the same for
outbound rules: of the console, in an API of our own.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.organizations import flow_rule_shell as shell
from workpost.domain.organizations.flow_rule_shell import KnownRule
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    INBOUND,
    LAMBDA,
    OUTBOUND,
    FlowAction,
    FlowRule,
)
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call


async def CreateInboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a rule on mail to the organization."""
    return await _create(api, call, document, INBOUND)


async def UpdateInboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a rule on mail to the organization as a whole."""
    return await _update(api, call, document, INBOUND)


async def DeleteInboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a rule on mail to the organization, if it is there."""
    return await _delete(api, call, document, INBOUND)


async def DescribeInboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a rule on mail to the organization."""
    return await _describe(api, call, document, INBOUND)


async def ListInboundMailFlowRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the rules on mail to the organization by name."""
    return await _list(api, call, document, INBOUND)


async def TestInboundMailFlowRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell which rule counts for mail of a sender to a recipient here."""
    return await _test(api, call, document, INBOUND)


async def CreateOutboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a rule on mail from the organization."""
    return await _create(api, call, document, OUTBOUND)


async def UpdateOutboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace a rule on mail from the organization as a whole."""
    return await _update(api, call, document, OUTBOUND)


async def DeleteOutboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a rule on mail from the organization, if it is there."""
    return await _delete(api, call, document, OUTBOUND)


async def DescribeOutboundMailFlowRule(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a rule on mail from the organization."""
    return await _describe(api, call, document, OUTBOUND)


async def ListOutboundMailFlowRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the rules on mail from the organization by name."""
    return await _list(api, call, document, OUTBOUND)


async def TestOutboundMailFlowRules(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell which rule counts for mail of a sender here to a recipient."""
    return await _test(api, call, document, OUTBOUND)


async def _create(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    rule = _read(document)
    return {
        "MailFlowRuleId": await shell.create(api.core, grant_of(call, document), direction, rule)
    }


async def _update(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    await shell.update(
        api.core, grant_of(call, document), direction, document["MailFlowRuleId"], _read(document)
    )
    return {}


async def _delete(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    rule_id = document["MailFlowRuleId"]
    await shell.delete(api.core, grant_of(call, document), direction, rule_id)
    return {}


async def _describe(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    rule_id = document["MailFlowRuleId"]
    return _rule(await shell.describe(api.core, grant_of(call, document), direction, rule_id))


async def _list(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    read = partial(shell.list_rules, api.core, grant_of(call, document), direction)
    return await one_page(api, call, document, "Rules", read, _rule)


async def _test(api: Api, call: Call, document: Document, direction: str) -> dict[str, Any]:
    match = await shell.find_match(
        api.core,
        grant_of(call, document),
        direction,
        document["Sender"],
        document["Recipient"],
    )
    if match is None:
        return {"Action": {"Type": DEFAULT}}
    return {
        "Action": _action(match.rule.action),
        "MatchedRule": {
            "MailFlowRuleId": match.id,
            "Name": match.rule.name,
            "SenderPattern": match.sender,
            "DestinationPattern": match.destination,
        },
    }


def _read(document: Document) -> FlowRule:
    action = document["Action"]
    return FlowRule(
        name=document["Name"],
        description=document.get("Description", ""),
        action=FlowAction(
            type=action["Type"],
            gateway=action.get("SmtpGatewayId", ""),
            function=action.get("LambdaArn", ""),
            asynchronous=action.get("Asynchronous", False),
            fallback=action.get("FallbackAction", ""),
            timeout=action.get("RuleTimeoutMinutes", 0),
        ),
        senders=tuple(document["SenderPatterns"]),
        destinations=tuple(document["DestinationPatterns"]),
    )


def _action(action: FlowAction) -> dict[str, Any]:
    shown: dict[str, Any] = {"Type": action.type}
    if action.gateway:
        shown["SmtpGatewayId"] = action.gateway
    if action.type == LAMBDA:
        shown |= {"LambdaArn": action.function, "Asynchronous": action.asynchronous}
        if not action.asynchronous:
            shown |= {"FallbackAction": action.fallback, "RuleTimeoutMinutes": action.timeout}
    return shown


def _rule(known: KnownRule) -> dict[str, Any]:
    rule = known.rule
    return {
        "MailFlowRuleId": known.id,
        "Name": rule.name,
        "Description": rule.description or None,
        "Action": _action(rule.action),
        "SenderPatterns": list(rule.senders),
        "DestinationPatterns": list(rule.destinations),
        "DateCreated": known.created,
        "DateModified": known.modified,
    }
