"""Numbered migrations, one SQL text for both engines.

Migration files are `NNNN_name.sql` beside this module. The table `schema_version` names those that
were applied. A schema accepts binaries of its own number and the next one; a schema newer than the
binary is refused (decision 9).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import apsw
import msgspec

from workpost.kernel.errors import WorkpostError

TABLE = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied INTEGER)"
APPLIED = "SELECT COALESCE(MAX(version), 0) FROM schema_version"
VERSIONS = "SELECT version FROM schema_version"
RECORD = "INSERT INTO schema_version (version, applied) VALUES (?, ?)"


class SchemaTooNew(WorkpostError):
    """The data was written by a newer version of Workpost (exit code 78)."""


class SchemaTooOld(WorkpostError):
    """The data was not migrated yet and this process may not do it."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered step; `sql` may hold several statements."""

    number: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this version in ascending order."""
    folder = resources.files("workpost.store.schema") / "migrations"
    found = [
        Migration(int(entry.name[:4]), entry.name[5:-4], entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return tuple(sorted(found, key=lambda step: step.number))


_COMMENT = re.compile(r"--[^\n]*")
_WORDS = [
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'),
    (re.compile(r"\b(\w+) ->> '"), r"CAST(\1 AS JSON) ->> '"),
    (re.compile(r"\)\s*WITHOUT\s+ROWID\b"), ")"),
]


def for_postgresql(sql: str) -> str:
    """The PostgreSQL form of a migration; comments are dropped."""
    sql = _COMMENT.sub("", sql)
    for pattern, replacement in _WORDS:
        sql = pattern.sub(replacement, sql)
    return sql


def check_version(applied: int, steps: Sequence[Migration]) -> None:
    """Raise SchemaTooNew or SchemaTooOld unless this binary may work with an applied schema."""
    newest = steps[-1].number
    if applied > newest:
        raise SchemaTooNew(
            f"the data has schema {applied}, this version of Workpost knows {newest}:"
            " install the newer version"
        )
    if applied < newest - 1:
        raise SchemaTooOld(f"the data has schema {applied}, this version needs {newest - 1}")


def migrate_sqlite(connection: apsw.Connection, steps: Sequence[Migration] | None = None) -> int:
    """Bring a SQLite database up to date over its writing connection; returns the schema's number.

    Each step is one transaction. One that lacks below the newest, as where two branches met, is
    made up for. Raises SchemaTooNew.
    """
    steps = migrations() if steps is None else steps
    connection.execute(TABLE)
    done = {int(str(row[0])) for row in connection.execute(VERSIONS)}
    applied = max(done, default=0)
    if applied > steps[-1].number:
        check_version(applied, steps)
    for step in steps:
        if step.number not in done:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(step.sql).fetchall()
                connection.execute(RECORD, (step.number, time.time_ns() // 1_000_000))
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            applied = max(applied, step.number)
    return applied


def prepare_sqlite(path: Path, steps: Sequence[Migration] | None = None) -> int:
    """Create or migrate the database file; done by the writer before others open it."""
    from workpost.store.database.options import private_folder
    from workpost.store.database.sqlite import open_writer

    private_folder(path.parent)
    connection = open_writer(path)
    try:
        path.chmod(0o600)
        return migrate_sqlite(connection, steps)
    finally:
        connection.close()
