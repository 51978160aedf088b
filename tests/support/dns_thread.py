"""A DNS server of ours on the loop of a thread, for servers that are processes of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.dns import DnsServer


@contextmanager
def threaded_dns() -> Iterator[tuple[DnsServer, str]]:
    """(server, `host:port`); its records may be changed at any time."""
    made, loop = DnsServer(), asyncio.new_event_loop()
    host, port = loop.run_until_complete(made.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield made, f"{host}:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        made.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
