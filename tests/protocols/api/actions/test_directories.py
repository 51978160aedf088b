"""Organizations over a directory outside: CreateOrganization, DeleteOrganization, whose is what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.directories import PASSWORD
from tests.support.outside_directory import ALIAS, DIRECTORY, Outside, members, users

pytestmark = pytest.mark.peer("slapd")

UNSUPPORTED = "UnsupportedOperationException"
UNAVAILABLE = "DirectoryUnavailableException"
DENIED = "DirectoryServiceAuthenticationFailedException"


def test_the_organization_is_creating_until_the_directory_was_read(outside: Outside) -> None:
    outside.tree.person("ada")
    create = outside.client.create_organization
    organization = create(Alias=ALIAS, DirectoryId=DIRECTORY)["OrganizationId"]
    describe = outside.client.describe_organization
    before = describe(OrganizationId=organization)
    assert (before["State"], before["DirectoryId"]) == ("Creating", DIRECTORY)
    outside.api.work()
    after = describe(OrganizationId=organization)
    assert after["State"] == "Active"
    assert after["DirectoryType"] == "LDAP"
    assert after["InteroperabilityEnabled"] is False
    assert "CompletedDate" in after
    tenant = Tenant(outside.client, outside.account, organization, "")
    assert set(users(tenant)) == {"ada"}


def test_one_organization_uses_a_directory(outside: Outside) -> None:
    tenant = outside.create()
    create = outside.client.create_organization
    code, _ = refused(create, Alias="second", DirectoryId=DIRECTORY)
    assert code == "DirectoryInUseException"
    tenant("DeleteOrganization", DeleteDirectory=True)
    assert refused(create, Alias="second", DirectoryId=DIRECTORY)[0] == "DirectoryInUseException"
    outside.api.work()
    assert create(Alias="second", DirectoryId=DIRECTORY)["OrganizationId"]


def test_a_directory_of_another_account_is_not_there(outside: Outside) -> None:
    stranger = outside.api.tenant("stranger")
    create = stranger.client.create_organization
    assert refused(create, Alias="mine", DirectoryId=DIRECTORY)[0] == UNAVAILABLE
    assert refused(create, Alias="mine", DirectoryId="d-ffffffffff")[0] == UNAVAILABLE


def test_the_alias_is_that_of_the_directory(outside: Outside) -> None:
    outside.configure(alias=ALIAS)
    create = outside.client.create_organization
    code, message = refused(create, Alias="other", DirectoryId=DIRECTORY)
    assert (code, ALIAS in message) == ("InvalidParameterException", True)
    assert outside.create()


def test_a_directory_that_does_not_answer_makes_no_organization(outside: Outside) -> None:
    create = outside.client.create_organization
    outside.configure(bind_dn="cn=nobody,dc=open,dc=test")
    assert refused(create, Alias=ALIAS, DirectoryId=DIRECTORY)[0] == UNAVAILABLE
    outside.configure()
    outside.slapd.stop()
    assert refused(create, Alias=ALIAS, DirectoryId=DIRECTORY)[0] == UNAVAILABLE
    assert outside.client.list_organizations()["OrganizationSummaries"] == []


def test_a_repeated_call_is_told_the_same_without_the_directory(outside: Outside) -> None:
    create = outside.client.create_organization
    wanted = {"Alias": ALIAS, "DirectoryId": DIRECTORY, "ClientToken": "once"}
    first = create(**wanted)["OrganizationId"]
    outside.slapd.stop()
    assert create(**wanted)["OrganizationId"] == first


def test_an_organization_that_could_not_be_read_says_why_and_can_be_deleted(
    outside: Outside,
) -> None:
    create = outside.client.create_organization
    organization = create(Alias=ALIAS, DirectoryId=DIRECTORY)["OrganizationId"]
    outside.slapd.stop()
    outside.api.work()
    described = outside.client.describe_organization(OrganizationId=organization)
    assert described["State"] == "Creating"
    assert DIRECTORY in described["ErrorMessage"]
    outside.slapd.start()
    outside.sync()
    described = outside.client.describe_organization(OrganizationId=organization)
    assert (described["State"], described.get("ErrorMessage")) == ("Active", None)


@pytest.mark.parametrize("with_directory", [True, False])
def test_deleting_the_organization_leaves_the_server_alone(
    outside: Outside, with_directory: bool
) -> None:
    dn = outside.tree.person("ada", mail="ada@example.test")
    tenant = outside.create()
    ada = users(tenant)["ada"]
    tenant("DeleteOrganization", DeleteDirectory=with_directory)
    outside.api.work()
    with outside.slapd.admin("open") as admin:
        assert admin.search(dn, "(objectClass=*)")
    again = outside.create()
    assert users(again) == {"ada": ada}


WRITES: dict[str, dict[str, Any]] = {
    "AssociateMemberToGroup": {"GroupId": "crew", "MemberId": "ada"},
    "CreateGroup": {"Name": "new"},
    "CreateUser": {"Name": "new", "DisplayName": "New", "Password": "weak"},
    "DeleteGroup": {"GroupId": "crew"},
    "DeleteUser": {"UserId": "ada"},
    "DisassociateMemberFromGroup": {"GroupId": "crew", "MemberId": "ada"},
    "ResetPassword": {"UserId": "{ada}", "Password": PASSWORD},
    "UpdateUser": {"UserId": "ada", "City": "London"},
}


def test_the_directory_is_read_only(outside: Outside) -> None:
    outside.tree.group("crew", outside.tree.person("ada"))
    tenant = outside.create()
    ada = users(tenant)["ada"]
    for action, parameters in WRITES.items():
        given = {name: ada if value == "{ada}" else value for name, value in parameters.items()}
        assert refused(tenant, action, **given)[0] == UNSUPPORTED, action
    outside.slapd.stop()
    assert refused(tenant, "CreateGroup", Name="new")[0] == UNSUPPORTED
    assert members(tenant, "crew") == {"ada"}


def test_mail_is_ours(outside: Outside) -> None:
    outside.tree.group("crew", outside.tree.person("ada"))
    outside.tree.person("grace")
    tenant = outside.create()
    ada = users(tenant)["ada"]
    for name in ("ada", "crew", "grace"):
        tenant("RegisterToWorkMail", EntityId=name, Email=f"{name}@{tenant.domain}")
    tenant("CreateAlias", EntityId=ada, Alias=f"countess@{tenant.domain}")
    tenant("UpdatePrimaryEmailAddress", EntityId=ada, Email=f"lady@{tenant.domain}")
    tenant("UpdateUser", UserId="ada", HiddenFromGlobalAddressList=True)
    tenant("UpdateGroup", GroupId="crew", HiddenFromGlobalAddressList=True)
    tenant("UpdateMailboxQuota", UserId="ada", MailboxQuota=7)
    tenant("PutMailboxPermissions", EntityId="ada", GranteeId="grace", PermissionValues=["SEND_AS"])
    room = tenant.resource("lab")
    tenant("AssociateDelegateToResource", ResourceId=room, EntityId="ada")
    outside.tree.change(outside.tree.dn("ada"), displayName="Countess")
    outside.sync()
    user = tenant("DescribeUser", UserId=ada)
    assert (user["Email"], user["DisplayName"]) == (f"lady@{tenant.domain}", "Countess")
    assert user["HiddenFromGlobalAddressList"] is True
    tenant("DeregisterFromWorkMail", EntityId=ada)
    assert users(tenant)["ada"] == ada


def test_actions_that_ask_the_directory(outside: Outside) -> None:
    ada = outside.tree.person("ada")
    outside.tree.person("grace")
    tenant = outside.create()
    address = f"grace@{tenant.domain}"
    asking = [
        ("DescribeUser", {"UserId": "grace"}),
        ("RegisterToWorkMail", {"EntityId": "grace", "Email": address}),
    ]
    outside.tree.change(ada, displayName="Countess")
    assert tenant("DescribeUser", UserId="ada")["DisplayName"] == "Countess", "as it is now"
    outside.slapd.stop()
    for action, parameters in asking:
        assert refused(tenant, action, **parameters)[0] == UNAVAILABLE
    assert set(users(tenant)) == {"ada", "grace"}, "lists are answered from what was read"
    outside.slapd.start()
    outside.configure(bind_dn="cn=nobody,dc=open,dc=test")
    for action, parameters in asking:
        assert refused(tenant, action, **parameters)[0] == DENIED
    outside.configure()
    outside.tree.remove(outside.tree.dn("grace"))
    for action, parameters in asking:
        assert refused(tenant, action, **parameters)[0] == "EntityNotFoundException"
    outside.api.core.settings = outside.before
    assert refused(tenant, "DescribeUser", UserId="ada")[0] == UNAVAILABLE
