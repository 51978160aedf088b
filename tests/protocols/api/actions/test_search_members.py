"""SearchMembers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import ApiServer, Tenant
from workpost.domain.directory import search


def names(tenant: Tenant, query: str, **more: Any) -> list[str]:
    """Names of who is found, page after page."""
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = tenant("SearchMembers", SearchText=query, **more, **token)
        assert len(page["Members"]) <= more.get("MaxResults", 100)
        found += [each["Name"] for each in page["Members"]]
        if "NextToken" not in page:
            return found
        token = {"NextToken": page["NextToken"]}


@pytest.fixture
def town(demo: Tenant) -> Tenant:
    """Users, groups and resources."""
    demo.user("ada", DisplayName="Ada Lovelace")
    demo.user("grace", DisplayName="Grace Hopper")
    demo.user("adele", enabled=False, DisplayName="Adele")
    demo.group("admins")
    demo.resource("adytum")
    demo(
        "CreateAlias",
        EntityId=demo("DescribeUser", UserId="grace")["UserId"],
        Alias="admiral@demo.test",
    )
    return demo


def test_names_first_then_addresses_each_once(town: Tenant) -> None:
    assert names(town, "ad") == ["ada", "adele", "admins", "adytum", "grace"]
    assert names(town, "AD", MaxResults=1) == names(town, "ad", MaxResults=2) == names(town, "ad")
    assert names(town, "grace h") == ["grace"]
    assert names(town, "admiral@") == ["grace"]
    assert names(town, "hopper") == names(town, "nobody") == []


def test_what_a_name_contains(town: Tenant) -> None:
    assert names(town, "lovelace", Match="CONTAINS") == ["ada"]
    assert names(town, "HOP", Match="CONTAINS") == ["grace"]
    every = ["ada", "grace", "admins", "adytum"]
    assert names(town, "demo.test", Match="CONTAINS") == every
    assert names(town, "demo.test", Match="CONTAINS", MaxResults=1) == every


def test_by_type_and_state(town: Tenant) -> None:
    assert names(town, "ad", MemberTypes=["RESOURCE", "GROUP"]) == ["admins", "adytum"]
    assert names(town, "ad", State="DISABLED") == ["adele"]
    assert names(town, "ad", State="ENABLED", MemberTypes=["USER"]) == ["ada", "grace"]
    town("DeleteUser", UserId="adele")
    assert names(town, "adele") == []
    assert names(town, "adele", State="DELETED") == ["adele"]
    assert names(town, "a", State="DELETED", Match="CONTAINS") == ["adele"]


def test_what_is_told(town: Tenant) -> None:
    (user,) = town("SearchMembers", SearchText="ada")["Members"]
    assert user.pop("EnabledDate")
    assert user == {
        "Id": town("DescribeUser", UserId="ada")["UserId"],
        "Type": "USER",
        "Name": "ada",
        "DisplayName": "Ada Lovelace",
        "Email": "ada@demo.test",
        "State": "ENABLED",
        "UserRole": "USER",
    }
    (room,) = town("SearchMembers", SearchText="adytum")["Members"]
    assert (room["Type"], room["ResourceType"]) == ("RESOURCE", "ROOM")
    (off,) = town("SearchMembers", SearchText="adele")["Members"]
    assert (off["State"], "Email" in off) == ("DISABLED", False)


def test_others_are_not_found(town: Tenant, other: Tenant) -> None:
    other.user("adam")
    assert names(other, "ad") == ["adam"]
    assert names(other, "a", Match="CONTAINS") == ["adam"]
    assert "adam" not in names(town, "ad")


def test_a_page_reads_so_much_and_no_more(town: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    every = names(town, "a", Match="CONTAINS"), names(town, "ad")
    monkeypatch.setattr(search, "SCAN", 1)
    page = town("SearchMembers", SearchText="hopper", Match="CONTAINS")
    assert page["Members"] == []
    assert page["NextToken"]
    assert (names(town, "a", Match="CONTAINS"), names(town, "ad")) == every


def test_long_names_fit_into_tokens(api: ApiServer, demo: Tenant) -> None:
    for number in range(3):
        demo("CreateGroup", Name=f"g{number}" + "\u00ff" * 250)
        demo("CreateUser", Name=f"u{number}", DisplayName=f"g{number}" + "\u00ff" * 250)
    found = [each[:2] for each in names(demo, "g", MaxResults=1)]
    assert found == ["g0", "g1", "g2", "u0", "u1", "u2"]
