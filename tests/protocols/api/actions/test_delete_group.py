"""DeleteGroup."""

from tests.support.api_server import Tenant, refused


def test_a_disabled_group_is_deleted_with_its_memberships(demo: Tenant) -> None:
    demo.user("ada")
    outer, inner = demo.group("outer"), demo.group("inner")
    demo("AssociateMemberToGroup", GroupId=outer, MemberId=inner)
    demo("AssociateMemberToGroup", GroupId=inner, MemberId="ada")
    assert refused(demo, "DeleteGroup", GroupId=inner)[0] == "EntityStateException"
    demo("DeregisterFromWorkMail", EntityId=inner)
    assert demo("DeleteGroup", GroupId=inner) == {}
    assert demo("ListGroupMembers", GroupId=outer)["Members"] == []
    assert demo("ListGroupsForEntity", EntityId="ada")["Groups"] == []
    assert demo("DeleteGroup", GroupId=inner) == {}
    assert refused(demo, "DeleteGroup", GroupId="inner")[0] == "EntityNotFoundException"


def test_the_name_is_free_again(demo: Tenant) -> None:
    group = demo.group("everyone", enabled=False)
    demo("DeleteGroup", GroupId="Everyone")
    assert demo.group("everyone") != group
