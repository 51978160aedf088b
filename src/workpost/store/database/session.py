"""One thread's PostgreSQL connection: queries, commands, and what to do when it is lost."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, Fault, TryLater, WorkpostError
from workpost.store.database.batch import Done, Waiting, conflict_of, failed_end
from workpost.store.database.counters import Counters, log
from workpost.store.database.doubt import RECORD, RECORD_RESULT, RECORDED, REFUSED
from workpost.store.database.postgresql import (
    Connection,
    Cursor,
    PostgresReader,
    PostgresTx,
    connect,
)
from workpost.store.database.unit import Hint, UniqueViolation

R = TypeVar("R")

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
MOST_TRIES = 8
"""How often a command is run again after deadlocks, or after it lost its connection."""
RETRY = 0.05
"""Seconds before the first attempt to connect again; each later one waits twice as long."""
RETRY_MOST = 1.0

_AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
_LATER = (
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.InsufficientResources,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)
_WAITED = (errors.QueryCanceled, errors.LockNotAvailable)
"""What a second run hears that waits too long for the first one's end."""


class _Replayed(Exception):
    """The command's id is already recorded."""


class Session:
    """Opens its connection when first used and again after it was lost."""

    def __init__(self, url: str, env: Environment, counters: Counters, gone_after: float) -> None:
        self._url = url
        self._env = env
        self._counters = counters
        self._gone_after = gone_after
        self._connection: Connection | None = None
        self._cursor: Cursor | None = None

    def _open(self) -> Cursor:
        if self._cursor is None or self._connection is None or self._connection.closed:
            self.close()
            self._connection = connect(self._url)
            self._cursor = self._connection.cursor(binary=True)
        return self._cursor

    @property
    def _lost(self) -> bool:
        return self._connection is None or bool(self._connection.closed)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _roll_back(self) -> None:
        if not self._lost and self._cursor is not None:
            with contextlib.suppress(psycopg.Error):
                self._cursor.execute("ROLLBACK")

    # --- queries ---

    def query(
        self, query: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any], quick: bool
    ) -> R:
        """Answer a query; a quick one without a snapshot. Raises TryLater, Fault, or its error."""
        for attempt in (1, 2):
            try:
                cursor = self._open()
                reader = PostgresReader(cursor, self._env)
                if quick:
                    return query(reader, *args, **kwargs)
                cursor.execute(SNAPSHOT)
                result = query(reader, *args, **kwargs)
                cursor.execute("COMMIT")
                return result
            except psycopg.Error as error:
                if not self._lost or attempt == 2:
                    self._roll_back()
                    raise _told(error, getattr(query, "__qualname__", "query")) from error
                self._counters.count("reconnects")
            except BaseException:
                self._roll_back()
                raise
        raise AssertionError("unreachable")

    def notify(self, channel: str, payloads: list[str]) -> None:
        """Send notifications. Raises TryLater, Fault."""

        def send(tx: PostgresReader) -> None:
            for payload in payloads:
                tx.row("SELECT pg_notify(?, ?)", channel, payload)

        self.query(send, (), {}, quick=True)

    # --- commands ---

    def settle(self, waiting: Waiting) -> tuple[Done, list[Hint]]:
        """Run a command in a transaction of its own until it is known what became of it."""
        deadline = time.monotonic() + self._gone_after
        pause = RETRY
        tries = 0
        while True:
            try:
                return self._attempt(waiting, self._open())
            except psycopg.Error as error:
                tries += 1
                lost = self._lost
                waiting.again = waiting.again or lost
                self._roll_back()
                can = lost or isinstance(error, _AGAIN)
                can = can or (waiting.again and isinstance(error, _WAITED))
                if can and tries <= MOST_TRIES and time.monotonic() < deadline:
                    log.warning("command %s runs again: %r", waiting.call.name, error)
                    if lost:
                        self._counters.count("reconnects")
                    time.sleep(pause * random.random())  # noqa: S311 - spreads, hides nothing
                    pause = min(2 * pause, RETRY_MOST)
                    continue
                return failed_end(waiting, _told(error, waiting.call.name)), []

    def _attempt(self, waiting: Waiting, cursor: Cursor) -> tuple[Done, list[Hint]]:
        counters = self._counters
        counters.commands += 1
        tx = PostgresTx(cursor, self._env)
        started = time.thread_time()  # waiting for others' locks is no work of its own
        cursor.execute("BEGIN")
        try:
            if waiting.again:
                # Waits for a first run that has recorded itself; one that has not, finds this.
                if not tx.run(RECORD, waiting.id, REFUSED):
                    raise _Replayed
                cursor.execute("SAVEPOINT command")
            call = waiting.call
            result = call.encode_result(call.function(tx, **call.decode(waiting.args)))
            if waiting.again:
                tx.run(RECORD_RESULT, result, waiting.id)
            elif not tx.run(RECORD, waiting.id, result):
                raise _Replayed
            counters.took(call.name, time.thread_time() - started)
            cursor.execute("COMMIT")
        except psycopg.Error:
            raise
        except _Replayed:
            self._roll_back()
            return self._replayed(waiting, cursor), []
        except Exception as error:  # noqa: BLE001 - logged and told to the caller below
            if waiting.again:
                cursor.execute("ROLLBACK TO SAVEPOINT command")
                cursor.execute("COMMIT")
            else:
                self._roll_back()
            return self._ended(waiting, error), []
        counters.committed(1)
        counters.tell()
        return Done(waiting, "", result, kept=True), tx.hints

    def _replayed(self, waiting: Waiting, cursor: Cursor) -> Done:
        """The recorded end of a command that ran before."""
        found = PostgresReader(cursor, self._env).row(RECORDED, waiting.id)
        if found is None or found[0] == REFUSED:
            return failed_end(waiting, TryLater("the database did not take the change"))
        self._counters.count("replayed")
        return Done(waiting, "", found[0], kept=False)

    def _ended(self, waiting: Waiting, error: Exception) -> Done:
        """What a rolled back command is answered."""
        if isinstance(error, UniqueViolation):
            return failed_end(waiting, conflict_of(waiting, error))
        if isinstance(error, WorkpostError) and not isinstance(error, Fault):
            self._counters.refused += 1
            return failed_end(waiting, error)
        self._counters.count("faults")
        log.error("command %s failed", waiting.call.name, exc_info=error)
        if isinstance(error, Fault):
            return failed_end(waiting, error)
        return failed_end(waiting, Fault(f"{type(error).__name__} in {waiting.call.name}"))


def _told(error: psycopg.Error, name: str) -> WorkpostError:
    """What a caller hears of an error of the database."""
    if isinstance(error, errors.UniqueViolation):
        log.info("%s: %s", name, error)
        return Conflict("Something with the same key exists already.")
    if isinstance(error, (*_AGAIN, *_LATER, psycopg.OperationalError, psycopg.InterfaceError)):
        log.error("the database did not do its work for %s: %r", name, error)
        return TryLater("the database does not answer")
    log.error("%s failed", name, exc_info=error)
    return Fault(f"{type(error).__name__} in {name}")
