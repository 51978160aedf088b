"""What an engine says of its database, asked without opening it as a store: nothing is changed."""

from __future__ import annotations

import time

import apsw
import msgspec

from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Settings, sqlite_path
from workpost.store.schema.migrate import APPLIED

MOST_PROBLEMS = 10
STEPS = 100_000
"""Of SQLite's machine between two looks at the time."""


class Condition(msgspec.Struct, frozen=True):
    """`schema` is the number of the newest migration; `complete` False: time was over before."""

    schema: int
    problems: list[str]
    complete: bool = True


def look_at(settings: Settings, seconds: float) -> Condition:
    """Ask the engine, for so many seconds at most. Blocking; raises TryLater."""
    path = sqlite_path(settings.database_url)
    if path is None:
        return Condition(_postgresql_schema(settings.database_url), [])
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return _sqlite(connection, seconds)
        finally:
            connection.close()
    except apsw.CorruptError as error:
        return Condition(0, [str(error)])
    except apsw.Error as error:
        raise TryLater(f"The database {path} cannot be read: {error}.") from error


def _sqlite(connection: apsw.Connection, seconds: float) -> Condition:
    connection.set_busy_timeout(5_000)
    ((applied,),) = connection.execute(APPLIED).fetchall()
    schema = int(str(applied))
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        rows = connection.execute(f"PRAGMA quick_check({MOST_PROBLEMS})").fetchall()
    except apsw.InterruptError:
        return Condition(schema, [], complete=False)
    problems = [str(row[0]) for row in rows if row[0] != "ok"]
    return Condition(schema, problems)


def _postgresql_schema(url: str) -> int:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            row = connection.execute(APPLIED).fetchone()
    except psycopg.Error as error:
        raise TryLater("The database does not answer.") from error
    return int(row[0]) if row is not None else 0
