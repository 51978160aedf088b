"""Migrations on PostgreSQL: one node at a time, under an advisory lock."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg

from workpost.kernel.errors import TryLater
from workpost.store.database.postgresql import Connection, connect, translated
from workpost.store.schema.migrate import (
    APPLIED,
    RECORD,
    TABLE,
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
            applied = _applied(connection)
            if applied != steps[-1].number:
                if applied > steps[-1].number:
                    check_version(applied, steps)
                applied = _migrate(connection, steps)
            return applied
    except psycopg.OperationalError as error:
        raise TryLater(f"the database does not answer: {error}") from error


def _applied(connection: Connection) -> int:
    found = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return 0
    row = connection.execute(APPLIED).fetchone()
    return int(row[0]) if row else 0


def _migrate(connection: Connection, steps: Sequence[Migration]) -> int:
    connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        connection.execute(for_postgresql(TABLE).encode())
        applied = _applied(connection)
        for step in steps:
            if step.number > applied:
                with connection.transaction():
                    connection.execute(for_postgresql(step.sql).encode())
                    now = time.time_ns() // 1_000_000
                    connection.execute(translated(RECORD), (step.number, now))
                applied = step.number
        return applied
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
