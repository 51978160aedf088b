"""Every bound of the ManageSieve server, with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a listener; sizes in octets, times in seconds."""

    script: int = 256 * 1024
    """A script that PUTSCRIPT or CHECKSCRIPT brings."""
    authentications: int = 3
    """Failed logins of a connection."""
    errors: int = 20
    """Commands of a connection, in a row, that were none."""
    login: float = 60.0
    """Time from connecting to having logged in."""
    idle: float = 31 * 60.0
    """Time without a command: RFC 5804 1.5 asks for at least 30 minutes."""
    stall: float = 120.0
    """Time for a peer to take what was sent."""
    closing: float = 10.0
    """Time for a peer to take the last answer before the connection is cut."""
    tick: float = 5.0
    """How often the times above are looked at."""
