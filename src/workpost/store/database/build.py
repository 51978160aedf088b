"""Opens the store that the settings describe."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings
from workpost.store.changes.hub import Hub
from workpost.store.database.counters import Counters
from workpost.store.database.local import inline_backend, writer_backend
from workpost.store.database.options import options_of
from workpost.store.database.store import Backend, Store
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
    backend: Backend
    if options.url:
        from workpost.store.database.remote import PostgresBackend
        from workpost.store.schema.postgresql import prepare_postgresql

        await asyncio.to_thread(prepare_postgresql, options.url)
        remote = PostgresBackend(options, env, hub, counters)
        store = Store(env, "postgresql", remote, hub, counters)
        remote.caught_up = store.compare_now
        return store
    if writer_socket is not None:
        backend = await writer_backend(options, env, hub, counters, writer_socket)
    else:
        prepare_sqlite(options.database)
        backend = inline_backend(options, env, hub, counters)
    return Store(env, "sqlite", backend, hub, counters)
