"""Moves SQLite's log into the database file while the writer goes on writing.

SQLite's own way is to do that within the commit that made the log too long: nobody hears their 250
for as long as a thousand pages take to be written and synced. Here a thread with a connection of
its own does it. What the writer appends meanwhile is little; the writer moves that itself, when it
has answered a batch, and so comes to the point where everything has moved and the log begins anew.
SQLite syncs the file only then, so the thread does it before.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import apsw

from workpost.store.database.counters import log
from workpost.store.database.sqlite import BUSY_MS

START_PAGES = 8_000
"""Pages of log at which the thread begins: 32 MB."""
MOST_PAGES = 4 * START_PAGES
"""Pages of log at which the writer waits for nobody."""


class Checkpointer:
    """One writing connection's helper; `due` and `finish` are called by the writer's loop only."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection
        self._pages = 0
        self._wanted = threading.Event()
        self._moved = threading.Event()
        self._ending = False
        self._asked = False
        self._thread: threading.Thread | None = None
        # Stays open as long as there are connections: closing any descriptor of a file gives up all
        # locks that the process has on it (POSIX fcntl).
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # Takes the place of SQLite's own automatic checkpoints.
        connection.set_wal_hook(self._committed)

    def _committed(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        if pages >= START_PAGES and not self._asked:
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)
                self._thread.start()
            self._wanted.set()
        return apsw.SQLITE_OK

    @property
    def due(self) -> bool:
        """Whether the writer should call `finish` now."""
        return self._moved.is_set() or self._pages >= MOST_PAGES

    def finish(self) -> None:
        """Move what is left of the log, as far as readers let it: a matter of milliseconds."""
        self._moved.clear()
        self._asked = False
        self._pages = 0
        with contextlib.suppress(apsw.BusyError, apsw.LockedError):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _serve(self) -> None:
        try:
            connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        except apsw.Error as error:
            log.error("the log cannot be moved: %r", error)
            return
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        # A connection that has read nothing yet does not know of the log and moves nothing.
        connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        while self._wanted.wait():
            self._wanted.clear()
            if self._ending:
                break
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                os.fdatasync(self._file)
            except (apsw.Error, OSError) as error:
                # The writer meets the same fault, or has the lock and does the work itself.
                log.warning("moving the log failed: %r", error)
            self._moved.set()
        connection.close()

    def close(self) -> None:
        """End the thread, within what it is doing; called when the connection is closed."""
        self._ending = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self._file)
