"""Every error declared for actions on the directory is provoked, or has a reason to stay away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.protocols.api.actions.conftest import api, api_server, demo
from tests.protocols.api.actions.test_strangers import CALLS
from tests.protocols.api.declared_errors import (
    ELSEWHERE,
    EVERYWHERE,
    FLOW_RULE,
    GATEWAY,
    PROVOCATIONS,
    UNDECLARED,
    UNPROVOKABLE,
    Parameters,
)
from tests.support.api_server import ApiServer, Tenant
from workpost.protocols.api.model import CONSOLE, load_services

__all__ = ["api", "api_server", "demo"]

ROOT = Path(__file__).parents[3]
GENERIC = ("OrganizationNotFoundException", "OrganizationStateException")
ABOVE = ("CreateOrganization", "ListOrganizations")
SERVICES = load_services()
OPERATIONS = {**SERVICES["workmail"].operations, **SERVICES[CONSOLE].operations}


@pytest.mark.parametrize("action", sorted(PROVOCATIONS))
def test_every_declared_error_has_its_place(action: str) -> None:
    declared = set(OPERATIONS[action].errors)
    provoked = set(PROVOCATIONS[action]) | {error for name, error in ELSEWHERE if name == action}
    if action not in ABOVE:
        provoked |= set(GENERIC) & declared
    reasons = set(UNPROVOKABLE.get(action, {})) | (set(EVERYWHERE) & declared - provoked)
    assert provoked <= declared
    assert not provoked & reasons
    assert provoked | reasons == declared


def test_what_is_not_declared_is_not_declared() -> None:
    assert not [pair for pair in UNDECLARED if pair[1] in OPERATIONS[pair[0]].errors]


@pytest.mark.parametrize("test", sorted(ELSEWHERE.values()))
def test_tests_elsewhere_exist(test: str) -> None:
    file, _, function = test.partition("::")
    assert f"def {function}(" in (ROOT / file).read_text()


def set_devices(demo: Tenant) -> dict[str, str]:
    """Ids by name of what is on the stage beside the directory."""
    rule = demo("CreateMobileDeviceAccessRule", Name="phones", Effect="ALLOW")
    role = demo("CreateImpersonationRole", Name="sync", Type="READ_ONLY", Rules=[])
    return {
        "phones": rule["MobileDeviceAccessRuleId"],
        "role": role["ImpersonationRoleId"],
    }


def set_flow(demo: Tenant) -> dict[str, str]:
    """Ids by name of the flow rules and gateways on the stage."""
    ids = {}
    for name in ("taken", "kept"):
        gateway = demo("CreateSmtpGateway", **{**GATEWAY, "Name": name})["SmtpGatewayId"]
        demo("CreateInboundMailFlowRule", **{**FLOW_RULE, "Name": name})
        action = {"Type": "SMTP_GATEWAY", "SmtpGatewayId": gateway}
        demo("CreateOutboundMailFlowRule", **{**FLOW_RULE, "Name": name, "Action": action})
        ids["gateway"] = gateway
    for side in ("Inbound", "Outbound"):
        rules = demo(f"List{side}MailFlowRules")["Rules"]
        ids[side.lower()] = rules[0]["MailFlowRuleId"]
    return ids


def set_stage(demo: Tenant) -> dict[str, str]:
    """Ids by name of what is on the stage."""
    ids = {
        "ada": demo.user("ada"),
        "grace": demo.user("grace"),
        "everyone": demo.group("everyone"),
        "room": demo.resource("room"),
        "attic": demo.resource("attic"),
        "directory": demo("DescribeOrganization")["DirectoryId"],
        **set_devices(demo),
        **set_flow(demo),
    }
    demo("RegisterMailDomain", DomainName="pending.example")
    for prefix in ("off", "gone"):
        ids[f"{prefix}-user"] = demo.user(f"{prefix}-user", enabled=False)
        ids[f"{prefix}-group"] = demo.group(f"{prefix}-group", enabled=False)
        ids[f"{prefix}-resource"] = demo.resource(f"{prefix}-resource", enabled=False)
    demo("DeleteUser", UserId=ids["gone-user"])
    demo("DeleteGroup", GroupId=ids["gone-group"])
    demo("DeleteResource", ResourceId=ids["gone-resource"])
    second = demo.client.create_organization(Alias="second")["OrganizationId"]
    demo("DeleteOrganization", OrganizationId=second, DeleteDirectory=True, ClientToken="used")
    ids["deleted"] = second
    return ids


def filled(value: Any, ids: dict[str, str]) -> Any:
    """The value with the ids that it asks for."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return ids[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value


def error_of(demo: Tenant, action: str, parameters: Parameters) -> str:
    try:
        if action in ABOVE:
            getattr(demo.client, xform_name(action))(**parameters)
        else:
            demo(action, **parameters)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def everything(demo: Tenant) -> list[dict[str, Any]]:
    return [
        demo(action)
        for action in (
            "ListUsers",
            "ListGroups",
            "ListResources",
            "DescribeOrganization",
            "ListMobileDeviceAccessRules",
            "ListMobileDeviceAccessOverrides",
            "ListImpersonationRoles",
            "GetMobilePolicyDetails",
            "ListInboundMailFlowRules",
            "ListOutboundMailFlowRules",
            "ListSmtpGateways",
            "GetJournalingRules",
        )
    ]


def test_every_declared_error_is_provoked_and_has_no_effect(demo: Tenant) -> None:
    ids = set_stage(demo)
    before = everything(demo)
    wrong = []
    for action, provocations in PROVOCATIONS.items():
        for error, parameters in provocations.items():
            told = error_of(demo, action, filled(parameters, ids))
            if told != error:
                wrong.append((action, error, told))
    assert wrong == []
    assert everything(demo) == before


def test_unknown_and_deleted_organizations(api: ApiServer, demo: Tenant) -> None:
    deleted = set_stage(demo)["deleted"]
    api.work()
    wrong = []
    for action in set(PROVOCATIONS) - set(ABOVE):
        for error, organization in zip(GENERIC, ("m-" + "0" * 32, deleted), strict=True):
            if error in OPERATIONS[action].errors:
                parameters = {**CALLS[action], "OrganizationId": organization}
                told = error_of(demo, action, parameters)
                if told != error:
                    wrong.append((action, error, told))
    assert wrong == []
