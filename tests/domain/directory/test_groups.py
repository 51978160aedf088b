"""Groups and their members."""

import asyncio

import pytest

from tests.support.directories import Directory
from workpost.domain.directory import shell
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.kernel.errors import EntityNotFound, EntityStateInvalid, InvalidParameter


async def add(demo: Directory, group: str, member: str) -> None:
    await shell.add_member(demo.core, demo.grant, group=group, member=member)


async def test_members_are_users_and_groups_by_any_identifier(demo: Directory) -> None:
    ada = await demo.user("ada")
    inner = await demo.group("inner")
    outer = await demo.group("outer")
    await add(demo, "OUTER@demo.test", "ada")
    await add(demo, "outer", inner)
    await add(demo, outer, "ada@demo.test")
    rows = await demo.run("SELECT grp, member FROM member ORDER BY member")
    assert rows == sorted([(outer, ada), (outer, inner)], key=lambda row: row[1])


async def test_members_and_groups_must_be_enabled(demo: Directory) -> None:
    await demo.user("ada")
    await demo.user("grace", enabled=False)
    await demo.group("everyone")
    await demo.group("silent", enabled=False)
    with pytest.raises(EntityStateInvalid, match="grace"):
        await add(demo, "everyone", "grace")
    with pytest.raises(EntityStateInvalid, match="silent"):
        await add(demo, "silent", "ada")


async def test_a_group_cannot_contain_itself(demo: Directory) -> None:
    for name in ("a", "b", "c"):
        await demo.group(name)
    await add(demo, "a", "b")
    await add(demo, "b", "c")
    for group, member in (("a", "a"), ("b", "a"), ("c", "a")):
        with pytest.raises(InvalidParameter, match="contains"):
            await add(demo, group, member)
    await add(demo, "a", "c")


async def test_two_administrators_cannot_close_a_loop_together(demo: Directory) -> None:
    for name in ("a", "b", "c", "d"):
        await demo.group(name)
    for one, two in (("a", "b"), ("c", "d")):
        results = await asyncio.gather(
            add(demo, one, two), add(demo, two, one), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == [
            "InvalidParameter",
            "NoneType",
        ]


async def test_only_groups_have_members(demo: Directory, other: Directory) -> None:
    await demo.user("ada")
    await demo.user("grace")
    await demo.group("everyone")
    await other.user("eve")
    with pytest.raises(EntityNotFound):
        await add(demo, "ada", "grace")
    with pytest.raises(EntityNotFound):
        await add(demo, "everyone", "eve@other.test")


async def test_a_disabled_group_keeps_its_members(demo: Directory) -> None:
    ada = await demo.user("ada")
    group = await demo.group("everyone", ada)
    await deregister_from_workmail(demo.core, demo.grant, "everyone@demo.test")
    assert await demo.run("SELECT grp, member FROM member") == [(group, ada)]


async def test_a_new_member_raises_the_policy_version_once(demo: Directory) -> None:
    await demo.user("ada")
    await demo.group("everyone")
    heard: list[int] = []
    watch = demo.core.store.watch("policy", demo.organization, heard.append)
    [(before,)] = await demo.run("SELECT policy_version FROM organization")
    await add(demo, "everyone", "ada")
    await add(demo, "everyone", "ada")
    [(after,)] = await demo.run("SELECT policy_version FROM organization")
    assert after == before + 1
    assert heard[-1:] == [after]
    watch.close()
