"""Synchronizing what hostile or unlucky entries, and a busy machine, put in the way."""

from __future__ import annotations

import asyncio
import random
import string
from typing import Any

import pytest

from tests.support.outside_directory import Outside, members, problems, users
from workpost.domain.directory import sync_runs
from workpost.domain.directory.imported import Reading
from workpost.integrations.ldap.base import Found
from workpost.integrations.ldap.threads import DirectoryThreads
from workpost.kernel.errors import Busy
from workpost.operations.directories import sync
from workpost.store.database.store import Store

pytestmark = pytest.mark.peer("slapd")


@pytest.mark.parametrize("rdn", ["uid=ada (left)", "uid=grace-"])
def test_who_cannot_have_a_name_is_still_moved_between_groups(outside: Outside, rdn: str) -> None:
    """The next one under the old distinguished name is in the groups that name it, alone."""
    ada, group = outside.tree.person("ada"), outside.tree.group("grace-")
    outside.tree.group("crew", ada)
    tenant = outside.create()
    assert members(tenant, "crew") == {"ada"}
    moved = outside.tree.rename(ada, rdn)
    outside.tree.group("left", moved)
    outside.tree.change(outside.tree.dn("crew", "groups"), member=[ada])
    outside.sync(full=False)
    assert set(problems(outside, tenant)) == {rdn}
    assert members(tenant, "left") == {"ada"}
    assert members(tenant, "crew") == set()
    outside.tree.remove(group)
    outside.tree.rename(moved, "uid=ada")
    outside.sync()
    assert members(tenant, "crew") == {"ada"}


def test_names_of_any_length_stop_nothing(outside: Outside) -> None:
    """Nor do those that are longer than what an index of the database takes."""
    noise = "".join(random.Random(4711).choices(string.ascii_letters, k=6000))
    ada = outside.tree.person("ada")
    outside.tree.group("crew", ada, f"cn={noise},ou=people,{outside.tree.base}")
    tenant = outside.create()
    assert members(tenant, "crew") == {"ada"}


def test_who_is_named_by_the_identifier_of_another_stops_nothing(outside: Outside) -> None:
    ada = outside.tree.person("ada")
    outside.tree.group("crew")
    tenant = outside.create()
    identifier = users(tenant)["ada"]
    outside.tree.person(identifier)
    outside.sync(full=False)
    outside.tree.rename(ada, "uid=crew")
    outside.sync(full=False)
    outside.tree.person("ada")
    outside.sync(full=False)
    after = users(tenant)
    assert len(after) == 3
    assert after["ada"] != identifier, "who cannot have another name made room for the new one"
    assert identifier in after.values()


def test_who_is_taken_for_a_group_too_keeps_the_name(outside: Outside) -> None:
    outside.configure(group_filter="(|(objectClass=groupOfNames)(cn=countess))")
    outside.tree.person("ada", cn="countess")
    tenant = outside.create()
    before = users(tenant)
    newcomer = f"uid=ada,ou=groups,{outside.tree.base}"
    outside.tree.add(newcomer, ["inetOrgPerson"], uid="ada", cn="Other", sn="Other")
    outside.sync()
    outside.sync()
    assert users(tenant) == before


def test_entries_are_not_read_where_people_are_served(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group of 100,000 takes seconds, and its server sends it at once."""
    outside.tree.group("crew", outside.tree.person("ada"))
    entry, members_of = Reading.entry, Reading.members
    asked: list[str] = []

    def watch(what: str) -> None:
        asked.append(what)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()

    def watched(self: Reading, kind: str, found: Found) -> Any:
        watch("entry")
        return entry(self, kind, found)

    def watched_members(self: Reading, found: Found) -> Any:
        watch("members")
        return members_of(self, found)

    monkeypatch.setattr(Reading, "entry", watched)
    monkeypatch.setattr(Reading, "members", watched_members)
    tenant = outside.create()
    assert members(tenant, "crew") == {"ada"}
    assert set(asked) == {"entry", "members"}


def test_a_busy_store_does_not_end_the_hold_of_the_lease(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = outside.create()
    outside.tree.person("ada")
    held: list[int] = []
    held_on = asyncio.Event()
    pages, write = DirectoryThreads.pages, Store.write_background

    async def slow(self: DirectoryThreads, *question: Any) -> Any:
        async with asyncio.timeout(30):
            await held_on.wait()
        async for page in pages(self, *question):
            yield page

    async def busy(self: Store, unit: Any, **values: Any) -> Any:
        if unit is sync_runs.keep_lease:
            held.append(1)
            if len(held) == 1:
                raise Busy("The store is busy.")
            held_on.set()
        return await write(self, unit, **values)

    monkeypatch.setattr(sync, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(DirectoryThreads, "pages", slow)
    monkeypatch.setattr(Store, "write_background", busy)
    outside.sync()
    assert set(users(tenant)) == {"ada"}
