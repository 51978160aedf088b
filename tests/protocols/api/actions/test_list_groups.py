"""ListGroups."""

import pytest

from tests.support.api_server import Tenant, refused


@pytest.fixture
def groups(demo: Tenant) -> Tenant:
    demo.group("admins")
    demo.group("Authors")
    demo.group("board", enabled=False)
    gone = demo.group("gone", enabled=False)
    demo("DeleteGroup", GroupId=gone)
    demo.user("ada")
    return demo


def test_a_summary(groups: Tenant) -> None:
    admins, _, board = groups("ListGroups")["Groups"]
    assert admins.pop("EnabledDate")
    assert len(admins.pop("Id")) == 36
    assert admins == {"Name": "admins", "Email": "admins@demo.test", "State": "ENABLED"}
    assert set(board) == {"Id", "Name", "State"}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["admins", "Authors", "board"]),
        ({"NamePrefix": "A"}, ["admins", "Authors"]),
        ({"NamePrefix": "au"}, ["Authors"]),
        ({"PrimaryEmailPrefix": "admins@d"}, ["admins"]),
        ({"State": "ENABLED"}, ["admins", "Authors"]),
        ({"State": "DISABLED"}, ["board"]),
        ({"State": "DELETED"}, ["gone"]),
        ({"NamePrefix": "z"}, []),
    ],
)
def test_filters(groups: Tenant, filters: dict[str, str], names: list[str]) -> None:
    answer = groups("ListGroups", Filters=filters)
    assert [group["Name"] for group in answer["Groups"]] == names
    assert "NextToken" not in answer


def test_one_filter_at_a_time(demo: Tenant) -> None:
    code, _ = refused(demo, "ListGroups", Filters={"State": "ENABLED", "NamePrefix": "a"})
    assert code == "InvalidParameterException"


def test_pages_of_groups_with_the_longest_names(demo: Tenant) -> None:
    for number in range(3):
        demo("CreateGroup", Name=str(number) + "\u00ff" * 255)
    pages = list(
        demo.client.get_paginator("list_groups").paginate(
            OrganizationId=demo.organization, PaginationConfig={"PageSize": 1}
        )
    )
    assert [group["Name"][0] for page in pages for group in page["Groups"]] == ["0", "1", "2"]
