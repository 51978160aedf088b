"""PutRetentionPolicy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import ApiServer, Tenant, refused

PUT = "PutRetentionPolicy"
FOLDERS = [
    {"Name": "INBOX", "Action": "DELETE", "Period": 730},
    {"Name": "JUNK_EMAIL", "Action": "PERMANENTLY_DELETE", "Period": 1},
    {"Name": "DRAFTS", "Action": "NONE"},
]


def get(tenant: Tenant) -> dict[str, Any]:
    return tenant("GetDefaultRetentionPolicy")


def test_a_policy_comes_back_as_it_was_put(demo: Tenant) -> None:
    put = {"Name": "default", "Description": "Two years", "FolderConfigurations": FOLDERS}
    assert demo(PUT, **put) == {}
    shown = get(demo)
    assert shown.pop("Id")
    assert shown == put


def test_an_organization_has_one_that_is_replaced(demo: Tenant, other: Tenant) -> None:
    demo(PUT, Name="first", Description="One", FolderConfigurations=FOLDERS)
    before = get(demo)
    demo(PUT, Name="second", FolderConfigurations=FOLDERS[:1])
    after = get(demo)
    assert after["Id"] == before["Id"]
    assert (after["Name"], after["FolderConfigurations"]) == ("second", FOLDERS[:1])
    assert "Description" not in after
    demo(PUT, Id=before["Id"], Name="third", FolderConfigurations=[])
    assert get(demo)["FolderConfigurations"] == []
    code, _ = refused(other, PUT, Id=before["Id"], Name="x", FolderConfigurations=[])
    assert code == "InvalidParameterException"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Id": "unknown"},
        {"FolderConfigurations": [FOLDERS[0], {"Name": "INBOX", "Action": "NONE"}]},
        {"FolderConfigurations": [{"Name": "INBOX", "Action": "DELETE"}]},
    ],
)
def test_what_is_not_acceptable(demo: Tenant, wrong: dict[str, Any]) -> None:
    put = {"Name": "default", "FolderConfigurations": FOLDERS, **wrong}
    assert refused(demo, PUT, **put)[0] == "InvalidParameterException"
    assert refused(demo, "GetDefaultRetentionPolicy")[0] == "EntityNotFoundException"


def test_a_new_policy_has_a_run(api: ApiServer, demo: Tenant) -> None:
    demo(PUT, Name="default", FolderConfigurations=FOLDERS)
    assert api.work() == 1
    assert api.work() == 0
