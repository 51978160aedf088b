"""The key store in a SQLite file of its own: `DIR/keys/keys.db`, mode 0600.

Any process of the machine reads and writes it (WAL, a busy timeout, short transactions); each
thread has a connection. `secure_delete` overwrites what is freed. The shred list is `shred.log`
beside it: JSON lines, appended in one write and synced, never rewritten.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from workpost.kernel.errors import Conflict, KeyDestroyed, TryLater
from workpost.store.keys.records import KeyRow, Shred
from workpost.store.keys.statements import INSERT, Params, Statements, values

BUSY_MS = 5_000

MIGRATIONS = (
    """
    CREATE TABLE keys (
        scope TEXT NOT NULL,
        gen INTEGER NOT NULL,
        parent TEXT NOT NULL,
        parent_gen INTEGER NOT NULL,
        wrapped BLOB NOT NULL,
        created INTEGER NOT NULL,
        retired_at INTEGER,
        destroyed_at INTEGER,
        PRIMARY KEY (scope, gen)
    );
    CREATE INDEX keys_parent ON keys (parent, parent_gen) WHERE destroyed_at IS NULL;
    """,
)


class SqliteKeyStore(Statements):
    """`KeyStore` on SQLite; creates and migrates its file."""

    zeroed = "wrapped = zeroblob(length(wrapped))"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[apsw.Connection] = []
        self._lock = threading.Lock()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._migrate()

    @property
    def shred_path(self) -> Path:
        """The file of the shred list."""
        return self._path.with_name("shred.log")

    def add(self, rows: Sequence[KeyRow], alive: Sequence[KeyRow] = ()) -> None:
        with self._transaction() as connection:
            for row in alive:
                if not connection.execute(
                    "SELECT 1 FROM keys WHERE scope = ? AND gen = ? AND destroyed_at IS NULL",
                    (row.scope, row.gen),
                ).fetchall():
                    raise KeyDestroyed(f"the key {row.scope} was destroyed")
            try:
                connection.executemany(INSERT, [values(row) for row in rows])
            except apsw.ConstraintError as error:
                raise Conflict(f"the key {rows[0].scope} exists already") from error

    def restore(self, rows: Sequence[KeyRow]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                f"{INSERT} ON CONFLICT DO NOTHING", [values(row) for row in rows]
            )

    def append_shred(self, entry: Shred) -> None:
        # The newline before it ends whatever a crash may have cut short.
        line = b"\n" + msgspec.json.encode(entry) + b"\n"
        try:
            log = os.open(self.shred_path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            try:
                if os.write(log, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(log)
            finally:
                os.close(log)
            folder = os.open(self.shred_path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise TryLater(f"the shred list cannot be written: {error}") from error

    def shred_list(self) -> list[Shred]:
        try:
            lines = self.shred_path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [entry for line in lines[:-1] if (entry := _shred_of(line)) is not None]

    def scrub(self) -> None:
        with self._connected() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
            self._local = threading.local()

    def _rows(self, sql: str, params: Params) -> list[KeyRow]:
        with self._connected() as connection:
            return [KeyRow(*row) for row in connection.execute(sql, params)]

    def _run(self, sql: str, params: Params) -> int:
        with self._transaction() as connection:
            connection.execute(sql, params)
            return connection.changes()

    @contextmanager
    def _connected(self) -> Iterator[apsw.Connection]:
        try:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._connect()
                self._local.connection = connection
            yield connection
        except (apsw.BusyError, apsw.IOError, apsw.CantOpenError, apsw.FullError) as error:
            raise TryLater(f"the key store {self._path} is out of reach: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(BUSY_MS)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        with self._lock:
            self._open.append(connection)
        return connection

    def _migrate(self) -> None:
        with self._transaction() as connection:
            version = int(connection.pragma("user_version"))
            if version > len(MIGRATIONS):
                raise TryLater(f"the key store {self._path} is newer than this program")
            for script in MIGRATIONS[version:]:
                connection.execute(script)
            connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")


def _shred_of(line: bytes) -> Shred | None:
    # A line cut short by a crash was never acted upon: keys are destroyed after the sync.
    try:
        return msgspec.json.decode(line, type=Shred) if line else None
    except msgspec.DecodeError:
        return None
