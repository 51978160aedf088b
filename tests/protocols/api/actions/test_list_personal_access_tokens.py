"""ListPersonalAccessTokens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api_server import Tenant, refused
from tests.support.identity import UUID, Center

LIST = "ListPersonalAccessTokens"


@pytest.fixture
def people(center: Center) -> Center:
    for number, name in enumerate(("ada", "grace")):
        center.tenant.user(name, IdentityProviderUserId=f"{UUID[:-1]}{number}")
    center.put(LifetimeInDays=365)
    return center


def listed(tenant: Tenant, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = tenant(LIST, **more)
        found += page["PersonalAccessTokenSummaries"]
        if "NextToken" not in page:
            return found
        assert len(page["PersonalAccessTokenSummaries"]) == more.get("MaxResults", 100)
        more["NextToken"] = page["NextToken"]


def test_tokens_of_all_or_of_one_user_by_any_identifier(people: Center) -> None:
    ada = [people.token("ada", name=f"token {number}") for number in range(3)]
    grace = people.token("grace", scopes=["smtp"])
    tenant = people.tenant
    assert {each["PersonalAccessTokenId"] for each in listed(tenant, MaxResults=1)} == {
        grace.id,
        *(token.id for token in ada),
    }
    user = tenant("DescribeUser", UserId="ada")["UserId"]
    for identifier in ("ada", "ada@demo.test", user):
        found = listed(tenant, UserId=identifier, MaxResults=2)
        assert {each["Name"] for each in found} == {"token 0", "token 1", "token 2"}
        assert {each["UserId"] for each in found} == {user}
    (one,) = listed(tenant, UserId="grace")
    assert one["Scopes"] == ["smtp"]
    assert "DateLastUsed" not in one
    assert (one["ExpiresTime"] - one["DateCreated"]).days == 365


def test_no_answer_holds_the_token_itself(people: Center) -> None:
    made = people.token("ada")
    shown = str(listed(people.tenant))
    assert made.id in shown
    assert made.token not in shown


def test_nobody_and_somebody_deleted(people: Center, other: Tenant) -> None:
    tenant = people.tenant
    for user in ("nobody", other.user("eve")):
        assert refused(tenant, LIST, UserId=user)[0] == "EntityNotFoundException"
    user = tenant.user("barbara", enabled=False)
    assert listed(tenant, UserId=user) == []
    tenant("DeleteUser", UserId=user)
    assert refused(tenant, LIST, UserId=user)[0] == "EntityStateException"


def test_a_page_token_is_good_for_its_listing(people: Center) -> None:
    people.token("ada")
    people.token("ada")
    token = people.tenant(LIST, MaxResults=1)["NextToken"]
    code, _ = refused(people.tenant, LIST, UserId="ada", NextToken=token)
    assert code == "InvalidParameterException"


def test_without_a_configuration_there_are_none(demo: Tenant) -> None:
    assert listed(demo) == []
