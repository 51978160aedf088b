"""The key store in a PostgreSQL database of its own (`keys.url`).

The same rows as the SQLite key store, the shred list as a table that is only inserted into. Each
thread has a connection; a lost one is opened again at the next call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from workpost.kernel.errors import Conflict, KeyDestroyed, TryLater
from workpost.store.keys.records import KeyRow, Shred
from workpost.store.keys.statements import INSERT, Params, Statements, values

MIGRATIONS = (
    """
    CREATE TABLE keys (
        scope TEXT COLLATE "C" NOT NULL,
        gen BIGINT NOT NULL,
        parent TEXT COLLATE "C" NOT NULL,
        parent_gen BIGINT NOT NULL,
        wrapped BYTEA NOT NULL,
        created BIGINT NOT NULL,
        retired_at BIGINT,
        destroyed_at BIGINT,
        PRIMARY KEY (scope, gen)
    );
    CREATE INDEX keys_parent ON keys (parent, parent_gen) WHERE destroyed_at IS NULL;
    CREATE TABLE shred (
        n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at BIGINT NOT NULL,
        scope TEXT NOT NULL
    );
    """,
)
MIGRATION_LOCK = 0x776F726B_6B657973


class PostgresKeyStore(Statements):
    """`KeyStore` on PostgreSQL; creates and migrates its tables."""

    zeroed = "wrapped = decode(repeat('00', octet_length(wrapped)), 'hex')"

    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._open: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        self._migrate()

    def add(self, rows: Sequence[KeyRow], alive: Sequence[KeyRow] = ()) -> None:
        with self._transaction() as cursor:
            for row in alive:
                cursor.execute(
                    "SELECT 1 FROM keys WHERE scope = %s AND gen = %s AND destroyed_at IS NULL"
                    " FOR SHARE",
                    (row.scope, row.gen),
                )
                if cursor.fetchone() is None:
                    raise KeyDestroyed(f"the key {row.scope} was destroyed")
            try:
                cursor.executemany(_marked(INSERT), [values(row) for row in rows])
            except psycopg.errors.UniqueViolation as error:
                raise Conflict(f"the key {rows[0].scope} exists already") from error

    def restore(self, rows: Sequence[KeyRow]) -> None:
        with self._transaction() as cursor:
            cursor.executemany(
                _marked(f"{INSERT} ON CONFLICT DO NOTHING"), [values(row) for row in rows]
            )

    def append_shred(self, entry: Shred) -> None:
        self._run("INSERT INTO shred (at, scope) VALUES (?, ?)", (entry.at, entry.scope))

    def shred_list(self) -> list[Shred]:
        with self._transaction() as cursor:
            cursor.execute("SELECT at, scope FROM shred ORDER BY n")
            return [Shred(at=row[0], scope=row[1]) for row in cursor.fetchall()]

    def scrub(self) -> None:
        with self._connected() as connection:
            connection.autocommit = True
            try:
                connection.execute("VACUUM keys")
            finally:
                connection.autocommit = False

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._local = threading.local()

    def _rows(self, sql: str, params: Params) -> list[KeyRow]:
        with self._transaction() as cursor:
            cursor.execute(_marked(sql), params)
            return [KeyRow(*row) for row in cursor.fetchall()]

    def _run(self, sql: str, params: Params) -> int:
        with self._transaction() as cursor:
            cursor.execute(_marked(sql), params)
            return cursor.rowcount

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            connection: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
            if connection is None or connection.closed:
                connection = psycopg.connect(self._url, connect_timeout=5)
                self._local.connection = connection
                with self._lock:
                    self._open = [c for c in self._open if not c.closed]
                    self._open.append(connection)
            yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise TryLater("the key store is out of reach") from error

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        with (
            self._connected() as connection,
            connection.transaction(),
            connection.cursor(binary=True) as cursor,
        ):
            yield cursor

    def _migrate(self) -> None:
        with self._transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
            cursor.execute("CREATE TABLE IF NOT EXISTS keys_schema (version BIGINT NOT NULL)")
            cursor.execute("SELECT max(version) FROM keys_schema")
            row = cursor.fetchone()
            version = int(row[0]) if row is not None and row[0] is not None else 0
            if version > len(MIGRATIONS):
                raise TryLater("the key store is newer than this program")
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in script.split(";"):
                    if statement.strip():
                        cursor.execute(statement.encode())
                cursor.execute("INSERT INTO keys_schema (version) VALUES (%s)", (number,))


def _marked(sql: str) -> str:
    """With the marks of psycopg; no text of ours has a question mark."""
    return sql.replace("?", "%s")
