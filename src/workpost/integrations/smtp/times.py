"""How long a client waits for a server."""

from __future__ import annotations

import msgspec


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for each step (RFC 5321 4.5.3.2), each for a whole reply."""

    connect: float = 30.0
    greeting: float = 300.0
    hello: float = 300.0
    tls: float = 60.0
    login: float = 120.0
    mail: float = 300.0
    recipient: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end: float = 600.0
    reset: float = 20.0
    attempt: float = 3600.0
    """For all hosts and steps of one attempt: whoever answers a byte a minute ends here."""
