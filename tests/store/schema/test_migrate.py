"""Migrations: one text for both engines, a newer schema than the binary is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw
import psycopg
import pytest

from tests.store.database.commands import note_record
from workpost.kernel.settings import Settings
from workpost.store.database.store import Store
from workpost.store.database.writer import run_writer
from workpost.store.schema.migrate import (
    Migration,
    SchemaTooNew,
    SchemaTooOld,
    check_version,
    for_postgresql,
    migrate_sqlite,
    migrations,
    prepare_sqlite,
)
from workpost.store.schema.postgresql import prepare_postgresql
from workpost.store.tables.commands import EXPIRE_SLICE, expire_commands, recorded_result

FIRST = Migration(1, "first", "CREATE TABLE a (id INTEGER PRIMARY KEY); -- a TEXT in a comment\n")
SECOND = Migration(2, "second", "CREATE TABLE b (id TEXT PRIMARY KEY, x BLOB) WITHOUT ROWID;")
BROKEN = Migration(2, "broken", "CREATE TABLE b (id TEXT); CREATE TABLE a (id TEXT);")


def test_the_migrations_are_numbered_without_gaps() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_words_of_sqlite_become_words_of_postgresql() -> None:
    assert for_postgresql("x INTEGER, y BLOB, z TEXT -- TEXT\n) WITHOUT ROWID;") == (
        'x BIGINT, y BYTEA, z TEXT COLLATE "C" \n);'
    )


def test_sqlite_is_brought_up_to_date_step_by_step_and_once(tmp_path: Path) -> None:
    path = tmp_path / "db" / "x.db"
    assert prepare_sqlite(path, [FIRST]) == 1
    assert prepare_sqlite(path, [FIRST, SECOND]) == 2
    assert prepare_sqlite(path, [FIRST, SECOND]) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SchemaTooNew):
        prepare_sqlite(path, [FIRST])


THIRD = Migration(3, "third", "CREATE TABLE c (id INTEGER PRIMARY KEY);")


def test_a_step_that_lacks_below_the_newest_is_made_up_for(
    tmp_path: Path, postgres_database: str
) -> None:
    path = tmp_path / "x.db"
    for prepare in (
        lambda steps: prepare_sqlite(path, steps),
        lambda steps: prepare_postgresql(postgres_database, steps),
    ):
        assert prepare([FIRST, THIRD]) == 3
        assert prepare([FIRST, SECOND, THIRD]) == 3
    assert apsw.Connection(str(path)).execute("SELECT count(*) FROM b").fetchall() == [(0,)]
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SELECT count(*) FROM b").fetchone() == (0,)


def test_a_broken_step_leaves_nothing_behind() -> None:
    connection = apsw.Connection(":memory:")
    with pytest.raises(apsw.SQLError):
        migrate_sqlite(connection, [FIRST, BROKEN])
    assert migrate_sqlite(connection, [FIRST, SECOND]) == 2


def test_schema_n_accepts_binaries_n_and_n_plus_1() -> None:
    steps = [FIRST, SECOND, Migration(3, "third", "")]
    check_version(3, steps)
    check_version(2, steps)
    with pytest.raises(SchemaTooOld):
        check_version(1, steps)
    with pytest.raises(SchemaTooNew, match="newer version"):
        check_version(4, steps)


def test_the_writer_refuses_a_newer_schema(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    future = [*migrations(), Migration(len(migrations()) + 1, "future", "SELECT 1;")]
    prepare_sqlite(tmp_path / "store" / "workpost.db", future)
    with pytest.raises(SchemaTooNew):
        run_writer(settings, lambda _: None)


def test_nodes_that_start_together_migrate_postgresql_once(postgres_database: str) -> None:
    ends: list[int] = []

    def start() -> None:
        ends.append(prepare_postgresql(postgres_database))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [len(migrations())] * 4
    with pytest.raises(SchemaTooNew):
        prepare_postgresql(postgres_database, [Migration(0, "none", "")])


def test_a_broken_step_leaves_nothing_behind_on_postgresql(postgres_database: str) -> None:
    with pytest.raises(psycopg.Error):
        prepare_postgresql(postgres_database, [FIRST, BROKEN])
    assert prepare_postgresql(postgres_database, [FIRST, SECOND]) == 2


async def test_records_of_commands_older_than_an_hour_are_forgotten(store: Store) -> None:
    old, fresh = bytes(16), b"\xff" * 16
    await store.write(note_record, id=old)
    await store.write(note_record, id=fresh)
    assert await store.read(recorded_result, old) == b"\x01"
    assert await store.write_background(expire_commands) == 1 < EXPIRE_SLICE
    assert await store.read(recorded_result, old) is None
    assert await store.read(recorded_result, fresh) == b"\x01"
