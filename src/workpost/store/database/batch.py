"""Group commit: what waits goes into one transaction, and each command has its effect or none.

A savepoint for each command costs a sixth of the writer's time: SQLite copies every page before
its first change under one. So a batch runs without them first. A command that is refused before
it wrote anything leaves nothing to take back; after one that is refused later the batch is rolled
back and runs again with savepoints, as its commands must be ready for.

Pure of threads and sockets: `Lanes` orders what waits, `Engine` runs one batch over one connection
and tells what became of each command. The writer process and the inline thread are built on both.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import apsw

from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict, Fault, TryLater, WorkpostError
from workpost.store.database.codec import Call
from workpost.store.database.counters import Counters, log
from workpost.store.database.doubt import RECORD, RECORDED
from workpost.store.database.sqlite import BROKEN, SqliteTx
from workpost.store.database.unit import Hint, UniqueViolation

MOST_COMMANDS = 64
MOST_BYTES = 8 * 1024 * 1024

CAREFUL = 50
"""Batches that run with savepoints after one that had to be run again for want of them."""

PEOPLE = 0
BACKGROUND = 1


class Waiting:
    """A command that waits: its id, its packed arguments, and whose it is."""

    __slots__ = ("again", "args", "call", "given_up", "id", "lane", "owner")

    def __init__(
        self,
        id: bytes,
        call: Call,
        args: bytes,
        lane: int = PEOPLE,
        *,
        again: bool = False,
        owner: Any = None,
    ) -> None:
        self.id = id
        self.call = call
        self.args = args
        self.lane = lane
        self.again = again
        """It may have run before: look for its id first."""
        self.given_up = False
        """Its caller is about to hear that nothing came of it: it must not be sent any more."""
        self.owner = owner


class Done:
    """What became of a command: `error` is empty and `body` its packed result, or `error` is the
    class name of an error and `body` its message. `kept` tells whether its effects stay."""

    __slots__ = ("body", "error", "kept", "waiting")

    def __init__(self, waiting: Waiting, error: str, body: bytes, *, kept: bool) -> None:
        self.waiting = waiting
        self.error = error
        self.body = body
        self.kept = kept


class Broken(Exception):
    """The database cannot be trusted any more on this connection; the batch is in doubt."""


class _Lost(Exception):
    """The transaction is gone, with all of the batch that ran before."""


class _Replayed(Exception):
    """The command's id is already recorded."""


class Lanes:
    """Commands that wait, people's before the background's."""

    def __init__(self) -> None:
        self._people: deque[Waiting] = deque()
        self._background: deque[Waiting] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._people) + len(self._background)

    def put(self, waiting: Waiting) -> None:
        """Add a command at the end of its lane."""
        (self._background if waiting.lane else self._people).append(waiting)
        self.bytes += len(waiting.args)

    def take(self) -> list[Waiting]:
        """The next batch: at most 64 of people's commands or 8 MB, and one background slice."""
        batch: list[Waiting] = []
        size = 0
        people = self._people
        while people and len(batch) < MOST_COMMANDS:
            size += len(people[0].args)
            if size > MOST_BYTES and batch:
                break
            batch.append(people.popleft())
        if self._background:
            batch.append(self._background.popleft())
        self.bytes -= sum(len(waiting.args) for waiting in batch)
        return batch


