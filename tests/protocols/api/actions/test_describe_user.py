"""DescribeUser."""

import pytest

from tests.support.api_server import Tenant, refused


def test_an_enabled_user_has_an_address_and_dates(demo: Tenant) -> None:
    user = demo.user("ada")
    answer = demo("DescribeUser", UserId=user)
    assert (answer["State"], answer["Email"]) == ("ENABLED", "ada@demo.test")
    assert answer["EnabledDate"] == answer["MailboxProvisionedDate"]
    assert "DisabledDate" not in answer
    demo("DeregisterFromWorkMail", EntityId=user)
    answer = demo("DescribeUser", UserId=user)
    assert answer["State"] == "DISABLED"
    assert "Email" not in answer
    assert answer["DisabledDate"] == answer["MailboxDeprovisionedDate"]


def test_every_form_of_identifier(demo: Tenant) -> None:
    user = demo.user("ada")
    for identifier in (user, "ada", "ADA", "ada@demo.test", "Ada@DEMO.test"):
        assert demo("DescribeUser", UserId=identifier)["UserId"] == user


@pytest.mark.parametrize(
    "identifier", ["nobody", "nobody@demo.test", "S-1-1-12-1234567890-123456789-123456789-1234"]
)
def test_unknown_identifiers(demo: Tenant, identifier: str) -> None:
    code, message = refused(demo, "DescribeUser", UserId=identifier)
    assert code == "EntityNotFoundException"
    assert identifier in message


def test_the_id_of_a_deleted_user_says_deleted(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("DeleteUser", UserId=user)
    assert demo("DescribeUser", UserId=user)["State"] == "DELETED"
    assert refused(demo, "DescribeUser", UserId="ada")[0] == "EntityNotFoundException"
