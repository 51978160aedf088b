"""ListGroupsForEntity."""

from tests.support.api_server import Tenant, refused


def names(demo: Tenant, entity: str, **more: object) -> list[str]:
    answer = demo("ListGroupsForEntity", EntityId=entity, **more)
    return sorted(group["GroupName"] for group in answer["Groups"])


def test_direct_groups_of_users_and_groups(demo: Tenant) -> None:
    ada = demo.user("ada")
    ids = {name: demo.group(name) for name in ("inner", "Outer", "other")}
    for group, member in (("Outer", "inner"), ("inner", "ada"), ("other", "ada")):
        demo("AssociateMemberToGroup", GroupId=group, MemberId=member)
    assert names(demo, "ada@demo.test") == ["inner", "other"]
    assert names(demo, ada, Filters={"GroupNamePrefix": "IN"}) == ["inner"]
    assert names(demo, ada, Filters={"GroupNamePrefix": "out"}) == []
    [group] = demo("ListGroupsForEntity", EntityId=ids["inner"])["Groups"]
    assert group == {"GroupId": ids["Outer"], "GroupName": "Outer"}
    demo("DeregisterFromWorkMail", EntityId="other")
    assert names(demo, ada) == ["inner", "other"]


def test_pages(demo: Tenant) -> None:
    ada = demo.user("ada")
    groups = {demo.group(f"group{number}") for number in range(3)}
    for group in groups:
        demo("AssociateMemberToGroup", GroupId=group, MemberId=ada)
    first = demo("ListGroupsForEntity", EntityId=ada, MaxResults=2)
    rest = demo("ListGroupsForEntity", EntityId=ada, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    assert {group["GroupId"] for group in first["Groups"] + rest["Groups"]} == groups
    code, _ = refused(demo, "ListGroupsForEntity", EntityId=ada, NextToken="forged")
    assert code == "InvalidParameterException"


def test_deleted_and_unknown_entities(demo: Tenant) -> None:
    ada = demo.user("ada", enabled=False)
    demo("DeleteUser", UserId=ada)
    assert refused(demo, "ListGroupsForEntity", EntityId=ada)[0] == "EntityStateException"
    assert refused(demo, "ListGroupsForEntity", EntityId="ada")[0] == "EntityNotFoundException"
