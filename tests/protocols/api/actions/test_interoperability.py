"""Active Directory and interoperability with Exchange: CreateOrganization, RegisterToWorkMail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.outside_directory import (
    ALIAS,
    DIRECTORY,
    Outside,
    groups,
    members,
    problems,
    users,
)

pytestmark = pytest.mark.peer("slapd")

UNSUPPORTED = "UnsupportedOperationException"


def test_security_identifiers_are_the_ids(active: Outside) -> None:
    ada = active.tree.person("ada")
    active.tree.person(
        "guest", objectSid=bytes([1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 245, 1, 0, 0])
    )
    active.tree.group("crew", ada)
    tenant = active.create()
    described = active.client.describe_organization(OrganizationId=tenant.organization)
    assert described["DirectoryType"] == "ADConnector"
    id = users(tenant)["ada"]
    assert id.startswith("S-1-5-21-1-2-3-")
    crew = groups(tenant)["crew"]
    assert crew.startswith("S-1-5-21-1-2-3-")
    tenant("RegisterToWorkMail", EntityId=id, Email=f"ada@{tenant.domain}")
    tenant("RegisterToWorkMail", EntityId=crew, Email=f"crew@{tenant.domain}")
    tenant("CreateAlias", EntityId=id, Alias=f"countess@{tenant.domain}")
    assert tenant("ListAliases", EntityId=id)["Aliases"] == [f"countess@{tenant.domain}"]
    tenant("PutAccessControlRule", Name="x", Effect="DENY", Description="x", UserIds=[id])
    effect = tenant("GetAccessControlEffect", IpAddress="10.1.1.1", Action="IMAP", UserId=id)
    assert effect["Effect"] == "DENY"
    tenant("PutMailboxPermissions", EntityId=id, GranteeId=crew, PermissionValues=["SEND_AS"])
    assert tenant("GetMailboxDetails", UserId=id)["MailboxQuota"]
    assert members(tenant, crew) == {"ada"}
    listed = tenant("ListGroupsForEntity", EntityId=id)["Groups"]
    assert listed == [{"GroupId": crew, "GroupName": "crew"}]
    assert tenant("DescribeEntity", Email=f"ada@{tenant.domain}")["EntityId"] == id
    tenant("DeregisterFromWorkMail", EntityId=id)


def test_built_in_users_are_listed_and_stay_disabled(active: Outside) -> None:
    built_in = bytes([1, 5, 0, 0, 0, 0, 0, 5]) + b"".join(
        part.to_bytes(4, "little") for part in (21, 1, 2, 3, 501)
    )
    active.tree.person("Guest", objectSid=built_in)
    tenant = active.create()
    user = tenant("DescribeUser", UserId="S-1-5-21-1-2-3-501")
    assert (user["Name"], user["UserRole"], user["State"]) == ("Guest", "SYSTEM_USER", "DISABLED")
    code, _ = refused(
        tenant, "RegisterToWorkMail", EntityId="Guest", Email=f"guest@{tenant.domain}"
    )
    assert code == UNSUPPORTED
    assert refused(tenant, "UpdateUser", UserId="Guest", Role="USER")[0] == UNSUPPORTED


def test_changes_by_number(active: Outside) -> None:
    ada = active.tree.person("ada")
    grace = active.tree.person("grace")
    tenant = active.create()
    before = users(tenant)
    moved = active.tree.rename(ada, "uid=countess")
    active.tree.change(moved, sAMAccountName="countess")
    active.tree.group("crew", moved, grace)
    active.sync(full=False)
    after = users(tenant)
    assert (after["countess"], set(after)) == (before["ada"], {"countess", "grace"})
    assert members(tenant, "crew") == {"countess", "grace"}


def test_interoperability_needs_active_directory(outside: Outside) -> None:
    create = outside.client.create_organization
    code, _ = refused(create, Alias=ALIAS, DirectoryId=DIRECTORY, EnableInteroperability=True)
    assert code == "InvalidParameterException"


@pytest.fixture
def exchange(active: Outside) -> Tenant:
    """Ada with two addresses, grace without one, and a room, under interoperability."""
    domain = f"{ALIAS}.test"
    active.tree.person(
        "ada",
        mail=f"countess@{domain}",
        proxyAddresses=[f"SMTP:countess@{domain}", f"smtp:al@{domain}", "smtp:ada@away.example"],
    )
    active.tree.person("grace")
    active.tree.person("room", msExchRecipientTypeDetails=16, mail=f"room@{domain}")
    return active.create(EnableInteroperability=True)


def test_addresses_and_resources_are_kept_in_exchange(active: Outside, exchange: Tenant) -> None:
    describe = active.client.describe_organization
    assert describe(OrganizationId=exchange.organization)["InteroperabilityEnabled"] is True
    ada = users(exchange)["ada"]
    address = f"countess@{exchange.domain}"
    for wrong in (f"ada@{exchange.domain}", f"al@{exchange.domain}"):
        code, _ = refused(exchange, "RegisterToWorkMail", EntityId=ada, Email=wrong)
        assert code == "InvalidParameterException"
    exchange("RegisterToWorkMail", EntityId=ada, Email=address)
    aliases = exchange("ListAliases", EntityId=ada)["Aliases"]
    assert aliases == [f"ada@{exchange.domain}", f"al@{exchange.domain}"]
    refusals: dict[str, dict[str, Any]] = {
        "CreateAlias": {"EntityId": ada, "Alias": f"new@{exchange.domain}"},
        "CreateResource": {"Name": "lab", "Type": "ROOM"},
        "CreateUser": {"Name": "new", "DisplayName": "New"},
        "DeleteAlias": {"EntityId": ada, "Alias": f"al@{exchange.domain}"},
        "UpdatePrimaryEmailAddress": {"EntityId": ada, "Email": f"new@{exchange.domain}"},
    }
    for action, parameters in refusals.items():
        assert refused(exchange, action, **parameters)[0] == UNSUPPORTED, action
    assert exchange("DescribeUser", UserId="room")["UserRole"] == "RESOURCE"
    room = {"EntityId": "room", "Email": f"room@{exchange.domain}"}
    assert refused(exchange, "RegisterToWorkMail", **room)[0] == UNSUPPORTED


def test_addresses_follow_exchange(active: Outside, exchange: Tenant) -> None:
    ada = users(exchange)["ada"]
    exchange("RegisterToWorkMail", EntityId=ada, Email=f"countess@{exchange.domain}")
    active.tree.change(
        active.tree.dn("ada"),
        mail=f"lady@{exchange.domain}",
        proxyAddresses=[f"SMTP:lady@{exchange.domain}", f"smtp:countess@{exchange.domain}"],
    )
    active.sync(full=False)
    assert exchange("DescribeUser", UserId=ada)["Email"] == f"lady@{exchange.domain}"
    aliases = exchange("ListAliases", EntityId=ada)["Aliases"]
    assert aliases == [f"ada@{exchange.domain}", f"countess@{exchange.domain}"]
    active.tree.change(active.tree.dn("grace"), mail=f"grace@{exchange.domain}")
    exchange("RegisterToWorkMail", EntityId="grace", Email=f"grace@{exchange.domain}")
    taken = [f"SMTP:grace@{exchange.domain}", f"smtp:lady@{exchange.domain}"]
    active.tree.change(active.tree.dn("grace"), proxyAddresses=taken)
    active.sync()
    assert "lady" in problems(active, exchange)["uid=grace"]
    assert exchange("DescribeEntity", Email=f"lady@{exchange.domain}")["EntityId"] == ada
