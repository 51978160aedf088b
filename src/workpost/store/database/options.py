"""What the store needs to know of the settings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from workpost.kernel.settings import Settings, sqlite_path


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data lies and how many connections may be used for it."""

    url: str = ""
    """`postgresql://...`, or empty for SQLite."""
    database: Path = Path("workpost.db")
    """The SQLite file."""
    readers: int = 2
    """Reader threads of each process, each with its own connection (1 to 64)."""
    writers: int = 8
    """PostgreSQL only: writing connections of each process (1 to 64)."""
    queue_commands: int = 512
    """Commands that one process may have waiting before callers wait."""
    queue_bytes: int = 64 * 1024 * 1024
    """Bytes of arguments that one process may have waiting before callers wait."""
    busy_after: float = 5.0
    """Seconds a caller waits for room in the queue before it is told Busy."""
    gone_after: float = 20.0
    """Seconds a command waits for a lost engine before its caller is told TryLater."""


def options_of(settings: Settings) -> Options:
    """The store's part of the settings.

    PostgreSQL connections are shared out: a third (two at least) reads, the others write.
    """
    path = sqlite_path(settings.database_url)
    if path is not None:
        return Options(database=path.absolute())
    connections = settings.database.connections
    readers = min(max(2, connections // 3), max(1, connections - 1))
    return Options(
        url=settings.database_url, readers=readers, writers=max(1, connections - readers)
    )


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
