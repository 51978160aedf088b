"""Group commit behaves as if each command had run alone, one after the other."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.database.commands import add_to, note, note_then_fail
from workpost.kernel.clock import FixedEnvironment
from workpost.store.database.batch import (
    BACKGROUND,
    CAREFUL,
    MOST_BYTES,
    MOST_COMMANDS,
    PEOPLE,
    Broken,
    Done,
    Engine,
    Lanes,
    Waiting,
)
from workpost.store.database.codec import call_of
from workpost.store.database.doubt import new_command_id
from workpost.store.database.unit import Tx, command
from workpost.store.schema.migrate import migrate_sqlite


@pytest.fixture
def connection() -> apsw.Connection:
    return _database()


def _database() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    migrate_sqlite(connection)
    return connection


def _engine(connection: apsw.Connection) -> Engine:
    return Engine(connection, FixedEnvironment())


def waiting_for(function, lane: int = PEOPLE, id: bytes | None = None, **kwargs) -> Waiting:
    call = call_of(function)
    return Waiting(id or new_command_id(), call, call.encode((), kwargs), lane)


def _end(done: Done) -> object:
    if done.error:
        return done.error, done.body.decode()
    return done.waiting.call.decode_result(done.body)


def _notes(connection: apsw.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT org, at FROM event ORDER BY org, at").fetchall()


operations = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-5, 5), st.sampled_from([PEOPLE, BACKGROUND])),
    max_size=30,
)


@settings(max_examples=60)
@given(operations, st.integers(1, 8))
def test_any_batching_equals_sequential_execution(
    plan: list[tuple[str, int, int]], size: int
) -> None:
    model: dict[str, int] = {}
    expected = []
    for key, amount, _ in plan:
        value = model.get(key, 0) + amount
        if value < 0:
            expected.append(("FolderExists", f"{key} would be {value}"))
        else:
            model[key] = value
            expected.append(value)
    connection = _database()
    engine = _engine(connection)
    ends = []
    waiting = [waiting_for(add_to, lane, key=key, amount=n) for key, n, lane in plan]
    heard: dict[str, int] = {}
    for start in range(0, len(waiting), size):
        done, hints = engine.run(waiting[start : start + size])
        ends += [_end(one) for one in done]
        heard.update({hint.key: hint.value for hint in hints})
    assert ends == expected
    assert dict(connection.execute("SELECT id, created FROM access_key").fetchall()) == model
    assert set(heard) == set(model)
    recorded = connection.execute("SELECT COUNT(*) FROM command_done").fetchall()[0][0]
    assert recorded == sum(isinstance(end, int) for end in expected)


def test_a_failing_command_leaves_no_trace_and_the_others_commit(
    connection: apsw.Connection,
) -> None:
    batch = [
        waiting_for(note, who="a", n=1),
        waiting_for(note_then_fail, who="b", n=2),
        waiting_for(note, who="c", n=3),
    ]
    done, hints = _engine(connection).run(batch)
    assert [_end(one) for one in done] == [1, ("FolderExists", "on purpose"), 3]
    assert _notes(connection) == [("a", 1), ("c", 3)]
    assert [hint.key for hint in hints] == ["a", "c"]


def test_batches_before_and_after_late_refusals_keep_what_is_theirs(
    connection: apsw.Connection,
) -> None:
    engine = _engine(connection)
    for number in range(0, 4 * CAREFUL, CAREFUL // 2):
        done, _ = engine.run(
            [
                waiting_for(note, who="o", n=number),
                waiting_for(note_then_fail, who="o", n=1_000_000 + number),
                waiting_for(note, who="o", n=number + 1),
            ]
        )
        assert [one.kept for one in done] == [True, False, True]
        assert _notes(connection)[-1] == ("o", number + 1)
        for quiet in range(number % CAREFUL):
            engine.run([waiting_for(add_to, key=f"{number}.{quiet}", amount=1)] * 2)
    assert len(_notes(connection)) == 2 * 8


def test_hints_of_one_key_become_one_with_the_highest_value(connection: apsw.Connection) -> None:
    _, hints = _engine(connection).run([waiting_for(note, who="a", n=n) for n in (1, 3, 2)])
    assert [(hint.key, hint.value) for hint in hints] == [("a", 3)]


class FailingCommits(Engine):
    """Its first `failures` commits fail after the work was done."""

    failures = 1
    error: Exception = apsw.FullError("the disk is full")

    def _commit(self) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise self.error
        super()._commit()


def test_a_failed_commit_rolls_back_all_and_runs_each_alone_once(
    connection: apsw.Connection,
) -> None:
    engine = FailingCommits(connection, FixedEnvironment())
    done, hints = engine.run([waiting_for(note, who=who, n=1) for who in "abc"])
    assert [one.error for one in done] == ["", "", ""]
    assert _notes(connection) == [("a", 1), ("b", 1), ("c", 1)]
    assert engine.counters.failed_commits == 1
    assert engine.counters.commits == 3
    assert len(hints) == 3


def test_a_command_whose_commit_fails_alone_too_is_told_to_try_later(
    connection: apsw.Connection,
) -> None:
    engine = FailingCommits(connection, FixedEnvironment())
    engine.failures = 2
    done, _ = engine.run([waiting_for(note, who=who, n=1) for who in "ab"])
    assert [one.error for one in done] == ["TryLater", ""]
    assert _notes(connection) == [("b", 1)]


@pytest.mark.parametrize("count", [1, 2])
def test_after_an_io_error_nothing_is_answered(connection: apsw.Connection, count: int) -> None:
    engine = FailingCommits(connection, FixedEnvironment())
    engine.error = apsw.IOError("disk I/O error")
    with pytest.raises(Broken):
        engine.run([waiting_for(note, who="a", n=n) for n in range(count)])


@command
def lose_the_transaction(tx: Tx) -> None:
    tx.run("ROLLBACK")
    raise ValueError


def test_a_command_that_loses_the_transaction_takes_no_other_with_it(
    connection: apsw.Connection,
) -> None:
    batch = [waiting_for(note, who="a", n=1), waiting_for(lose_the_transaction)]
    done, _ = _engine(connection).run([*batch, waiting_for(note, who="b", n=1)])
    assert [one.error for one in done] == ["", "TryLater", ""]
    assert _notes(connection) == [("a", 1), ("b", 1)]


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("company", [0, 2])
def test_a_recorded_id_is_answered_as_recorded_and_never_runs_twice(
    connection: apsw.Connection, again: bool, company: int
) -> None:
    engine = _engine(connection)
    first = waiting_for(add_to, key="a", amount=4)
    engine.run([first])
    second = waiting_for(add_to, id=first.id, key="a", amount=4)
    second.again = again
    others = [waiting_for(add_to, key="b", amount=1) for _ in range(company)]
    done, hints = engine.run([*others, second])
    assert _end(done[-1]) == 4
    assert "a" not in {hint.key for hint in hints}
    values: dict[str, int] = dict(
        connection.execute("SELECT id, created FROM access_key").fetchall()
    )
    assert values == ({"a": 4, "b": company} if company else {"a": 4})


@command
def give_nonsense(tx: Tx) -> int:
    note(tx, who="x", n=1)
    return object()  # type: ignore[return-value]


@command
def spoil_statement(tx: Tx) -> None:
    tx.run("INSERT INTO nowhere VALUES (1)")


def test_what_is_no_domain_error_becomes_a_fault(connection: apsw.Connection) -> None:
    engine = _engine(connection)
    done, _ = engine.run([waiting_for(give_nonsense), waiting_for(spoil_statement)])
    assert [one.error for one in done] == ["Fault", "Fault"]
    assert _notes(connection) == []
    assert engine.counters.faults == 2


def test_a_database_locked_by_somebody_else_is_try_later(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    mine, other = apsw.Connection(path), apsw.Connection(path)
    migrate_sqlite(mine)
    other.execute("BEGIN IMMEDIATE")
    done, _ = _engine(mine).run([waiting_for(note, who="a", n=1), waiting_for(note, who="b", n=1)])
    assert [one.error for one in done] == ["TryLater", "TryLater"]
    other.execute("ROLLBACK")
    assert _engine(mine).run([waiting_for(note, who="a", n=1)])[0][0].error == ""


def test_a_command_over_its_budget_is_counted(
    connection: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.store.database.counters.BUDGET", 0.0)
    engine = _engine(connection)
    engine.run([waiting_for(note, who="a", n=1)])
    assert engine.counters.over_budget == 1


def test_people_go_first_and_the_background_gets_one_slice_a_batch() -> None:
    lanes = Lanes()
    for n in range(3):
        lanes.put(waiting_for(note, BACKGROUND, who="slow", n=n))
    for n in range(MOST_COMMANDS + 10):
        lanes.put(waiting_for(note, who="quick", n=n))
    batches = []
    while lanes:
        batches.append([waiting.lane for waiting in lanes.take()])
    assert [len(batch) for batch in batches] == [MOST_COMMANDS + 1, 11, 1]
    assert [sum(batch) for batch in batches] == [1, 1, 1]
    assert batches[0][-1] == BACKGROUND
    assert lanes.bytes == 0
    assert lanes.take() == []


def test_a_batch_holds_8_megabytes_but_always_one_command() -> None:
    lanes = Lanes()
    call = call_of(note)
    for size in (MOST_BYTES + 1, MOST_BYTES // 2, MOST_BYTES // 2, 1):
        lanes.put(Waiting(new_command_id(), call, bytes(size)))
    assert [len(lanes.take()) for _ in range(3)] == [1, 2, 1]
