"""SQLite through apsw: how connections are opened, and the Reader and Tx over one.

One process writes; every other connection is `query_only`. Those are opened read-write all the
same, since only such a connection can recover the log when the writer died in the middle of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Fault, TryLater
from workpost.store.database.counters import log
from workpost.store.database.unit import Hint, Row, UniqueViolation, Value

R = TypeVar("R")

BUSY_MS = 5_000
QUICK_BUSY_MS = 2
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 2 * 1024
MAP_BYTES = 256 * 1024 * 1024
CHECKPOINT_PAGES = 8_000
PAGE_BYTES = 4096
"""Half the log of 8192: a message touches some twenty pages, most of them index leaves."""
STATEMENTS = 256

_UNIQUE = {
    apsw.SQLITE_CONSTRAINT_UNIQUE,
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY,
    apsw.SQLITE_CONSTRAINT_ROWID,
}
BROKEN = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
)
"""After one of these the connection is not trusted any more."""


def open_writer(path: Path) -> apsw.Connection:
    """The one writing connection; creates the file. Commits are durable when they return."""
    connection = apsw.Connection(str(path), statementcachesize=STATEMENTS)
    _keep_plans(connection)
    connection.set_busy_timeout(BUSY_MS)
    for pragma in (
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=OFF",
        "temp_store=MEMORY",
        f"cache_size=-{WRITER_CACHE_KIB}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        f"journal_size_limit={64 * 1024 * 1024}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def open_reader(path: Path, *, busy_ms: int = BUSY_MS) -> apsw.Connection:
    """A reading connection to an existing file. Raises apsw.CantOpenError when there is none."""
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=STATEMENTS
    )
    _keep_plans(connection)
    connection.set_busy_timeout(busy_ms)
    for pragma in (
        "query_only=ON",
        "temp_store=MEMORY",
        f"cache_size=-{READER_CACHE_KIB}",
        f"mmap_size={MAP_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _keep_plans(connection: apsw.Connection) -> None:
    """Plan each statement once, whatever values are bound.

    Without this SQLite compiles a statement again for each new value that a partial index's
    condition might be about: 40 of the 57 microseconds of looking up a recipient.
    """
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


class SqliteReader:
    """`unit.Reader` over one connection."""

    engine = "sqlite"
    __slots__ = ("_connection", "_execute", "env")

    def __init__(self, connection: apsw.Connection, env: Environment) -> None:
        self._connection = connection
        # One cursor for all statements, each of which is read to its end: the connection would
        # make one a statement, half a microsecond each.
        self._execute = connection.cursor().execute
        self.env = env

    def row(self, sql: str, *params: Value) -> Row | None:
        # Read to the end: an unfinished RETURNING would hold up the commit.
        found = self._execute(sql, params).fetchall()
        return found[0] if found else None

    def rows(self, sql: str, *params: Value) -> list[Row]:
        return self._execute(sql, params).fetchall()


class SqliteTx(SqliteReader):
    """`unit.Tx`: one command within a group commit."""

    __slots__ = ("hints",)

    def __init__(self, connection: apsw.Connection, env: Environment) -> None:
        super().__init__(connection, env)
        self.hints: list[Hint] = []

    def row(self, sql: str, *params: Value) -> Row | None:
        try:
            found = self._execute(sql, params).fetchall()
        except apsw.ConstraintError as error:
            raise _named(error) from error
        return found[0] if found else None

    def rows(self, sql: str, *params: Value) -> list[Row]:
        try:
            return self._execute(sql, params).fetchall()
        except apsw.ConstraintError as error:
            raise _named(error) from error

    def run(self, sql: str, *params: Value) -> int:
        try:
            self._execute(sql, params).fetchall()
        except apsw.ConstraintError as error:
            raise _named(error) from error
        return self._connection.changes()

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        try:
            self._connection.executemany(sql, rows).fetchall()
        except apsw.ConstraintError as error:
            raise _named(error) from error

    def announce(self, kind: str, key: str, value: int = 0) -> None:
        self.hints.append(Hint(kind, key, value))


def _named(error: apsw.ConstraintError) -> Exception:
    return UniqueViolation(str(error)) if getattr(error, "extendedresult", 0) in _UNIQUE else error


class Overrun(Exception):
    """A query took longer than its snapshot may live."""


class _AsksTwice(Exception):
    """A query wants a second statement to see what its first one saw."""


class _Counted:
    """`unit.Reader` that counts a query's statements and refuses those over `most`."""

    engine = "sqlite"
    __slots__ = ("_execute", "_most", "env", "statements")

    def __init__(self, reader: SqliteReader) -> None:
        self._execute = reader._execute
        self._most = 0.0
        self.statements = 0
        self.env = reader.env

    def begin(self, most: float) -> None:
        """A new query, of so many statements."""
        self._most = most
        self.statements = 0

    def row(self, sql: str, *params: Value) -> Row | None:
        self.statements += 1
        if self.statements > self._most:
            raise _AsksTwice
        found = self._execute(sql, params).fetchall()
        return found[0] if found else None

    def rows(self, sql: str, *params: Value) -> list[Row]:
        self.statements += 1
        if self.statements > self._most:
            raise _AsksTwice
        return self._execute(sql, params).fetchall()


