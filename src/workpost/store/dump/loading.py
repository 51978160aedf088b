"""Loading rows into an empty database, which gets the schema of the dump first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from workpost.kernel.errors import Conflict, TryLater
from workpost.kernel.settings import Settings
from workpost.store.database.options import options_of
from workpost.store.dump.tables import tables_of
from workpost.store.schema.migrate import Migration, check_version, migrations

UNREFERENCED = (
    "INSERT INTO content_garbage (due, id) SELECT {due}, c.id FROM content c"
    " WHERE NOT EXISTS (SELECT 1 FROM item i WHERE i.content = c.id)"
    " AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.content = c.id)"
    "{transit}"
    " AND NOT EXISTS (SELECT 1 FROM content_garbage g WHERE g.id = c.id)"
)
IN_TRANSIT = " AND NOT EXISTS (SELECT 1 FROM in_transit t WHERE t.content = c.id)"


def _unreferenced(due: int, schema: int) -> str:
    """The statement for a database of that schema: older ones know no messages in transit."""
    transit = IN_TRANSIT if "in_transit" in tables_of(schema) else ""
    return UNREFERENCED.format(due=int(due), transit=transit)


class Loader(Protocol):
    """An empty database that takes rows."""

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows."""
        ...

    def release_unreferenced(self, due: int) -> None:
        """Make what nothing refers to (any more) candidates of the sweeper."""
        ...


@contextmanager
def open_loader(settings: Settings, schema: int) -> Iterator[Loader]:
    """Make an empty database of that schema and load into it; migrated when the block ends well.

    Blocking. Raises Conflict when the database is not empty, SchemaTooNew, TryLater.
    """
    steps = migrations()
    if schema > steps[-1].number:
        check_version(schema, steps)
    then = [step for step in steps if step.number <= schema]
    options = options_of(settings)
    if options.url:
        with _postgresql(options.url, then) as loader:
            yield loader
        return
    import apsw

    from workpost.store.database.sqlite import open_writer
    from workpost.store.schema.migrate import prepare_sqlite

    if options.database.exists():
        raise Conflict(f"{options.database} exists already")
    prepare_sqlite(options.database, then)
    connection = open_writer(options.database)
    try:
        connection.execute("PRAGMA synchronous=NORMAL").fetchall()
        yield _SqliteLoader(connection, then[-1].number)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except (apsw.FullError, apsw.IOError) as error:
        raise TryLater(f"the database cannot be written: {error}") from error
    finally:
        connection.close()
    prepare_sqlite(options.database)


class _SqliteLoader:
    def __init__(self, connection: Any, schema: int) -> None:
        self._connection = connection
        self._schema = schema

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        with self._connection:
            self._connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
            ).fetchall()

    def release_unreferenced(self, due: int) -> None:
        self._connection.execute(_unreferenced(due, self._schema)).fetchall()


@contextmanager
def _postgresql(url: str, steps: Sequence[Migration]) -> Iterator[Loader]:
    import psycopg

    from workpost.store.database.postgresql import Connection, connect
    from workpost.store.schema.postgresql import prepare_postgresql

    class PostgresLoader:
        def __init__(self, connection: Connection) -> None:
            self._connection = connection

        def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
            statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for row in rows:
                    copy.write_row(row)

        def release_unreferenced(self, due: int) -> None:
            self._connection.execute(_unreferenced(due, steps[-1].number).encode())

    prepare_postgresql(url, steps)
    try:
        with connect(url) as connection:
            connection.execute(
                "SET statement_timeout = 0; SET lock_timeout = 0;"
                "SET idle_in_transaction_session_timeout = 0"
            )
            with connection.transaction():
                for table in tables_of(steps[-1].number):
                    found = connection.execute(f"SELECT 1 FROM {table} LIMIT 1".encode())
                    if found.fetchone() is not None:
                        raise Conflict("the database is not empty")
                yield PostgresLoader(connection)
    except psycopg.OperationalError as error:
        raise TryLater(f"the database does not answer: {error}") from error
    prepare_postgresql(url)
