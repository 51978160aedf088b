"""PutMailboxPermissions."""

from __future__ import annotations

from tests.support.api_server import Tenant, refused

ALL = ["FULL_ACCESS", "SEND_AS", "SEND_ON_BEHALF"]


def put(tenant: Tenant, owner: str, grantee: str, *values: str) -> None:
    answer = tenant(
        "PutMailboxPermissions",
        EntityId=owner,
        GranteeId=grantee,
        PermissionValues=list(values or ALL),
    )
    assert answer == {}


def code(tenant: Tenant, owner: str, grantee: str, *values: str) -> str:
    return refused(
        tenant,
        "PutMailboxPermissions",
        EntityId=owner,
        GranteeId=grantee,
        PermissionValues=list(values),
    )[0]


def granted(tenant: Tenant, owner: str) -> dict[str, tuple[str, list[str]]]:
    return {
        each["GranteeId"]: (each["GranteeType"], each["PermissionValues"])
        for each in tenant("ListMailboxPermissions", EntityId=owner)["Permissions"]
    }


def test_a_put_replaces_what_was_granted(demo: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    assert granted(demo, ada) == {}
    put(demo, ada, grace, "SEND_AS", "FULL_ACCESS", "SEND_AS")
    assert granted(demo, ada) == {grace: ("USER", ["FULL_ACCESS", "SEND_AS"])}
    put(demo, "ada@demo.test", "grace", "SEND_ON_BEHALF")
    assert granted(demo, "ada") == {grace: ("USER", ["SEND_ON_BEHALF"])}
    assert granted(demo, grace) == {}


def test_groups_are_granted_and_sent_for(demo: Tenant) -> None:
    ada, team, desk = demo.user("ada"), demo.group("team"), demo.group("desk")
    put(demo, ada, team)
    assert granted(demo, ada) == {team: ("GROUP", ALL)}
    put(demo, desk, ada, "SEND_AS", "SEND_ON_BEHALF")
    assert granted(demo, "desk@demo.test") == {ada: ("USER", ["SEND_AS", "SEND_ON_BEHALF"])}
    assert code(demo, desk, ada, "FULL_ACCESS") == "InvalidParameterException"


def test_what_is_refused(demo: Tenant, other: Tenant) -> None:
    ada, grace = demo.user("ada"), demo.user("grace")
    eve = other.user("eve")
    away = demo.user("away", enabled=False)
    assert code(demo, ada, ada, "SEND_AS") == "InvalidParameterException"
    assert code(demo, ada, grace) == "InvalidParameterException"
    assert code(demo, ada, grace, "READ") == "ValidationException"
    for owner, grantee in ((away, ada), (ada, away)):
        assert code(demo, owner, grantee, "SEND_AS") == "EntityStateException"
    for owner, grantee in ((eve, ada), (ada, eve), ("nobody", ada), (ada, "S-1-1-12-1234")):
        assert code(demo, owner, grantee, "SEND_AS") == "EntityNotFoundException"
    assert granted(demo, ada) == {}