class Engine:
    """Runs batches over the one writing connection."""

    def __init__(
        self, connection: apsw.Connection, env: Environment, counters: Counters | None = None
    ) -> None:
        self._connection = connection
        self._env = env
        self._careful = 0
        self.counters = counters if counters is not None else Counters()

    def run(self, batch: list[Waiting]) -> tuple[list[Done], list[Hint]]:
        """Run a batch; when it returns, all that succeeded is durable.

        Raises Broken after an I/O error: then nothing is known of any of the batch.
        """
        try:
            if len(batch) > 1:
                try:
                    return self._together(batch)
                except (_Lost, apsw.Error) as error:
                    self._failed(error)
            return self._one_by_one(batch)
        except BROKEN as error:
            log.critical("the database is broken: %r", error)
            raise Broken(str(error)) from error

    def _together(self, batch: list[Waiting]) -> tuple[list[Done], list[Hint]]:
        tx = SqliteTx(self._connection, self._env)
        done = None
        if self._careful:
            self._careful -= 1
        else:
            done = self._without_savepoints(batch, tx)
        if done is None:
            tx.hints.clear()
            done = self._with_savepoints(batch, tx)
        self._commit()
        self.counters.committed(len(batch))
        return done, _coalesced(tx.hints)

    def _without_savepoints(self, batch: list[Waiting], tx: SqliteTx) -> list[Done] | None:
        """Begin, and run a batch; None, and nothing has begun, when it takes savepoints."""
        connection = self._connection
        done: list[Done] = []
        connection.execute("BEGIN IMMEDIATE")
        for waiting in batch:
            before = connection.total_changes()
            announced = len(tx.hints)
            try:
                end = self._perform(waiting, tx)
            except BROKEN:
                raise
            except Exception as error:  # noqa: BLE001 - logged and told to the caller
                if connection.in_transaction and connection.total_changes() != before:
                    connection.execute("ROLLBACK")
                    self._careful = CAREFUL
                    return None
                del tx.hints[announced:]
                end = self._refused(waiting, tx, error)
            done.append(end)
        return done

    def _with_savepoints(self, batch: list[Waiting], tx: SqliteTx) -> list[Done]:
        execute = self._connection.execute
        done: list[Done] = []
        execute("BEGIN IMMEDIATE")
        for waiting in batch:
            execute("SAVEPOINT command")
            announced = len(tx.hints)
            end = self._attempt(waiting, tx)
            if not end.kept:
                del tx.hints[announced:]
                execute("ROLLBACK TO command")
            execute("RELEASE command")
            done.append(end)
        return done

    def _one_by_one(self, batch: list[Waiting]) -> tuple[list[Done], list[Hint]]:
        done: list[Done] = []
        hints: list[Hint] = []
        for waiting in batch:
            tx = SqliteTx(self._connection, self._env)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                end = self._attempt(waiting, tx)
                if end.kept:
                    self._commit()
                    self.counters.committed(1)
                    hints += tx.hints
                else:
                    self._connection.execute("ROLLBACK")
            except BROKEN:
                raise
            except (_Lost, apsw.Error) as error:
                self._failed(error)
                end = failed_end(waiting, TryLater("the database did not take the change"))
            done.append(end)
        return done, _coalesced(hints)

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _failed(self, error: Exception) -> None:
        if isinstance(error, BROKEN):
            raise error
        self.counters.count("failed_commits")
        log.error("a commit failed: %r", error)
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _attempt(self, waiting: Waiting, tx: SqliteTx) -> Done:
        """Run one command and record its id; the caller rolls back what ends in an error."""
        try:
            return self._perform(waiting, tx)
        except BROKEN:
            raise
        except Exception as error:  # noqa: BLE001 - logged and told to the caller
            return self._refused(waiting, tx, error)

    def _perform(self, waiting: Waiting, tx: SqliteTx) -> Done:
        """Run one command and record its id. Raises whatever the command raises, _Replayed."""
        counters = self.counters
        counters.commands += 1
        started = time.perf_counter()
        try:
            if waiting.again:
                recorded = self._recorded(waiting, tx)
                if recorded is not None:
                    return recorded
            call = waiting.call
            result = call.encode_result(call.function(tx, **call.decode(waiting.args)))
            if not tx.run(RECORD, waiting.id, result):
                raise _Replayed
            return Done(waiting, "", result, kept=True)
        finally:
            counters.took(waiting.call.name, time.perf_counter() - started)

    def _refused(self, waiting: Waiting, tx: SqliteTx, error: Exception) -> Done:
        """What becomes of a command that raised. Raises _Lost when the transaction is gone."""
        if isinstance(error, _Replayed):
            return self._recorded(waiting, tx) or failed_end(waiting, Fault("a record vanished"))
        if isinstance(error, UniqueViolation):
            return failed_end(waiting, conflict_of(waiting, error))
        if isinstance(error, WorkpostError) and not isinstance(error, Fault):
            self.counters.refused += 1
            return failed_end(waiting, error)
        self.counters.count("faults")
        log.error("command %s failed", waiting.call.name, exc_info=error)
        if isinstance(error, Fault):
            return failed_end(waiting, error)
        if not self._connection.in_transaction:
            raise _Lost from error
        if isinstance(error, apsw.FullError | apsw.BusyError):
            return failed_end(waiting, TryLater("the database did not take the change"))
        return failed_end(waiting, Fault(f"{type(error).__name__} in {waiting.call.name}"))

    def _recorded(self, waiting: Waiting, tx: SqliteTx) -> Done | None:
        found = tx.row(RECORDED, waiting.id)
        if found is None:
            return None
        self.counters.count("replayed")
        return Done(waiting, "", found[0], kept=False)


def conflict_of(waiting: Waiting, error: UniqueViolation) -> Conflict:
    """What a caller hears of a key that is taken; the engine's words may hold others' data."""
    log.info("command %s: %s", waiting.call.name, error)
    return Conflict("Something with the same key exists already.")


def failed_end(waiting: Waiting, error: WorkpostError) -> Done:
    """The end of a command that was rolled back."""
    return Done(waiting, type(error).__name__, error.message.encode(), kept=False)


def _coalesced(hints: list[Hint]) -> list[Hint]:
    if len(hints) < 2:
        return hints
    highest: dict[tuple[str, str], Hint] = {}
    for hint in hints:
        known = highest.get((hint.kind, hint.key))
        if known is None or known.value < hint.value:
            highest[hint.kind, hint.key] = hint
    return list(highest.values())
