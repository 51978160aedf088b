"""CreateUser."""

import logging
import re

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.directories import PASSWORD


def test_a_user_gets_a_uuid_and_is_disabled(demo: Tenant) -> None:
    answer = demo("CreateUser", Name="ada", DisplayName="Ada Lovelace", Password=PASSWORD)
    assert list(answer) == ["UserId"]
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["UserId"])
    described = demo("DescribeUser", UserId=answer["UserId"])
    assert described == {
        "UserId": answer["UserId"],
        "Name": "ada",
        "DisplayName": "Ada Lovelace",
        "State": "DISABLED",
        "UserRole": "USER",
        "HiddenFromGlobalAddressList": False,
    }


def test_all_members(demo: Tenant) -> None:
    identity = "0123456789-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    given = {
        "DisplayName": "Remote",
        "FirstName": "Re",
        "LastName": "Mote",
        "HiddenFromGlobalAddressList": True,
        "IdentityProviderUserId": identity,
    }
    user = demo("CreateUser", Name="remote", Role="REMOTE_USER", **given)["UserId"]
    described = demo("DescribeUser", UserId=user)
    assert described == {
        **given,
        "UserId": user,
        "Name": "remote",
        "State": "DISABLED",
        "UserRole": "REMOTE_USER",
    }


@pytest.mark.parametrize("password", ["short-1", "alllowercase", "A1-" + "x" * 61])
def test_the_password_policy(demo: Tenant, password: str) -> None:
    code, message = refused(demo, "CreateUser", Name="ada", DisplayName="Ada", Password=password)
    assert code == "InvalidPasswordException"
    assert password not in message


@pytest.mark.parametrize("role", ["RESOURCE", "SYSTEM_USER"])
def test_roles_that_cannot_be_given(demo: Tenant, role: str) -> None:
    code, message = refused(demo, "CreateUser", Name="ada", DisplayName="Ada", Role=role)
    assert (code, role in message) == ("InvalidParameterException", True)


def test_one_namespace_for_users_and_groups(demo: Tenant) -> None:
    demo.user("ada", enabled=False)
    demo.group("everyone", enabled=False)
    for name in ("ada", "Ada", "everyone"):
        code, message = refused(demo, "CreateUser", Name=name, DisplayName="x")
        assert code == "NameAvailabilityException"
        assert name in message


def test_no_password_reaches_a_log(demo: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("botocore").setLevel(logging.WARNING)
    caplog.set_level(logging.DEBUG)
    demo.user("ada", enabled=False)
    refused(demo, "CreateUser", Name="ada", DisplayName="Ada", Password="Secret-In-Log1")
    assert PASSWORD not in caplog.text
    assert "Secret-In-Log1" not in caplog.text


def test_an_identity_is_one_users(demo: Tenant, other: Tenant) -> None:
    identity = "0123456789-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    demo.user("ada", IdentityProviderUserId=identity)
    taken = {"Name": "grace", "DisplayName": "Grace", "IdentityProviderUserId": identity[11:]}
    assert refused(demo, "CreateUser", **taken)[0] == "InvalidParameterException"
    assert [user["Name"] for user in demo("ListUsers")["Users"]] == ["ada"]
    other("CreateUser", **taken)
