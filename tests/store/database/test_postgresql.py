"""PostgreSQL: statements as on SQLite, commits in doubt settled, nodes that hear each other."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psycopg
import pytest

from tests.store.database.callers import Callers
from tests.store.database.commands import add_to, counts, note, note_then_fail, notes, one_row
from tests.support.postgres import PostgresServer
from tests.support.stores import migrate_template
from workpost.kernel.clock import Environment, SystemEnvironment
from workpost.kernel.errors import Conflict, Fault, TryLater
from workpost.kernel.settings import Database, Settings
from workpost.store.changes.bulletin import payloads
from workpost.store.database.batch import Waiting
from workpost.store.database.build import open_store
from workpost.store.database.codec import call_of
from workpost.store.database.counters import Counters
from workpost.store.database.doubt import new_command_id
from workpost.store.database.postgresql import translated
from workpost.store.database.session import Session
from workpost.store.database.store import Store
from workpost.store.database.unit import Hint, Reader, Tx, UniqueViolation, command

pytestmark = pytest.mark.peer("postgres")


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create_database(postgres_server.template("workpost", migrate_template))
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def settings(url: str) -> Settings:
    return Settings(database=Database(url=url))


@pytest.fixture
def store(runner: asyncio.Runner, settings: Settings, env: Environment) -> Iterator[Store]:
    opened = runner.run(open_store(settings, env))
    yield opened
    runner.run(opened.close())


@pytest.fixture
def session(url: str) -> Iterator[Session]:
    opened = Session(url, SystemEnvironment(), Counters(), gone_after=5)
    yield opened
    opened.close()


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _waiting(function, **kwargs: object) -> Waiting:
    call = call_of(function)
    return Waiting(new_command_id(), call, call.encode((), kwargs))


def test_question_marks_outside_of_quotes_become_parameters() -> None:
    assert translated("SELECT '?''?', \"?\", ? WHERE a LIKE '5%' AND b % 2 = ?") == (
        b"SELECT '?''?', \"?\", %s WHERE a LIKE '5%%' AND b %% 2 = %s"
    )


def _values(tx: Reader) -> tuple[object, ...]:
    row = tx.row(
        "SELECT CAST(? AS BIGINT), CAST(? AS BYTEA), CAST(? AS BIGINT)", 1, b"\0\xff", True
    )
    total = tx.row("SELECT SUM(n), AVG(n) FROM (VALUES (1), (2)) AS t (n)")
    assert row is not None
    assert total is not None
    return row + total


async def test_values_are_what_sqlite_gives(store: Store) -> None:
    values = await store.read(_values)
    assert values == (1, b"\0\xff", 1, 3, 1.5)
    assert [type(value) for value in values] == [int, bytes, int, int, float]


@pytest.mark.crash
async def test_each_acknowledged_command_is_applied_once_when_backends_are_killed(
    store: Store, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    chance = random.Random(7)
    async with Callers(store, 12) as callers:
        for _ in range(20):
            await callers.progress(12)
            await asyncio.sleep(chance.uniform(0, 0.02))
            await asyncio.to_thread(_kill_some, admin)
    assert Counter(await store.read(notes)) == callers.acknowledged()
    assert store.counters.reconnects > 5


def _kill_some(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND random() < 0.5"
    )


async def test_a_hint_reaches_the_other_node_within_a_second_even_after_its_line_broke(
    store: Store,
    settings: Settings,
    env: Environment,
    admin: psycopg.Connection[tuple[object, ...]],
) -> None:
    other = await open_store(settings, env)
    try:
        heard: asyncio.Queue[int] = asyncio.Queue()
        other.watch("mailbox", "7", heard.put_nowait)
        await asyncio.sleep(0.2)
        await store.write(note, who="7", n=5)
        async with asyncio.timeout(30):
            assert await heard.get() == 5
        took = []
        for n in range(6, 10):  # the best of some: the machine may be busy
            await asyncio.to_thread(
                admin.execute,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE 'LISTEN%' AND datname = current_database()",
            )
            await asyncio.sleep(0.3)
            await store.write(note, who="7", n=n)
            written = time.monotonic()
            async with asyncio.timeout(30):
                assert await heard.get() == n
            took.append(time.monotonic() - written)
        assert min(took) < 1
        await asyncio.sleep(0.05)
        assert heard.empty()
    finally:
        await other.close()


def test_many_hints_become_several_notifications() -> None:
    hints = [Hint("mailbox", str(n), n) for n in range(2_000)]
    texts = payloads("me", hints)
    assert all(len(text) <= 7_000 for text in texts)
    sent = [hint for text in texts for hint in msgspec.json.decode(text)[1]]
    assert sent == [["mailbox", str(n), n] for n in range(2_000)]


def test_a_recorded_command_is_answered_as_recorded(session: Session) -> None:
    waiting = _waiting(add_to, key="a", amount=4)
    first, hints = session.settle(waiting)
    assert (first.error, len(hints)) == ("", 1)
    for again in (False, True):
        waiting.again = again
        done, hints = session.settle(waiting)
        assert (done.error, done.body, hints) == ("", first.body, [])
    assert session.query(counts, (), {}, False) == {"a": 4}


@command
def insert_account(tx: Tx, *, id: str) -> int:
    tx.many("INSERT INTO account (id, name, created) VALUES (?, '', 1)", [(id,)])
    return 1


def test_the_second_run_of_a_command_in_doubt_does_not_trip_over_the_first(
    session: Session,
) -> None:
    waiting = _waiting(insert_account, id="a")
    first, _ = session.settle(waiting)
    stranger = _waiting(insert_account, id="a")
    refused, _ = session.settle(stranger)
    assert refused.error == Conflict.__name__
    assert b"account" not in refused.body
    waiting.again = True
    assert session.settle(waiting)[0].body == first.body


def test_a_second_run_waits_for_the_first_one_that_is_about_to_commit(
    session: Session, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    waiting = _waiting(add_to, key="a", amount=4)
    waiting.again = True
    admin.execute("BEGIN")
    admin.execute(
        "INSERT INTO command_done (id, result) VALUES (%s, %s)",
        (waiting.id, waiting.call.encode_result(9)),
    )
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(session.settle, waiting)
        with pytest.raises(TimeoutError):
            second.result(0.2)
        admin.execute("COMMIT")
        done, _ = second.result(30)
    assert (done.error, done.body) == ("", waiting.call.encode_result(9))
    assert session.query(counts, (), {}, False) == {}


def test_after_a_refused_second_run_the_first_one_cannot_commit(session: Session) -> None:
    waiting = _waiting(note_then_fail, who="a", n=1)
    waiting.again = True
    assert session.settle(waiting)[0].error == "FolderExists"
    assert session.query(notes, (), {}, False) == []
    first = Waiting(waiting.id, call_of(note), call_of(note).encode((), {"who": "a", "n": 1}))
    assert session.settle(first)[0].error == TryLater.__name__
    assert session.query(notes, (), {}, False) == []


@command
def swap(tx: Tx, *, first: str, second: str) -> int:
    add_to(tx, key=first, amount=1)
    tx.row("SELECT pg_sleep(0.1)")
    return add_to(tx, key=second, amount=1)


async def test_deadlocks_are_run_again(store: Store) -> None:
    await store.write(add_to, key="a", amount=0)
    await store.write(add_to, key="b", amount=0)
    await asyncio.gather(
        store.write(swap, first="a", second="b"), store.write(swap, first="b", second="a")
    )
    assert await store.read(counts) == {"a": 2, "b": 2}


@command
def break_syntax(tx: Tx) -> None:
    tx.run("SELEKT 1")


@command
def run_out_of_time(tx: Tx) -> None:
    tx.run("SET LOCAL statement_timeout = 1")
    tx.row("SELECT pg_sleep(1)")


def _nonsense(tx: Reader) -> object:
    return tx.row("SELEKT 1")


async def test_errors_of_the_database_are_faults_or_temporary(store: Store) -> None:
    with pytest.raises(Fault):
        await store.write(break_syntax)
    with pytest.raises(TryLater):
        await store.write(run_out_of_time)
    with pytest.raises(Fault):
        await store.read(_nonsense)
    assert await store.write(note, who="a", n=1) == 1


async def test_background_commands_run_one_at_a_time(store: Store) -> None:
    await asyncio.gather(*[store.write_background(add_when_alone, key="k") for _ in range(8)])
    assert await store.read(counts) == {"k": 0}


@command
def add_when_alone(tx: Tx, *, key: str) -> int:
    row = tx.row("SELECT pg_try_advisory_xact_lock(77)")
    assert row is not None
    assert row[0] is True
    tx.row("SELECT pg_sleep(0.005)")
    return add_to(tx, key=key, amount=0)


async def test_reads_survive_a_lost_connection(
    store: Store, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    for query in (one_row, notes):
        await asyncio.gather(*[store.read(query) for _ in range(8)])
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database()"
        )
        await store.read(query)


def test_without_a_server_callers_are_told_to_try_later() -> None:
    session = Session(
        "postgresql://nobody@127.0.0.1:1/none", SystemEnvironment(), Counters(), gone_after=0.1
    )
    assert session.settle(_waiting(note, who="a", n=1))[0].error == TryLater.__name__
    with pytest.raises(TryLater):
        session.query(one_row, (), {}, True)
    with pytest.raises(TryLater):
        asyncio.run(
            open_store(
                Settings(database=Database(url="postgresql://nobody@127.0.0.1:1/none")),
                SystemEnvironment(),
            )
        )


@command
def collide(tx: Tx) -> None:
    insert_account(tx, id="x")
    try:
        tx.run("INSERT INTO account (id, name, created) VALUES ('x', '', 1)")
    except UniqueViolation:
        raise Conflict("named") from None


async def test_unique_keys_and_failures_leave_no_trace(store: Store) -> None:
    with pytest.raises(Conflict, match="named"):
        await store.write(collide)
    await asyncio.gather(
        *[store.write(note_then_fail, who="a", n=n) for n in range(5)], return_exceptions=True
    )
    assert await store.read(notes) == []
