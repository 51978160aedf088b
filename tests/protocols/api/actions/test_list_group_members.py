"""ListGroupMembers."""

from tests.support.api_server import Tenant, refused


def test_direct_members_with_their_states(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    outer, inner = demo.group("outer"), demo.group("inner")
    for group, member in ((outer, ada), (outer, inner), (inner, grace)):
        demo("AssociateMemberToGroup", GroupId=group, MemberId=member)
    demo("DeregisterFromWorkMail", EntityId=ada)
    members = {
        member["Id"]: member for member in demo("ListGroupMembers", GroupId="outer")["Members"]
    }
    assert set(members) == {ada, inner}
    assert set(members[ada]) == {"Id", "Name", "Type", "State", "EnabledDate", "DisabledDate"}
    assert (members[ada]["Name"], members[ada]["State"]) == ("ada", "DISABLED")
    assert members[inner].pop("EnabledDate")
    assert members[inner] == {"Id": inner, "Name": "inner", "Type": "GROUP", "State": "ENABLED"}


def test_pages(demo: Tenant) -> None:
    group = demo.group("everyone")
    users = [demo.user(f"user{number}") for number in range(5)]
    for user in users:
        demo("AssociateMemberToGroup", GroupId=group, MemberId=user)
    pages = list(
        demo.client.get_paginator("list_group_members").paginate(
            OrganizationId=demo.organization, GroupId=group, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["Members"]) for page in pages] == [2, 2, 1]
    assert [member["Id"] for page in pages for member in page["Members"]] == sorted(users)
    token = demo("ListGroupMembers", GroupId=group, MaxResults=2)["NextToken"]
    other = demo.group("others")
    code, _ = refused(demo, "ListGroupMembers", GroupId=other, NextToken=token)
    assert code == "InvalidParameterException"


def test_deleted_and_unknown_groups(demo: Tenant) -> None:
    group = demo.group("everyone", enabled=False)
    assert demo("ListGroupMembers", GroupId=group) == {"Members": []}
    demo("DeleteGroup", GroupId=group)
    assert refused(demo, "ListGroupMembers", GroupId=group)[0] == "EntityStateException"
    assert refused(demo, "ListGroupMembers", GroupId="nobody")[0] == "EntityNotFoundException"
