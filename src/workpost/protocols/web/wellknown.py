"""Paths under `/.well-known/`: answers to certificate authorities, and the MTA-STS policy.

What an authority asks (RFC 8555 8.3) is answered for every token: the answer holds the thumbprint
of our account key, with which nobody but its owner can finish an order.
"""

from __future__ import annotations

import re

from workpost.kernel.errors import WorkpostError
from workpost.operations.certificates.files import AcmeFiles
from workpost.operations.domains.mta_sts import policy_of
from workpost.protocols.web.asgi import Receive, Scope, Send, answer, host_of, is_read
from workpost.store.core import Core

CHALLENGES = "/.well-known/acme-challenge/"
POLICY = "/.well-known/mta-sts.txt"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\]")
NO_STORE = [(b"cache-control", b"no-store")]


class Challenges:
    """Answers an authority (HTTP-01)."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._files = AcmeFiles(core.settings.tls_dir)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        token = scope["path"].removeprefix(CHALLENGES)
        thumbprint = self._files.thumbprint() if self._core.settings.acme.enabled else ""
        if not (thumbprint and is_read(scope) and _TOKEN.fullmatch(token)):
            await answer(send, 404, b"not found\n")
            return
        body = f"{token}.{thumbprint}".encode()
        await answer(send, 200, body, content_type="application/octet-stream", headers=NO_STORE)


class Policy:
    """The MTA-STS policy of the domain that the request's host names (RFC 8461 3.3)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        try:
            text = await policy_of(self._core, host_of(scope)) if is_read(scope) else None
        except WorkpostError:
            await answer(send, 503, b"try later\n")
            return
        if text is None:
            await answer(send, 404, b"not found\n")
            return
        await answer(send, 200, text.encode(), content_type="text/plain")


class Port80:
    """All of `listeners.acme`: challenges; whatever else is asked goes on to https."""

    def __init__(self, core: Core, challenges: Challenges) -> None:
        self._core = core
        self._challenges = challenges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["path"].startswith(CHALLENGES):
            await self._challenges(scope, receive, send)
            return
        host = host_of(scope)
        if not is_read(scope) or not _HOST.fullmatch(host):
            # Whoever sent a secret in clear is not helped to send it again.
            await answer(send, 403, b"this is served with TLS only\n")
            return
        path = scope.get("raw_path") or b"/"
        query = scope.get("query_string", b"")
        place = b"https://%b%b%b" % (host.encode(), path, b"?" + query if query else b"")
        headers = [(b"location", place), (b"connection", b"close")]
        await answer(send, 308, b"", headers=headers)
