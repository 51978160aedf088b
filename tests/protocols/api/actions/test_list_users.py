"""ListUsers."""

import pytest

from tests.support.api_server import Tenant, refused

IDENTITY = "0123456789-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@pytest.fixture
def people(demo: Tenant) -> Tenant:
    demo.user("ada", DisplayName="Ada Lovelace")
    demo.user("grace", DisplayName="Grace Hopper", enabled=False)
    demo.user("barbara", enabled=False, IdentityProviderUserId=IDENTITY)
    gone = demo.user("gone", enabled=False)
    demo("DeleteUser", UserId=gone)
    return demo


def test_a_summary_has_what_is_set(people: Tenant) -> None:
    [ada, barbara, _] = people("ListUsers")["Users"]
    assert ada.pop("EnabledDate")
    assert len(ada.pop("Id")) == 36
    assert ada == {
        "Email": "ada@demo.test",
        "Name": "ada",
        "DisplayName": "Ada Lovelace",
        "State": "ENABLED",
        "UserRole": "USER",
    }
    assert barbara["IdentityProviderUserId"] == IDENTITY


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["ada", "barbara", "grace"]),
        ({"UsernamePrefix": "GR"}, ["grace"]),
        ({"DisplayNamePrefix": "ada l"}, ["ada"]),
        ({"PrimaryEmailPrefix": "ada@"}, ["ada"]),
        ({"State": "ENABLED"}, ["ada"]),
        ({"State": "DISABLED"}, ["barbara", "grace"]),
        ({"State": "DELETED"}, ["gone"]),
        ({"IdentityProviderUserIdPrefix": "0123456789-AAAA"}, ["barbara"]),
        ({"UsernamePrefix": "nobody"}, []),
    ],
)
def test_filters(people: Tenant, filters: dict[str, str], names: list[str]) -> None:
    answer = people("ListUsers", Filters=filters)
    assert [user["Name"] for user in answer["Users"]] == names
    assert "NextToken" not in answer


def test_one_filter_at_a_time(demo: Tenant) -> None:
    code, _ = refused(demo, "ListUsers", Filters={"State": "ENABLED", "UsernamePrefix": "a"})
    assert code == "InvalidParameterException"


def test_pages_through_boto3s_paginator(demo: Tenant) -> None:
    for number in range(5):
        demo("CreateUser", Name=f"user{number}", DisplayName="Same")
    for filters in ({}, {"DisplayNamePrefix": "same"}, {"State": "DISABLED"}):
        pages = list(
            demo.client.get_paginator("list_users").paginate(
                OrganizationId=demo.organization,
                Filters=filters,
                PaginationConfig={"PageSize": 2},
            )
        )
        assert [len(page["Users"]) for page in pages] == [2, 2, 1]
        seen = {user["Name"] for page in pages for user in page["Users"]}
        assert len(seen) == 5


def test_a_token_is_bound_to_its_filter_and_organization(demo: Tenant) -> None:
    for number in range(2):
        demo("CreateUser", Name=f"user{number}", DisplayName="Same")
    token = demo("ListUsers", MaxResults=1)["NextToken"]
    second = demo.client.create_organization(Alias="second")["OrganizationId"]
    for parameters in ({"Filters": {"State": "DISABLED"}}, {"OrganizationId": second}):
        code, _ = refused(demo, "ListUsers", NextToken=token, **parameters)
        assert code == "InvalidParameterException"
    assert len(demo("ListUsers", MaxResults=100, NextToken=token)["Users"]) == 1


def test_pages_of_the_longest_display_names(demo: Tenant) -> None:
    for number in range(3):
        demo("CreateUser", Name=f"user{number}", DisplayName="\u4e16" * 255 + str(number))
    pages = demo.client.get_paginator("list_users").paginate(
        OrganizationId=demo.organization,
        Filters={"DisplayNamePrefix": "\u4e16"},
        PaginationConfig={"PageSize": 1},
    )
    assert [page["Users"][0]["Name"] for page in pages] == ["user0", "user1", "user2"]
