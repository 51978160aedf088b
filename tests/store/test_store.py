"""The store's face: reads, writes and hints are the same on both engines."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, Fault, FolderExists
from workpost.kernel.settings import Settings
from workpost.store.database.build import open_store
from workpost.store.database.store import Store
from workpost.store.database.unit import Reader, Tx, UniqueViolation, command, quick
from workpost.store.tables.commands import recorded_result


class Point(msgspec.Struct, frozen=True):
    x: int
    y: bytes = b""


@command
def add_event(tx: Tx, *, org: str, at: int, point: Point | None = None) -> int:
    event = tx.env.new_id()
    tx.run("INSERT INTO event (org, at, id, kind, gen, sealed) VALUES (?, ?, ?, 'a', 1, ?)",
           org, at, event, point.y if point else b"")  # fmt: skip
    tx.announce("mailbox", org, at)
    return event


@command
def add_then_fail(tx: Tx, *, org: str) -> None:
    add_event(tx, org=org, at=1)
    raise FolderExists("on purpose")


@command
def add_then_break(tx: Tx, *, org: str) -> None:
    add_event(tx, org=org, at=1)
    raise ZeroDivisionError


@command
def add_account(tx: Tx, *, id: str) -> None:
    tx.run("INSERT INTO account (id, name, created) VALUES (?, ?, ?)", id, "100 % ?", 1)


@command
def add_account_or_say_so(tx: Tx, id: str) -> Point:
    try:
        add_account(tx, id=id)
    except UniqueViolation:
        raise FolderExists(id) from None
    return Point(1, b"\x00")


@quick
def name_of(tx: Reader, *, id: str) -> str | None:
    row = tx.row("SELECT name FROM account WHERE id = ?", id)
    return row[0] if row else None


def events(tx: Reader, org: str) -> list[tuple[int, bytes]]:
    return tx.rows("SELECT at, sealed FROM event WHERE org = ? ORDER BY at", org)


async def test_a_write_returns_its_result_and_is_seen_by_the_next_read(store: Store) -> None:
    event = await store.write(add_event, org="o", at=3, point=Point(1, b"\x00%?"))
    assert isinstance(event, int)
    assert await store.read(events, "o") == [(3, b"\x00%?")]
    assert await store.write_background(add_event, org="o", at=4) > 0
    assert len(await store.read(events, org="o")) == 2


async def test_quick_reads_answer_the_same(store: Store) -> None:
    await store.write(add_account, id="a")
    assert await store.read(name_of, id="a") == "100 % ?"
    assert await store.read(name_of, id="b") is None


async def test_a_domain_error_arrives_as_it_was_raised_and_leaves_no_trace(store: Store) -> None:
    with pytest.raises(FolderExists, match="on purpose"):
        await store.write(add_then_fail, org="o")
    assert await store.read(events, "o") == []


async def test_a_bug_in_a_command_is_a_fault_and_leaves_no_trace(store: Store) -> None:
    with pytest.raises(Fault):
        await store.write(add_then_break, org="o")
    assert await store.read(events, "o") == []


async def test_a_broken_unique_key_is_a_conflict_unless_the_command_names_it(store: Store) -> None:
    assert await store.write(add_account_or_say_so, "a") == Point(1, b"\x00")
    with pytest.raises(FolderExists):
        await store.write(add_account_or_say_so, "a")
    with pytest.raises(Conflict):
        await store.write(add_account, id="a")


async def test_watchers_hear_after_the_commit_and_not_after_closing(store: Store) -> None:
    heard: list[int] = []
    rang = asyncio.Event()

    def hear(value: int) -> None:
        heard.append(value)
        rang.set()

    watch = store.watch("mailbox", "77", hear)
    with pytest.raises(FolderExists):
        await store.write(add_then_fail, org="77")
    await store.write(add_event, org="77", at=5)
    async with asyncio.timeout(30):
        await rang.wait()
    assert heard == [5]
    watch.close()
    await store.write(add_event, org="77", at=6)
    await asyncio.sleep(0.02)
    assert heard == [5]


async def test_a_call_with_wrong_arguments_is_a_type_error_at_the_caller(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.write(add_account)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        await store.write(add_account, id="a", more=1)  # type: ignore[call-arg]
    with pytest.raises(Fault):
        await store.write(name_of, id="a")  # type: ignore[arg-type]


async def test_many_writers_at_once_all_get_their_own_result(store: Store) -> None:
    ids = await asyncio.gather(*[store.write(add_event, org="m", at=n) for n in range(200)])
    assert len(set(ids)) == 200
    assert [at for at, _ in await store.read(events, "m")] == list(range(200))


@command
def remember(tx: Tx, *, id: bytes) -> None:
    tx.run("INSERT INTO command_done (id, result) VALUES (?, ?)", id, b"")


async def test_a_listeners_mistake_stops_no_chore_and_old_records_expire(
    store_settings: Settings, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.store.database.store.EVERY", 0.01)
    monkeypatch.setattr("workpost.store.database.store.EXPIRE_EVERY", 0.01)
    store = await open_store(store_settings, env)
    store.watch("mailbox", "no number", lambda _: None)  # a listener's mistake stops nobody
    await store.write(remember, id=bytes(16))
    async with asyncio.timeout(30):
        while await store.read(recorded_result, bytes(16)) is not None:
            await store.write(add_account_if_new, id="a")
    await store.close()


@command
def add_account_if_new(tx: Tx, *, id: str) -> None:
    tx.run("INSERT INTO account (id, name, created) VALUES (?, '', 1) ON CONFLICT DO NOTHING", id)
