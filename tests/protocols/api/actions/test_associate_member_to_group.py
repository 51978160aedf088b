"""AssociateMemberToGroup."""

from tests.support.api_server import ApiServer, Tenant, refused
from workpost.domain.directory.expansion import expand_envelope


def reached(api: ApiServer, address: str) -> list[str]:
    result = api.run(expand_envelope(api.core, [address]))
    return sorted(local.address for local in result.local)


def test_users_and_groups_become_members(api: ApiServer, demo: Tenant) -> None:
    demo.user("ada")
    grace = demo.user("grace")
    demo.group("inner")
    outer = demo.group("outer")

    def add(group: str, member: str) -> None:
        assert demo("AssociateMemberToGroup", GroupId=group, MemberId=member) == {}

    add("inner", "ada@demo.test")
    add(outer, "inner")
    add("outer@demo.test", grace)
    add(outer, grace)
    assert reached(api, "outer@demo.test") == ["ada@demo.test", "grace@demo.test"]


def test_what_is_refused(demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    demo.user("disabled", enabled=False)
    demo.group("inner")
    demo.group("outer")
    other.user("eve")
    demo("AssociateMemberToGroup", GroupId="outer", MemberId="inner")

    def code(group: str, member: str) -> str:
        return refused(demo, "AssociateMemberToGroup", GroupId=group, MemberId=member)[0]

    assert code("inner", "outer") == "InvalidParameterException"
    assert code("outer", "outer") == "InvalidParameterException"
    assert code("outer", "disabled") == "EntityStateException"
    assert code("outer", "nobody") == "EntityNotFoundException"
    assert code("outer", "eve@other.test") == "EntityNotFoundException"
    assert code("ada", "inner") == "EntityNotFoundException"