class Snapshots:
    """Runs queries on one connection, each over one snapshot, each with a time limit.

    `limit` seconds are counted by `clock`: wall time on the event loop, which must not be held up;
    the thread's processor time in the pool, so that a loaded machine breaks no query.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        env: Environment,
        *,
        limit: float,
        clock: Callable[[], float] = time.perf_counter,
        steps: int = 2_000,
    ) -> None:
        self._connection = connection
        self._reader = SqliteReader(connection, env)
        self._counted = _Counted(self._reader)
        self._limit = limit
        self._clock = clock
        self._deadline = math.inf
        self._askers: set[Callable[..., Any]] = set()
        connection.set_progress_handler(self._late, steps)

    def _late(self) -> bool:
        return self._clock() > self._deadline

    def run(self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Answer one query. Raises Overrun, TryLater, Fault, or what the query raised."""
        return self._guarded(self._in_snapshot, query, args, kwargs)

    def run_quick(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> R:
        """`run` for a query that mostly is one statement, which is a snapshot by itself.

        Without BEGIN and ROLLBACK it costs a third. A query that asks twice is begun anew in a
        snapshot, and so is its next call, until one statement has been enough.
        """
        return self._guarded(self._lightly, query, args, kwargs)

    def _guarded(
        self,
        way: Callable[[Callable[..., R], tuple[Any, ...], dict[str, Any]], R],
        query: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> R:
        try:
            return way(query, args, kwargs)
        except apsw.InterruptError:
            raise Overrun from None
        except apsw.BusyError as error:
            raise TryLater(f"the database is busy: {error}") from error
        except apsw.Error as error:
            if isinstance(error, BROKEN) and not isinstance(error, apsw.ReadOnlyError):
                log.error("reading the database failed: %r", error)
                raise TryLater("the database cannot be read") from error
            log.exception("query failed: %s", getattr(query, "__qualname__", query))
            raise Fault(f"{type(error).__name__} in a query") from error

    def _in_snapshot(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> R:
        connection = self._connection
        # Neither end of the transaction has a deadline: a BEGIN that is interrupted has begun
        # all the same, and would be in the way of every query after it.
        connection.execute("BEGIN")
        try:
            self._deadline = self._clock() + self._limit
            return query(self._reader, *args, **kwargs)
        finally:
            self._deadline = math.inf
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _lightly(self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        counted = self._counted
        if query not in self._askers:
            self._deadline = self._clock() + self._limit
            counted.begin(1)
            try:
                return query(counted, *args, **kwargs)
            except _AsksTwice:
                self._askers.add(query)
            finally:
                self._deadline = math.inf
        counted.begin(math.inf)
        result = self._in_snapshot(lambda _: query(counted, *args, **kwargs), (), {})
        if counted.statements < 2:
            self._askers.discard(query)
        return result

    def close(self) -> None:
        """Close the connection."""
        self._connection.set_progress_handler(None)
        self._connection.close()
