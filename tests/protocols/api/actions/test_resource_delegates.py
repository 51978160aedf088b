"""AssociateDelegateToResource, DisassociateDelegateFromResource, ListResourceDelegates."""

from tests.support.api_server import Tenant, refused


def delegates(demo: Tenant) -> set[tuple[str, str]]:
    answer = demo("ListResourceDelegates", ResourceId="room")
    return {(delegate["Id"], delegate["Type"]) for delegate in answer["Delegates"]}


def test_users_and_groups_come_and_go(demo: Tenant) -> None:
    room, ada, group = demo.resource("room"), demo.user("ada"), demo.group("everyone")
    for entity in ("ada@demo.test", group, ada):
        answer = demo("AssociateDelegateToResource", ResourceId=room, EntityId=entity)
        assert answer == {}
    assert delegates(demo) == {(ada, "USER"), (group, "GROUP")}
    for _ in range(2):
        values = {"ResourceId": "room", "EntityId": "everyone"}
        assert demo("DisassociateDelegateFromResource", **values) == {}
    assert delegates(demo) == {(ada, "USER")}
    demo("DeregisterFromWorkMail", EntityId=ada)
    assert delegates(demo) == {(ada, "USER")}
    demo("DeleteUser", UserId=ada)
    assert delegates(demo) == set()


def test_pages(demo: Tenant) -> None:
    room = demo.resource("room")
    users = [demo.user(f"user{number}") for number in range(3)]
    for user in users:
        demo("AssociateDelegateToResource", ResourceId=room, EntityId=user)
    pages = demo.client.get_paginator("list_resource_delegates").paginate(
        OrganizationId=demo.organization, ResourceId=room, PaginationConfig={"PageSize": 2}
    )
    assert [one["Id"] for page in pages for one in page["Delegates"]] == sorted(users)


def test_what_is_refused(demo: Tenant) -> None:
    demo.resource("room")
    demo.resource("attic")
    demo.resource("closed", enabled=False)
    demo.user("ada")
    demo.user("disabled", enabled=False)
    gone = demo.resource("gone", enabled=False)
    demo("DeleteResource", ResourceId=gone)

    def code(action: str, resource: str, entity: str) -> str:
        return refused(demo, action, ResourceId=resource, EntityId=entity)[0]

    add, remove = "AssociateDelegateToResource", "DisassociateDelegateFromResource"
    assert code(add, "room", "attic") == "InvalidParameterException"
    assert code(add, "room", "room") == "InvalidParameterException"
    assert code(add, "room", "disabled") == "EntityStateException"
    assert code(add, "closed", "ada") == "EntityStateException"
    for action in (add, remove):
        assert code(action, "room", "nobody") == "EntityNotFoundException"
        assert code(action, "ada", "ada") == "EntityNotFoundException"
        assert code(action, gone, "ada") == "EntityStateException"
    assert refused(demo, "ListResourceDelegates", ResourceId=gone)[0] == "EntityStateException"
    assert refused(demo, "ListResourceDelegates", ResourceId="x")[0] == "EntityNotFoundException"
