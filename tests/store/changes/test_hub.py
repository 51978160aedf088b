"""Hints within a process: coalesced per tick, compared now and then, deaf listeners harmless."""

from __future__ import annotations

import asyncio

from tests.store.database.commands import note
from workpost.store.changes.compare import mailbox_values, policy_values
from workpost.store.changes.hub import ANY, Hub
from workpost.store.database.store import Store
from workpost.store.database.unit import Hint, Tx, command


async def _tick() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_hints_of_one_tick_become_one_call_with_the_highest_value() -> None:
    hub = Hub()
    heard: list[int] = []
    hub.watch("mailbox", "1", heard.append)
    hub.publish([Hint("mailbox", "1", 3), Hint("mailbox", "2", 9)])
    hub.publish([Hint("mailbox", "1", 2)])
    await _tick()
    assert heard == [3]


async def test_the_empty_key_hears_the_whole_kind() -> None:
    hub = Hub()
    all_of_them: list[int] = []
    one: list[int] = []
    hub.watch("queue", ANY, all_of_them.append)
    hub.watch("queue", "local", one.append)
    hub.publish([Hint("queue", "local", 1)])
    await _tick()
    hub.publish([Hint("queue", "", 2)])
    await _tick()
    assert (all_of_them, one) == ([1, 2], [1])


async def test_closing_a_watch_twice_and_while_being_told_is_harmless() -> None:
    hub = Hub()
    heard: list[int] = []
    watch = hub.watch("mailbox", "1", lambda value: (heard.append(value), watch.close())[1])
    hub.watch("mailbox", "1", heard.append)
    hub.publish([Hint("mailbox", "1", 1)])
    await _tick()
    watch.close()
    hub.publish([Hint("mailbox", "1", 2)])
    await _tick()
    assert heard == [1, 1, 2]


async def test_one_listeners_bug_does_not_silence_the_others() -> None:
    hub = Hub()
    heard: list[int] = []

    def fail(value: int) -> None:
        raise ValueError(value)

    hub.watch("mailbox", "1", fail)
    hub.watch("mailbox", "1", heard.append)
    hub.publish([Hint("mailbox", "1", 1)])
    await _tick()
    assert heard == [1]


async def test_a_comparison_tells_only_of_values_not_heard_before() -> None:
    hub = Hub()
    heard: list[int] = []
    watch = hub.watch("mailbox", "1", heard.append)
    hub.compare("mailbox", [("1", 4)])
    await _tick()
    hub.compare("mailbox", [("1", 4)])
    await _tick()
    hub.publish([Hint("mailbox", "1", 5)])
    await _tick()
    hub.compare("mailbox", [("1", 5)])
    await _tick()
    assert heard == [4, 5]
    watch.close()
    hub.publish([Hint("mailbox", "1", 6)])
    await _tick()
    assert hub.watched("mailbox") == []


@command
def add_mailbox(tx: Tx, *, id: int, modseq: int) -> None:
    tx.run(
        "INSERT INTO mailbox (id, org, owner, state, epoch, modseq, floor_modseq, bytes, items,"
        " quota) VALUES (?, 'o', 'u', 'enabled', 1, ?, 0, 0, 0, 1)"
        " ON CONFLICT (id) DO UPDATE SET modseq = excluded.modseq",
        id,
        modseq,
    )


@command
def set_policy(tx: Tx, *, org: str, version: int) -> None:
    tx.run(
        "INSERT INTO organization (id, account, alias, state, directory_id, gal_modseq,"
        " policy_version, created, settings) VALUES (?, 'a', ?, 'Active', '', 1, ?, 1, '{}')"
        " ON CONFLICT (id) DO UPDATE SET policy_version = excluded.policy_version",
        org,
        org,
        version,
    )


async def test_what_changed_without_a_hint_is_found_by_comparison(store: Store) -> None:
    mailbox: list[int] = []
    one: list[int] = []
    every: list[int] = []
    store.watch("mailbox", "5", mailbox.append)
    store.watch("policy", "o-1", one.append)
    store.watch("policy", ANY, every.append)
    for modseq in (7, 7, 8):
        await store.write(add_mailbox, id=5, modseq=modseq)
        await store.write(set_policy, org="o-1", version=modseq)
        await store.write(set_policy, org="o-2", version=1)
        await store.compare_now()
        await _tick()
    assert (mailbox, one) == ([7, 8], [7, 8])
    assert every[-1] == 9


async def test_comparisons_page_through_any_number_of_keys(store: Store) -> None:
    for mailbox in range(1, 31):
        await store.write(add_mailbox, id=mailbox, modseq=mailbox * 2)
    keys = [str(n) for n in range(1, 1_200)]
    values = await store.read(mailbox_values, keys=keys)
    assert sorted(values) == sorted((str(n), n * 2) for n in range(1, 31))
    assert await store.read(mailbox_values, keys=[]) == []
    assert await store.read(policy_values, keys=["nobody"]) == []
    assert await store.write(note, who="x", n=1) == 1
