"""The log moves into the database beside the writer, and begins anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from workpost.store.database import checkpoint
from workpost.store.database.checkpoint import Checkpointer
from workpost.store.database.sqlite import open_reader, open_writer
from workpost.store.schema.migrate import prepare_sqlite

PAGES = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "db" / "x.db"
    prepare_sqlite(path)
    return path


@pytest.fixture
def writing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[apsw.Connection, Checkpointer]]:
    monkeypatch.setattr(checkpoint, "START_PAGES", PAGES)
    monkeypatch.setattr(checkpoint, "MOST_PAGES", 4 * PAGES)
    connection = open_writer(path)
    helper = Checkpointer(path, connection)
    yield connection, helper
    connection.close()
    helper.close()


def _write(connection: apsw.Connection, number: int) -> None:
    connection.execute(
        "INSERT INTO content_bytes (id, sealed) VALUES (?, zeroblob(20000))",
        (number.to_bytes(16, "big"),),
    )


def _wait_until_due(helper: Checkpointer) -> None:
    deadline = time.monotonic() + 30
    while not helper.due:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_log_begins_anew_though_the_writer_never_rests(
    writing: tuple[apsw.Connection, Checkpointer], path: Path
) -> None:
    connection, helper = writing
    rounds = 0
    for number in range(2_000):
        _write(connection, number)
        if helper.due:
            helper.finish()
            rounds += 1
    # Some forty on a quiet machine; on a busy one the thread has its turn less often.
    assert rounds > 1
    # Without that, 2,000 rows of five pages would have made a log of 40 MB.
    assert path.with_name("x.db-wal").stat().st_size < 30_000_000
    count = open_reader(path).execute("SELECT COUNT(*) FROM content_bytes").fetchall()
    assert count == [(2_000,)]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_thread_leaves_nothing_but_what_came_meanwhile(
    writing: tuple[apsw.Connection, Checkpointer],
) -> None:
    connection, helper = writing
    number = 0
    while not helper._asked:
        _write(connection, number)
        number += 1
    _wait_until_due(helper)
    pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    assert pages == moved >= PAGES
    helper.finish()
    assert not helper.due


def test_a_reader_of_the_past_keeps_the_log_and_stops_nobody(
    writing: tuple[apsw.Connection, Checkpointer], path: Path
) -> None:
    connection, helper = writing
    reader = open_reader(path)
    reader.execute("BEGIN")
    before = reader.execute("SELECT COUNT(*) FROM content_bytes").fetchall()
    for number in range(400):
        _write(connection, number)
        if helper.due:
            helper.finish()
    assert reader.execute("SELECT COUNT(*) FROM content_bytes").fetchall() == before
    reader.execute("ROLLBACK")
    _write(connection, 400)
    _wait_until_due(helper)
    helper.finish()
    assert reader.execute("SELECT COUNT(*) FROM content_bytes").fetchall() == [(401,)]


def test_what_the_thread_cannot_do_the_writer_does(
    path: Path, writing: tuple[apsw.Connection, Checkpointer], tmp_path: Path
) -> None:
    connection, helper = writing
    helper._path = tmp_path / "not" / "there.db"
    number = 0
    while not helper.due:
        _write(connection, number)
        number += 1
        assert number < 10_000
    helper.finish()
    assert helper._pages == 0
