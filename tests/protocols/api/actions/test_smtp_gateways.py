"""CreateSmtpGateway, UpdateSmtpGateway, DeleteSmtpGateway, DescribeSmtpGateway, ListSmtpGateways;
mail through them is in tests of outbound mail.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.protocols.api.declared_errors import GATEWAY
from tests.support.api_server import ApiServer, Tenant, refused
from workpost.domain.organizations.smtp_gateways import open_gateway
from workpost.operations.upkeep.rotation import rotate_organization


@pytest.fixture
def two(api: ApiServer) -> Iterator[None]:
    """Two gateways at most."""
    before = api.core.settings
    limits = msgspec.structs.replace(before.limits, smtp_gateways=2)
    api.core.settings = msgspec.structs.replace(before, limits=limits)
    yield
    api.core.settings = before


def test_a_gateway_from_its_making_to_its_end(demo: Tenant) -> None:
    gateway = demo("CreateSmtpGateway", **GATEWAY)["SmtpGatewayId"]
    shown = demo("DescribeSmtpGateway", SmtpGatewayId=gateway)
    assert demo("ListSmtpGateways")["Gateways"] == [shown]
    assert shown.pop("DateCreated") == shown.pop("DateModified")
    public = {name: value for name, value in GATEWAY.items() if name != "Password"}
    assert shown == {"SmtpGatewayId": gateway, **public}
    demo("UpdateSmtpGateway", SmtpGatewayId=gateway, **{**GATEWAY, "Host": "192.0.2.1"})
    assert demo("DescribeSmtpGateway", SmtpGatewayId=gateway)["Host"] == "192.0.2.1"
    for _ in range(2):
        demo("DeleteSmtpGateway", SmtpGatewayId=gateway)
    assert demo("ListSmtpGateways") == {"Gateways": []}


def test_pages_by_name(demo: Tenant) -> None:
    for name in ("c", "a", "b"):
        demo("CreateSmtpGateway", **{**GATEWAY, "Name": name})
    first = demo("ListSmtpGateways", MaxResults=2)
    rest = demo("ListSmtpGateways", MaxResults=2, NextToken=first["NextToken"])
    assert [one["Name"] for one in first["Gateways"] + rest["Gateways"]] == ["a", "b", "c"]


@pytest.mark.usefixtures("two")
def test_gateways_are_limited(demo: Tenant) -> None:
    for name in ("a", "b"):
        demo("CreateSmtpGateway", **{**GATEWAY, "Name": name})
    code, _ = refused(demo, "CreateSmtpGateway", **GATEWAY)
    assert code == "LimitExceededException"
    assert len(demo("ListSmtpGateways")["Gateways"]) == 2


def test_the_password_is_sealed_and_moves_with_the_key(api: ApiServer, demo: Tenant) -> None:
    gateway = demo("CreateSmtpGateway", **GATEWAY)["SmtpGatewayId"]
    opened = api.run(open_gateway(api.core, demo.organization, gateway))
    assert opened.password == GATEWAY["Password"]
    assert GATEWAY["Password"] not in repr(opened)
    gen = api.run(rotate_organization(api.core, demo.organization))
    kept = demo("ListSmtpGateways")["Gateways"]
    assert gen > 1
    assert api.run(open_gateway(api.core, demo.organization, gateway)) == opened
    assert demo("ListSmtpGateways")["Gateways"] == kept
