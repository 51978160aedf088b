"""The unit of work: what a query or a command is given, and how commands are declared.

A **query** is a function `query(tx: Reader, ...)`: it sees one snapshot, at most 100 ms, and
returns complete values. Mark it `@quick` when it is answered by a bounded number of index lookups
(under 1 ms): on SQLite it then runs on the event loop's own connection.

A **command** is a module-level function `command(tx: Tx, *, ...)` marked `@command`. It runs in one
transaction, perhaps in another process, perhaps more than once: its arguments and result are plain
data (int, str, bytes, bool, None, float, tuples, lists, dicts and msgspec structs of these) with
complete annotations, it has no effect outside the transaction, it raises domain errors
(`kernel.errors`) only, and it stays under its budget of 20 ms.

SQL is one text for both engines: `?` for parameters, `RETURNING` and `ON CONFLICT` as both know
them, times in milliseconds, booleans as 0 and 1, blobs as bytes. Nothing but `store/` holds SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from workpost.kernel.clock import Environment

Value = int | str | bytes | float | None
Row = tuple[Any, ...]


class UniqueViolation(Exception):
    """A statement met a row that already has this key; told to the caller as `Conflict`.

    A command may catch it only to raise a domain error: on PostgreSQL the transaction is lost by
    then. To go on, write `INSERT ... ON CONFLICT DO NOTHING` and look at the number of rows.
    """


class Hint(msgspec.Struct, frozen=True, array_like=True):
    """An announcement sent after the commit; whoever hears it reads again. It may get lost.

    kind `mailbox`: key = mailbox id as text, value = modseq. kind `policy`: key = organization,
    value = policy version. kind `queue` and `job`: something became due; key may be empty.
    """

    kind: str
    key: str
    value: int = 0


class Reader(Protocol):
    """A snapshot of the database."""

    @property
    def env(self) -> Environment:
        """Clock, ids and randomness."""
        ...

    @property
    def engine(self) -> str:
        """`sqlite` or `postgresql`, for the few statements that must differ."""
        ...

    def row(self, sql: str, *params: Value) -> Row | None:
        """The first row, or None."""
        ...

    def rows(self, sql: str, *params: Value) -> list[Row]:
        """All rows."""
        ...


class Tx(Reader, Protocol):
    """One command's transaction (on SQLite: its savepoint within a group commit)."""

    def run(self, sql: str, *params: Value) -> int:
        """Run a statement and return the number of rows it changed."""
        ...

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run a statement once per row of parameters."""
        ...

    def announce(self, kind: str, key: str, value: int = 0) -> None:
        """Send a Hint after the commit; dropped when the command fails."""
        ...


F = TypeVar("F", bound=Callable[..., Any])

commands: dict[str, Callable[..., Any]] = {}
"""Every declared command by `module:function`, so that the writer process finds it."""

QUICK = "__workpost_quick__"
NAME = "__workpost_command__"


def command(function: F) -> F:
    """Declare a command. Its name across processes is `module:function`."""
    name = f"{function.__module__}:{function.__qualname__}"
    if "." in function.__qualname__:
        raise TypeError(f"{name}: a command is a module-level function")
    commands[name] = function
    setattr(function, NAME, name)
    return function


def quick(function: F) -> F:
    """Declare that a query is answered by a bounded number of index lookups (under 1 ms)."""
    setattr(function, QUICK, True)
    return function
