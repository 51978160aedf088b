"""PostgreSQL through psycopg: how connections are opened, and the Reader and Tx over one.

Imported only when configured. Statements are the same text as on SQLite: `?` becomes `%s` once and
is remembered, psycopg then prepares on the server what comes again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader

from workpost.kernel.clock import Environment
from workpost.store.database.unit import Hint, Row, UniqueViolation, Value

STATEMENT_MS = 10_000
"""A statement that takes longer is a bug, or waits for a lock that nobody gives back."""
CONNECT_SECONDS = 5
PREPARE_AFTER = 2
PREPARED_MOST = 500

Connection = psycopg.Connection[Row]
Cursor = psycopg.Cursor[Row]

_PIECES = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\?|%")


@lru_cache(maxsize=2048)
def translated(sql: str) -> bytes:
    """The statement with `%s` for each `?` outside of quotes, and every `%` doubled."""

    def one(match: re.Match[str]) -> str:
        piece = match.group()
        return "%s" if piece == "?" else piece.replace("%", "%%")

    return _PIECES.sub(one, sql).encode()


class _IntegerLoader(NumericBinaryLoader):
    """SUM over integers is numeric on the server and an integer here."""

    def load(self, data: Any) -> Any:
        value = super().load(data)
        return int(value) if value == value.to_integral_value() else float(value)


class _BoolAsInteger(Int8BinaryDumper):
    """Booleans are stored as 0 and 1."""

    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


def connect(url: str) -> Connection:
    """Open a connection: autocommit, every integer a bigint. Raises psycopg.Error."""
    connection: Connection = psycopg.connect(
        url,
        autocommit=True,
        prepare_threshold=PREPARE_AFTER,
        connect_timeout=CONNECT_SECONDS,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=20_000,
    )
    connection.prepared_max = PREPARED_MOST
    adapters = connection.adapters
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, _BoolAsInteger)
    adapters.register_loader("numeric", _IntegerLoader)
    connection.execute(
        f"SET statement_timeout = {STATEMENT_MS}; SET lock_timeout = {STATEMENT_MS // 2};"
        f"SET idle_in_transaction_session_timeout = {STATEMENT_MS};"
        "SET application_name = 'workpost'"
    )
    return connection


class PostgresReader:
    """`unit.Reader` over one connection."""

    engine = "postgresql"
    __slots__ = ("_cursor", "env")

    def __init__(self, cursor: Cursor, env: Environment) -> None:
        self._cursor = cursor
        self.env = env

    def _execute(self, sql: str, params: Sequence[Value]) -> Cursor:
        try:
            return self._cursor.execute(translated(sql), params)
        except errors.UniqueViolation as error:
            raise UniqueViolation(str(error)) from error

    def row(self, sql: str, *params: Value) -> Row | None:
        return self._execute(sql, params).fetchone()

    def rows(self, sql: str, *params: Value) -> list[Row]:
        return self._execute(sql, params).fetchall()


class PostgresTx(PostgresReader):
    """`unit.Tx`: one command's transaction."""

    __slots__ = ("hints",)

    def __init__(self, cursor: Cursor, env: Environment) -> None:
        super().__init__(cursor, env)
        self.hints: list[Hint] = []

    def run(self, sql: str, *params: Value) -> int:
        return self._execute(sql, params).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        try:
            self._cursor.executemany(translated(sql), rows)
        except errors.UniqueViolation as error:
            raise UniqueViolation(str(error)) from error

    def announce(self, kind: str, key: str, value: int = 0) -> None:
        self.hints.append(Hint(kind, key, value))
