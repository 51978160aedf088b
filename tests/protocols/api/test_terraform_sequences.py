"""The calls of Terraform's WorkMail resources, in their order and with what they wait for.

Its provider reads after each change, takes a state only when it was seen twice in a row, fails for
states that it does not know, and shows a difference for whatever reads otherwise than before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.protocols.api.actions.conftest import api, api_server, demo
from tests.protocols.api.actions.test_register_mail_domain import verify
from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.directories import PASSWORD
from workpost.domain.access.accounts import create_access_key

__all__ = ["api", "api_server", "demo"]

TOKEN = "terraform-2026112317302712340000000{}"
DOMAIN = "mail.example"
NOT_VERIFIED = ("PENDING", "PENDING")
GONE = {"EntityNotFoundException", "ResourceNotFoundException", "OrganizationStateException"}

Look = Callable[[], str]


def wait(look: Look, target: str, pending: set[str], between: Callable[[], Any] = int) -> None:
    """Look until the target was seen twice in a row; any other state than these fails."""
    seen = 0
    for _ in range(10):
        state = look()
        if state != target:
            assert state in pending
        seen = seen + 1 if state == target else 0
        if seen == 2:
            return
        between()
    raise AssertionError(f"{target} was not seen twice in a row")


def unchecked(api: ApiServer, tenant: Tenant) -> Tenant:
    """A client that sends whatever it is told, as Go's does: nothing is required there."""
    key = api.run(create_access_key(api.core, tenant.account))
    client = boto3.client(
        "workmail",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
        config=Config(parameter_validation=False, retries={"max_attempts": 0}),
    )
    return Tenant(client, tenant.account, tenant.organization, tenant.domain)


