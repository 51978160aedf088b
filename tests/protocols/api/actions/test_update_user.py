"""UpdateUser."""

import pytest

from tests.support.api_server import Tenant, refused

ATTRIBUTES = (
    "FirstName", "LastName", "Initials", "Telephone", "Street", "JobTitle", "City", "Company",
    "ZipCode", "Department", "Country", "Office",
)  # fmt: skip
IDENTITY = "0123456789-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def test_absent_stays_and_an_empty_text_clears(demo: Tenant) -> None:
    user = demo.user("ada")
    before = demo("DescribeUser", UserId=user)
    given = {name: f"{name} of Ada" for name in ATTRIBUTES}
    given |= {"DisplayName": "Ada Lovelace", "IdentityProviderUserId": IDENTITY}
    assert demo("UpdateUser", UserId=user, HiddenFromGlobalAddressList=True, **given) == {}
    after = {**before, **given, "HiddenFromGlobalAddressList": True}
    assert demo("DescribeUser", UserId=user) == after
    demo("UpdateUser", UserId="ada@demo.test")
    assert demo("DescribeUser", UserId=user) == after
    demo("UpdateUser", UserId="ada", HiddenFromGlobalAddressList=False, **dict.fromkeys(given, ""))
    del before["DisplayName"]
    assert demo("DescribeUser", UserId=user) == before


def test_a_new_display_name_is_found_at_once(demo: Tenant) -> None:
    user = demo.user("ada", DisplayName="Ada Byron")
    demo("UpdateUser", UserId=user, DisplayName="Lovelace, Ada")
    assert demo("ListUsers", Filters={"DisplayNamePrefix": "ada"})["Users"] == []
    [found] = demo("ListUsers", Filters={"DisplayNamePrefix": "LOVE"})["Users"]
    assert (found["Id"], found["DisplayName"]) == (user, "Lovelace, Ada")


def test_the_role_changes_while_there_is_no_mailbox(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo("UpdateUser", UserId=user, Role="REMOTE_USER")
    demo("RegisterToWorkMail", EntityId=user, Email="ada@demo.test")
    assert demo("DescribeUser", UserId=user)["UserRole"] == "REMOTE_USER"
    demo("UpdateUser", UserId=user, Role="REMOTE_USER", City="London")
    code, _ = refused(demo, "UpdateUser", UserId=user, Role="USER")
    assert code == "EntityStateException"
    assert refused(demo, "GetMailboxDetails", UserId=user)[0] == "EntityNotFoundException"


@pytest.mark.parametrize("role", ["RESOURCE", "SYSTEM_USER"])
def test_roles_that_cannot_be_given(demo: Tenant, role: str) -> None:
    user = demo.user("ada", enabled=False)
    code, message = refused(demo, "UpdateUser", UserId=user, Role=role)
    assert (code, role in message) == ("InvalidParameterException", True)


def test_deleted_and_unknown_users(demo: Tenant) -> None:
    user = demo.user("ada", enabled=False)
    demo.group("everyone")
    demo("DeleteUser", UserId=user)
    assert refused(demo, "UpdateUser", UserId=user, City="x")[0] == "EntityStateException"
    for unknown in ("ada", "everyone", "nobody@demo.test"):
        code, _ = refused(demo, "UpdateUser", UserId=unknown, City="x")
        assert code == "EntityNotFoundException"


def test_an_identity_is_one_users(demo: Tenant) -> None:
    demo.user("ada", IdentityProviderUserId=IDENTITY)
    demo.user("grace")
    for form in (IDENTITY, IDENTITY[11:], IDENTITY[11:].upper()):
        code, message = refused(demo, "UpdateUser", UserId="grace", IdentityProviderUserId=form)
        assert code == "InvalidParameterException"
        assert form in message
    demo("UpdateUser", UserId="ada", IdentityProviderUserId="")
    demo("UpdateUser", UserId="grace", IdentityProviderUserId=IDENTITY[11:])
    assert "IdentityProviderUserId" not in demo("DescribeUser", UserId="ada")
