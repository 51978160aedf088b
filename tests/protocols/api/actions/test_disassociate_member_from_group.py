"""DisassociateMemberFromGroup."""

from tests.support.api_server import Tenant, refused


def test_members_are_removed_whatever_their_state(demo: Tenant) -> None:
    ada = demo.user("ada")
    inner = demo.group("inner")
    group = demo.group("everyone")
    for member in (ada, inner):
        demo("AssociateMemberToGroup", GroupId=group, MemberId=member)
    demo("DeregisterFromWorkMail", EntityId=ada)
    demo("DeregisterFromWorkMail", EntityId=group)
    for member in ("ada", inner):
        assert demo("DisassociateMemberFromGroup", GroupId="everyone", MemberId=member) == {}
    assert demo("ListGroupMembers", GroupId=group)["Members"] == []
    demo("DisassociateMemberFromGroup", GroupId=group, MemberId=ada)


def test_what_is_refused(demo: Tenant) -> None:
    group = demo.group("everyone")
    ada = demo.user("ada", enabled=False)
    demo("DeleteUser", UserId=ada)

    def code(group: str, member: str) -> str:
        return refused(demo, "DisassociateMemberFromGroup", GroupId=group, MemberId=member)[0]

    assert code(group, "nobody") == "EntityNotFoundException"
    assert code("nothing", group) == "EntityNotFoundException"
    assert code(group, ada) == "EntityStateException"
