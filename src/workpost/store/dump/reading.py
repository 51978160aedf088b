"""Reading every table from one snapshot, beside a running server, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Settings
from workpost.store.database.options import options_of
from workpost.store.dump.tables import Row
from workpost.store.schema.migrate import APPLIED

AT_ONCE = 100
"""Rows fetched at once from PostgreSQL: at most 7 MB of inline contents."""


class Dump(Protocol):
    """One snapshot of a database."""

    schema: int
    engine: str

    def columns(self, table: str) -> list[str]:
        """The columns of a table, in order."""
        ...

    def rows(self, table: str) -> Iterator[Row]:
        """All rows of a table."""
        ...


@contextmanager
def open_dump(settings: Settings) -> Iterator[Dump]:
    """Open a snapshot of the database of the settings. Blocking. Raises TryLater.

    On SQLite the log grows while the snapshot is open, as it does for any reader.
    """
    options = options_of(settings)
    if options.url:
        with _postgresql(options.url) as dump:
            yield dump
        return
    import apsw

    from workpost.store.database.sqlite import open_reader

    try:
        connection = open_reader(options.database)
    except apsw.Error as error:
        raise TryLater(f"there is no database at {options.database}") from error
    try:
        connection.execute("BEGIN")
        yield _SqliteDump(connection)
    except (apsw.IOError, apsw.CorruptError, apsw.BusyError) as error:
        raise TryLater(f"the database cannot be read: {error}") from error
    finally:
        connection.close()


class _SqliteDump:
    engine = "sqlite"

    def __init__(self, connection: object) -> None:
        import apsw

        assert isinstance(connection, apsw.Connection)
        self._connection = connection
        (found,) = connection.execute(APPLIED).fetchall()
        self.schema = int(str(found[0]))

    def columns(self, table: str) -> list[str]:
        return [str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({table})")]

    def rows(self, table: str) -> Iterator[Row]:
        return iter(
            self._connection.execute(f"SELECT {', '.join(self.columns(table))} FROM {table}")
        )


@contextmanager
def _postgresql(url: str) -> Iterator[Dump]:
    import psycopg

    from workpost.store.database.postgresql import Connection, connect

    class PostgresDump:
        engine = "postgresql"

        def __init__(self, connection: Connection) -> None:
            self._connection = connection
            found = connection.execute(APPLIED.encode()).fetchone()
            self.schema = int(found[0]) if found is not None else 0

        def columns(self, table: str) -> list[str]:
            cursor = self._connection.execute(f"SELECT * FROM {table} LIMIT 0".encode())
            return [column.name for column in cursor.description or ()]

        def rows(self, table: str) -> Iterator[Row]:
            names = ", ".join(self.columns(table))
            with self._connection.cursor(f"dump_{table}", binary=True) as cursor:
                cursor.itersize = AT_ONCE
                cursor.execute(f"SELECT {names} FROM {table}".encode())
                yield from cursor

    try:
        with connect(url) as connection:
            connection.execute(
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
            )
            connection.autocommit = False
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield PostgresDump(connection)
    except psycopg.OperationalError as error:
        raise TryLater(f"the database does not answer: {error}") from error
