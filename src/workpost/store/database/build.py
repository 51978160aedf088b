"""Opens the store that the settings describe."""

from __future__ import annotations

from pathlib import Path

from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings
from workpost.store.changes.hub import Hub
from workpost.store.database.counters import Counters
from workpost.store.database.local import InlineBackend
from workpost.store.database.options import options_of
from workpost.store.database.store import Store
from workpost.store.schema.migrate import prepare_sqlite


async def open_store(
    settings: Settings, env: Environment, *, writer_socket: Path | None = None
) -> Store:
    """Open the store on the running event loop.

    With `database.url` PostgreSQL; else SQLite, over the writer process that listens at
    `writer_socket`, or without one over a writer thread of this process (which then creates and
    migrates the database). Raises SchemaTooNew, SchemaTooOld, TryLater.
    """
    options = options_of(settings)
    counters = Counters()
    hub = Hub()
    prepare_sqlite(options.database)
    return Store(env, "sqlite", InlineBackend(options, env, hub, counters), hub, counters)
