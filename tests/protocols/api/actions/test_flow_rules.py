"""CreateInboundMailFlowRule, UpdateInboundMailFlowRule, DeleteInboundMailFlowRule,
DescribeInboundMailFlowRule, ListInboundMailFlowRules, TestInboundMailFlowRules,
CreateOutboundMailFlowRule, UpdateOutboundMailFlowRule, DeleteOutboundMailFlowRule,
DescribeOutboundMailFlowRule, ListOutboundMailFlowRules, TestOutboundMailFlowRules; what the rules
do is in tests of mail flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.protocols.api.declared_errors import FLOW_RULE, FUNCTION, GATEWAY
from tests.support.api_server import ApiServer, Tenant, refused

SIDES = ("Inbound", "Outbound")
both = pytest.mark.parametrize("side", SIDES)


def create(tenant: Tenant, side: str, name: str, **more: Any) -> str:
    rule = {**FLOW_RULE, "Name": name, **more}
    answer: str = tenant(f"Create{side}MailFlowRule", **rule)["MailFlowRuleId"]
    return answer


@pytest.fixture
def small(api: ApiServer) -> Iterator[None]:
    """Two patterns for a rule, three for all of them."""
    before = api.core.settings
    limits = msgspec.structs.replace(before.limits, flow_patterns_per_rule=2, flow_patterns=3)
    api.core.settings = msgspec.structs.replace(before, limits=limits)
    yield
    api.core.settings = before


@both
def test_a_rule_from_its_making_to_its_end(demo: Tenant, side: str) -> None:
    rule_id = create(
        demo,
        side,
        "no spam",
        Description="Nobody wants it.",
        SenderPatterns=["Spam@Example.com", "*.spam.example", "spam@example.com"],
    )
    shown = demo(f"Describe{side}MailFlowRule", MailFlowRuleId=rule_id)
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    assert shown == {
        "MailFlowRuleId": rule_id,
        "Name": "no spam",
        "Description": "Nobody wants it.",
        "Action": {"Type": "DROP"},
        "SenderPatterns": ["spam@example.com", "*.spam.example"],
        "DestinationPatterns": ["demo.test"],
    }
    demo(
        f"Update{side}MailFlowRule",
        MailFlowRuleId=rule_id,
        **{**FLOW_RULE, "Name": "bounced", "Action": {"Type": "BOUNCE"}},
    )
    (listed,) = demo(f"List{side}MailFlowRules")["Rules"]
    assert (listed["Name"], listed["Action"]) == ("bounced", {"Type": "BOUNCE"})
    assert "Description" not in listed
    assert listed == demo(f"Describe{side}MailFlowRule", MailFlowRuleId=rule_id)
    for _ in range(2):
        demo(f"Delete{side}MailFlowRule", MailFlowRuleId=rule_id)
    assert demo(f"List{side}MailFlowRules") == {"Rules": []}


def test_the_directions_do_not_know_each_other(demo: Tenant) -> None:
    inbound = create(demo, "Inbound", "same")
    create(demo, "Outbound", "same")
    demo("DeleteOutboundMailFlowRule", MailFlowRuleId=inbound)
    assert demo("DescribeInboundMailFlowRule", MailFlowRuleId=inbound)["Name"] == "same"
    code, _ = refused(demo, "DescribeOutboundMailFlowRule", MailFlowRuleId=inbound)
    assert code == "ResourceNotFoundException"


@both
def test_pages_by_name(demo: Tenant, side: str) -> None:
    for name in ("c", "a", "b"):
        create(demo, side, name)
    first = demo(f"List{side}MailFlowRules", MaxResults=2)
    rest = demo(f"List{side}MailFlowRules", MaxResults=2, NextToken=first["NextToken"])
    assert [one["Name"] for one in first["Rules"] + rest["Rules"]] == ["a", "b", "c"]
    assert "NextToken" not in rest


@both
@pytest.mark.usefixtures("small")
def test_patterns_are_limited(demo: Tenant, side: str) -> None:
    many = [f"{number}.example" for number in range(3)]
    for key in ("SenderPatterns", "DestinationPatterns"):
        code, _ = refused(demo, f"Create{side}MailFlowRule", **{**FLOW_RULE, key: many})
        assert code == "LimitExceededException"
    first = create(demo, side, "first", SenderPatterns=many[:2])
    second = create(demo, side, "second")
    # Of both directions together.
    other = "Outbound" if side == "Inbound" else "Inbound"
    code, _ = refused(demo, f"Create{other}MailFlowRule", **FLOW_RULE)
    assert code == "LimitExceededException"
    code, _ = refused(
        demo,
        f"Update{side}MailFlowRule",
        MailFlowRuleId=second,
        **{**FLOW_RULE, "SenderPatterns": many[:2]},
    )
    assert code == "LimitExceededException"
    # A rule that is replaced does not count twice.
    demo(
        f"Update{side}MailFlowRule",
        MailFlowRuleId=first,
        **{**FLOW_RULE, "SenderPatterns": many[1:]},
    )
    assert [one["Name"] for one in demo(f"List{side}MailFlowRules")["Rules"]] == ["second", "x"]


@both
def test_the_test_tells_what_would_be_done(demo: Tenant, side: str) -> None:
    ask = {"Sender": "ada@mail.example", "Recipient": "grace@demo.test"}
    action = f"Test{side}MailFlowRules"
    assert demo(action, **ask) == {"Action": {"Type": "DEFAULT"}}
    create(demo, side, "all", SenderPatterns=["*.example"], Action={"Type": "BOUNCE"})
    exception = create(
        demo, side, "exception", SenderPatterns=["mail.example"], Action={"Type": "DEFAULT"}
    )
    assert demo(action, **ask) == {
        "Action": {"Type": "DEFAULT"},
        "MatchedRule": {
            "MailFlowRuleId": exception,
            "Name": "exception",
            "SenderPattern": "mail.example",
            "DestinationPattern": "demo.test",
        },
    }
    assert demo(action, **{**ask, "Sender": "a@b.example"})["Action"] == {"Type": "BOUNCE"}
    # At once.
    demo(f"Delete{side}MailFlowRule", MailFlowRuleId=exception)
    assert demo(action, **ask)["MatchedRule"]["Name"] == "all"


@pytest.mark.parametrize(
    ("side", "change"),
    [
        ("Inbound", {"Action": {"Type": "DROP", "FallbackAction": "DROP"}}),
        ("Inbound", {"Action": {"Type": "DROP", "RuleTimeoutMinutes": 1}}),
        ("Inbound", {**FUNCTION, "DestinationPatterns": ["demo.test"]}),
        ("Inbound", {"Action": {**FUNCTION["Action"], "FallbackAction": "RUN_LAMBDA"}}),
        ("Inbound", {"Action": {**FUNCTION["Action"], "Asynchronous": True}}),
        ("Inbound", {"Action": {"Type": "RUN_LAMBDA", "FallbackAction": "DROP"}}),
        ("Outbound", {"Action": {**FUNCTION["Action"], "FallbackAction": "SMTP_GATEWAY"}}),
        ("Outbound", {"Action": {"Type": "SMTP_GATEWAY"}}),
        ("Outbound", {"Action": {"Type": "DROP", "SmtpGatewayId": "gateway"}}),
        ("Inbound", {"DestinationPatterns": ["ada+x@demo.test"]}),
    ],
)
def test_what_does_not_belong_together(demo: Tenant, side: str, change: dict[str, Any]) -> None:
    rule = {**FLOW_RULE, "DestinationPatterns": ["*"], **change}
    code, _ = refused(demo, f"Create{side}MailFlowRule", **rule)
    assert code == "InvalidParameterException"
    assert demo(f"List{side}MailFlowRules")["Rules"] == []


@both
def test_a_rule_runs_a_function_that_is_waited_for_or_not(demo: Tenant, side: str) -> None:
    waited = {**FUNCTION["Action"], "RuleTimeoutMinutes": 240}
    told = {"Type": "RUN_LAMBDA", "LambdaArn": waited["LambdaArn"], "Asynchronous": True}
    first = create(demo, side, "waited", **{**FUNCTION, "Action": waited})
    assert demo(f"Describe{side}MailFlowRule", MailFlowRuleId=first)["Action"] == {
        **waited,
        "Asynchronous": False,
    }
    create(
        demo,
        side,
        "told",
        Action=told,
        SenderPatterns=["mail.example"],
        DestinationPatterns=["demo.test"],
    )
    ask = {"Sender": "ada@mail.example", "Recipient": "grace@demo.test"}
    found = demo(f"Test{side}MailFlowRules", **ask)
    assert (found["Action"], found["MatchedRule"]["Name"]) == (told, "told")
    found = demo(f"Test{side}MailFlowRules", **{**ask, "Sender": "ada@other.example"})
    assert found["Action"] == {**waited, "Asynchronous": False}
    code, _ = refused(
        demo,
        f"Create{side}MailFlowRule",
        **{**FUNCTION, "Action": {**waited, "RuleTimeoutMinutes": 241}},
    )
    assert code == "ValidationException"


def test_a_rule_leads_to_a_gateway_of_the_same_organization(demo: Tenant, other: Tenant) -> None:
    theirs = other("CreateSmtpGateway", **GATEWAY)["SmtpGatewayId"]
    ours = demo("CreateSmtpGateway", **GATEWAY)["SmtpGatewayId"]
    rule = {**FLOW_RULE, "Action": {"Type": "SMTP_GATEWAY", "SmtpGatewayId": theirs}}
    assert refused(demo, "CreateOutboundMailFlowRule", **rule)[0] == "ResourceNotFoundException"
    action = {"Type": "SMTP_GATEWAY", "SmtpGatewayId": ours}
    rule_id = create(demo, "Outbound", "through", Action=action)
    assert demo("DescribeOutboundMailFlowRule", MailFlowRuleId=rule_id)["Action"] == action
    code, message = refused(demo, "DeleteSmtpGateway", SmtpGatewayId=ours)
    assert (code, "through" in message) == ("InvalidParameterException", True)
    demo("DeleteOutboundMailFlowRule", MailFlowRuleId=rule_id)
    demo("DeleteSmtpGateway", SmtpGatewayId=ours)
    assert demo("ListSmtpGateways") == {"Gateways": []}
