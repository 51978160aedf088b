"""Migrations on PostgreSQL: one node at a time, under an advisory lock."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg

from workpost.kernel.errors import TryLater
from workpost.store.database.postgresql import Connection, connect, translated
from workpost.store.schema.migrate import (
    RECORD,
    TABLE,
    VERSIONS,
    Migration,
    check_version,
    for_postgresql,
    migrations,
)

LOCK = 0x776F726B706F7374
"""Held while migrating; any number of ours will do."""


def prepare_postgresql(url: str, steps: Sequence[Migration] | None = None) -> int:
    """Bring a PostgreSQL database up to date; returns the schema's number.

    Raises SchemaTooNew, and TryLater when the server does not answer.
    """
    steps = migrations() if steps is None else steps
    try:
        with connect(url) as connection:
            done = _applied(connection)
            applied = max(done, default=0)
            if applied > steps[-1].number:
                check_version(applied, steps)
            if any(step.number not in done for step in steps):
                applied = _migrate(connection, steps)
            return applied
    except psycopg.OperationalError as error:
        raise TryLater(f"the database does not answer: {error}") from error


def _applied(connection: Connection) -> set[int]:
    found = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return set()
    return {int(row[0]) for row in connection.execute(VERSIONS)}


def _migrate(connection: Connection, steps: Sequence[Migration]) -> int:
    connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        connection.execute(for_postgresql(TABLE).encode())
        done = _applied(connection)
        applied = max(done, default=0)
        for step in steps:
            if step.number not in done:
                with connection.transaction():
                    connection.execute(for_postgresql(step.sql).encode())
                    now = time.time_ns() // 1_000_000
                    connection.execute(translated(RECORD), (step.number, now))
                applied = max(applied, step.number)
        return applied
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
