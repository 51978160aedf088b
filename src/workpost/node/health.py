"""`/healthz` and `/metrics`: what monitoring asks, answered to loopback and `ops.allow` only.

A request that a proxy on this machine passes on comes from loopback too, and is anybody's; so are
those of functions that run here, which have addresses of their own.
"""

from __future__ import annotations

import asyncio
import ipaddress

from workpost.domain.directory.external import all_answer
from workpost.integrations.lambda_.local.network import SOURCES
from workpost.kernel import metrics
from workpost.kernel.errors import WorkpostError
from workpost.node.http import App, Receive, Scope, Send
from workpost.store.core import Core
from workpost.store.tables.commands import probe

PATIENCE = 2.0
FUNCTIONS = ipaddress.ip_network(SOURCES)
FORWARDED = {b"forwarded", b"x-forwarded-for"}


class Ops:
    """The two applications, with the networks that may ask."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def paths(self) -> dict[str, App]:
        """Applications by path."""
        return {"/healthz": self._healthz, "/metrics": self._metrics}

    def _allows(self, scope: Scope) -> bool:
        client = scope.get("client")
        try:
            address = ipaddress.ip_address(client[0] if client else "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        if mapped in FUNCTIONS:
            return False
        allowed = self._core.settings.ops.allow
        forwarded = any(name in FORWARDED for name, _ in scope.get("headers", ()))
        return (mapped.is_loopback and not forwarded) or any(
            mapped in ipaddress.ip_network(network, strict=False) for network in allowed
        )

    async def _healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._allows(scope):
            await respond(send, 403, b"forbidden\n")
            return
        status, text = await self._judge()
        await respond(send, status, text)

    async def _judge(self) -> tuple[int, bytes]:
        """200 ok, or degraded without keys or a directory; 503 when nothing can be written."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._core.store.write(probe)
        except (WorkpostError, TimeoutError):
            return 503, b"the database does not answer\n"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._core.keys.system()
        except (WorkpostError, TimeoutError):
            return 200, b"degraded\n"
        try:
            async with asyncio.timeout(PATIENCE):
                answering = await all_answer(self._core)
        except TimeoutError:
            answering = False
        return 200, b"ok\n" if answering else b"degraded\n"

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._allows(scope):
            await respond(send, 403, b"forbidden\n")
            return
        text = await asyncio.to_thread(metrics.render)
        await respond(send, 200, text, metrics.CONTENT_TYPE.encode())


async def respond(
    send: Send, status: int, body: bytes, content_type: bytes = b"text/plain; charset=utf-8"
) -> None:
    """Send one whole answer."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