def state_of(tenant: Tenant, action: str, **parameters: str) -> Look:
    """What a describing action tells as State; DELETED for an entity that is gone."""

    def look() -> str:
        try:
            return str(tenant(action, **parameters)["State"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            return "DELETED"

    return look


def test_organization(api: ApiServer, demo: Tenant) -> None:
    create = demo.client.create_organization
    made = create(Alias="terraformed", ClientToken=TOKEN.format(1))["OrganizationId"]
    again = create(Alias="terraformed", ClientToken=TOKEN.format(1))["OrganizationId"]
    assert again == made
    tenant = unchecked(api, demo)
    tenant.organization = made
    described = tenant("DescribeOrganization")
    assert described["ARN"].endswith(f":{demo.account}:organization/{made}")
    look = state_of(tenant, "DescribeOrganization")
    wait(look, "Active", {"Requested", "Creating"})
    assert tenant("DescribeOrganization") == described

    tenant("DeleteOrganization", ClientToken=TOKEN.format(2))
    wait(look, "Deleted", {"Deleting"}, api.work)
    gone = tenant("DescribeOrganization")
    assert (gone["OrganizationId"], gone["Alias"]) == (made, "terraformed")


@pytest.mark.parametrize("given", [{}, {"DeleteDirectory": False}])
def test_the_directory_stays_unless_its_deletion_is_asked_for(
    api: ApiServer, demo: Tenant, given: dict[str, bool]
) -> None:
    directory = demo("DescribeOrganization")["DirectoryId"]
    tenant = unchecked(api, demo)
    tenant("DeleteOrganization", ClientToken=TOKEN.format(1), **given)
    wait(state_of(tenant, "DescribeOrganization"), "Deleted", {"Deleting"}, api.work)
    heir = demo.client.create_organization(Alias="demo", DirectoryId=directory)["OrganizationId"]
    assert demo("DescribeOrganization", OrganizationId=heir)["DirectoryId"] == directory


def test_domain(api: ApiServer, demo: Tenant) -> None:
    named = {"DomainName": DOMAIN}
    assert refused(demo, "GetMailDomain", **named)[0] == "MailDomainNotFoundException"
    demo("RegisterMailDomain", **named, ClientToken=TOKEN.format(1))
    first = demo("GetMailDomain", **named)
    assert set(first["Records"][0]) == {"Type", "Hostname", "Value"}
    statuses = (first["OwnershipVerificationStatus"], first["DkimVerificationStatus"])
    assert statuses == NOT_VERIFIED
    assert demo("GetMailDomain", **named) == first
    verify(api, demo)
    verified = demo("GetMailDomain", **named)
    assert verified["OwnershipVerificationStatus"] == "VERIFIED"
    assert verified["Records"] == first["Records"]

    demo("DeregisterMailDomain", **named)
    assert refused(demo, "GetMailDomain", **named)[0] == "MailDomainNotFoundException"
    assert demo("DeregisterMailDomain", **named) == {}


def default_domain(tenant: Tenant) -> str:
    """The one domain that is marked, found by paging."""
    page = tenant("ListMailDomains", MaxResults=1)
    domains = page["MailDomains"]
    while "NextToken" in page:
        page = tenant("ListMailDomains", MaxResults=1, NextToken=page["NextToken"])
        domains += page["MailDomains"]
    (found,) = [domain["DomainName"] for domain in domains if domain["DefaultDomain"]]
    return str(found)


def test_default_domain(api: ApiServer, demo: Tenant) -> None:
    demo("RegisterMailDomain", DomainName=DOMAIN, ClientToken=TOKEN.format(1))
    code, _ = refused(demo, "UpdateDefaultMailDomain", DomainName=DOMAIN)
    assert code == "MailDomainStateException"
    assert default_domain(demo) == "demo.test"
    verify(api, demo)
    demo("UpdateDefaultMailDomain", DomainName=DOMAIN)
    assert default_domain(demo) == DOMAIN
    demo("UpdateDefaultMailDomain", DomainName="demo.test")
    assert default_domain(demo) == "demo.test"


def register(api: ApiServer, demo: Tenant, entity: str, address: str) -> None:
    """Register under a domain that is being verified: the refusals are those that it retries."""
    demo("RegisterMailDomain", DomainName=DOMAIN, ClientToken=TOKEN.format(9))
    code, _ = refused(demo, "RegisterToWorkMail", EntityId=entity, Email=address)
    assert code == "MailDomainStateException"
    verify(api, demo)
    demo("RegisterToWorkMail", EntityId=entity, Email=address)


def destroy(demo: Tenant, kind: str, entity: str) -> None:
    """Deregister, wait, delete, wait."""
    member = {f"{kind}Id": entity}
    look = state_of(demo, f"Describe{kind}", **member)
    assert refused(demo, f"Delete{kind}", **member)[0] == "EntityStateException"
    demo("DeregisterFromWorkMail", EntityId=entity)
    wait(look, "DISABLED", {"ENABLED"})
    demo(f"Delete{kind}", **member)
    wait(look, "DELETED", {"DISABLED"})


def test_user(api: ApiServer, demo: Tenant) -> None:
    user = demo("CreateUser", Name="ada", DisplayName="Ada", Password=PASSWORD)["UserId"]
    look = state_of(demo, "DescribeUser", UserId=user)
    assert look() == "DISABLED"
    register(api, demo, user, f"ada@{DOMAIN}")
    wait(look, "ENABLED", {"DISABLED"})
    first = demo("DescribeUser", UserId=user)
    assert {name: value for name, value in first.items() if not name.endswith("Date")} == {
        "UserId": user,
        "Name": "ada",
        "Email": f"ada@{DOMAIN}",
        "DisplayName": "Ada",
        "State": "ENABLED",
        "UserRole": "USER",
        "HiddenFromGlobalAddressList": False,
    }
    assert demo("DescribeUser", UserId=user) == first

    demo("UpdateUser", UserId=user, City="London", HiddenFromGlobalAddressList=True)
    second = demo("DescribeUser", UserId=user)
    assert second == {**first, "City": "London", "HiddenFromGlobalAddressList": True}
    demo("ResetPassword", UserId=user, Password=PASSWORD + "-2")
    demo("UpdateUser", UserId=user, City="", HiddenFromGlobalAddressList=False)
    assert demo("DescribeUser", UserId=user) == first
    destroy(demo, "User", user)


def test_group(api: ApiServer, demo: Tenant) -> None:
    group = demo("CreateGroup", Name="everyone", HiddenFromGlobalAddressList=False)["GroupId"]
    look = state_of(demo, "DescribeGroup", GroupId=group)
    register(api, demo, group, f"everyone@{DOMAIN}")
    wait(look, "ENABLED", {"DISABLED"})
    first = demo("DescribeGroup", GroupId=group)
    assert first["HiddenFromGlobalAddressList"] is False
    demo("UpdateGroup", GroupId=group, HiddenFromGlobalAddressList=True)
    assert demo("DescribeGroup", GroupId=group) == {**first, "HiddenFromGlobalAddressList": True}
    destroy(demo, "Group", group)


@pytest.mark.parametrize("action", ["DescribeUser", "DescribeGroup"])
def test_what_was_deleted_by_hand_is_not_found(demo: Tenant, action: str) -> None:
    member = "UserId" if action == "DescribeUser" else "GroupId"
    never = "76f10bc1-7875-4f5e-b4f8-a31808b8109e"
    assert refused(demo, action, **{member: never})[0] == "EntityNotFoundException"
