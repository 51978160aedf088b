"""SQLite reads: quick ones on the loop under a limit, all others in a pool, each one snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.store.database.commands import note, one_row, quick_spin, spin
from tests.store.database.test_batch import waiting_for
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import Busy, Fault, TryLater
from workpost.store.database.batch import Engine
from workpost.store.database.counters import Counters
from workpost.store.database.inline import InlineWriter
from workpost.store.database.reading import SqliteReading
from workpost.store.database.sqlite import Overrun, Snapshots, open_reader, open_writer
from workpost.store.database.threads import Threads
from workpost.store.database.unit import Reader, quick
from workpost.store.schema.migrate import prepare_sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "db" / "x.db"
    prepare_sqlite(path)
    return path


@pytest.fixture
def reading(runner: asyncio.Runner, path: Path) -> Iterator[SqliteReading]:
    async def make() -> SqliteReading:
        return SqliteReading(path, SystemEnvironment(), Counters(), 2)

    made = runner.run(make())
    yield made
    runner.run(made.close())


async def test_a_quick_query_that_is_not_is_repeated_in_the_pool(reading: SqliteReading) -> None:
    assert await reading.read(one_row, (), {}) == (1,)
    assert reading._counters.quick_overruns == 0
    assert await reading.read(quick_spin, (100_000,), {}) == (100_000,)
    assert reading._counters.quick_overruns == 1
    assert await reading.read(one_row, (), {}) == (1,)


async def test_a_query_over_its_limit_is_a_fault_and_the_pool_goes_on(
    reading: SqliteReading,
) -> None:
    with pytest.raises(Fault, match="spin"):
        await reading.read(spin, (100_000_000,), {})
    assert reading._counters.read_overruns == 1
    assert await reading.read(spin, (10,), {}) == (10,)


async def test_a_query_sees_one_snapshot(reading: SqliteReading, path: Path) -> None:
    writer = open_writer(path)

    def twice(tx: Reader) -> tuple[object, object]:
        before = tx.row("SELECT COUNT(*) FROM account")
        writer.execute("INSERT INTO account (id, name, created) VALUES ('a', '', 1)")
        return before, tx.row("SELECT COUNT(*) FROM account")

    assert await reading.read(twice, (), {}) == ((0,), (0,))
    writer.close()


async def test_a_quick_query_that_asks_twice_sees_one_snapshot(
    reading: SqliteReading, path: Path
) -> None:
    writer = open_writer(path)
    numbers = iter(range(100))

    @quick
    def once_or_twice(tx: Reader, times: int) -> list[object]:
        found: list[object] = []
        for _ in range(times):
            found.append(tx.row("SELECT COUNT(*) FROM account"))
            writer.execute(
                "INSERT INTO account (id, name, created) VALUES (?, '', 1)", (str(next(numbers)),)
            )
        return found

    for times in (1, 2, 2, 1, 1, 3, 1):
        seen = await reading.read(once_or_twice, (times,), {})
        assert len(set(seen)) == 1, seen
        assert len(seen) == times
    assert reading._counters.quick_overruns == 0


async def test_queries_cannot_write(reading: SqliteReading) -> None:
    with pytest.raises(Fault):
        await reading.read(lambda tx: tx.row("DELETE FROM account RETURNING id"), (), {})


async def test_what_a_query_raises_reaches_the_caller(reading: SqliteReading) -> None:
    def fail(tx: Reader) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await reading.read(fail, (), {})


async def test_a_file_that_is_no_database_is_try_later(path: Path, tmp_path: Path) -> None:
    reading = SqliteReading(path, SystemEnvironment(), Counters(), 1)
    reading._path = tmp_path / "absent.db"
    with pytest.raises(TryLater):
        await reading.read(spin, (1,), {})
    await reading.close()


async def test_work_that_waits_is_bounded() -> None:
    threads: Threads[None] = Threads("t", 1, lambda: None, lambda _: None, most=1)
    gate = threading.Event()
    first = threads.run(lambda _: gate.wait())
    await asyncio.sleep(0.05)
    second = threads.run(lambda _: 2)
    with pytest.raises(Busy):
        threads.run(lambda _: 3)
    second.cancel()
    gate.set()
    await first
    await threads.close()


async def test_the_inline_writer_settles_a_batch_in_doubt_on_a_fresh_connection(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = {"left": 1}
    commit = Engine._commit

    def failing(self: Engine) -> None:
        if breaks["left"] < 2:
            commit(self)
        if breaks["left"]:
            breaks["left"] -= 1
            raise apsw.IOError("the commit's answer was lost")

    monkeypatch.setattr(Engine, "_commit", failing)
    ends: asyncio.Queue[list[str]] = asyncio.Queue()
    writer = InlineWriter(
        path,
        SystemEnvironment(),
        Counters(),
        lambda done, _hints: ends.put_nowait([one.error for one in done]),
    )
    writer.put(waiting_for(note, who="a", n=1))
    assert await ends.get() == [""]
    breaks["left"] = 9
    writer.put(waiting_for(note, who="b", n=1))
    assert await ends.get() == ["TryLater"]
    breaks["left"] = 0
    writer.put(waiting_for(note, who="c", n=1))
    assert await ends.get() == [""]
    await writer.close()
    connection = open_writer(path)
    assert connection.execute("SELECT org FROM event ORDER BY org").fetchall()[0] == ("a",)
    assert connection.execute("SELECT COUNT(*) FROM event WHERE org = 'a'").fetchall() == [(1,)]
    connection.close()


@pytest.mark.parametrize("late_at", range(1, 12))
def test_a_query_that_is_late_at_any_step_leaves_the_connection_free(
    path: Path, late_at: int
) -> None:
    """The loop may be held up at any moment: while BEGIN runs, too."""
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return 100.0 if asked >= late_at else 0.0

    snapshots = Snapshots(open_reader(path), SystemEnvironment(), limit=1.0, clock=clock, steps=1)
    with contextlib.suppress(Overrun):
        snapshots.run(_count_commands, (), {})
    asked = -1_000_000
    assert snapshots.run(_count_commands, (), {}) == 0
    snapshots.close()


def _count_commands(tx: Reader) -> int:
    row = tx.row("SELECT COUNT(*) FROM command_done")
    assert row is not None
    return int(row[0])
