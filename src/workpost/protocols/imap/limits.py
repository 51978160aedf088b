"""Every bound of the IMAP server, with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a listener; sizes in octets, times in seconds."""

    message: int = 40 * 1024 * 1024
    """A message that APPEND brings; announced as APPENDLIMIT (RFC 7889)."""
    line: int = 64 * 1024
    """The text of a command without its literals; Dovecot and clients agree on about this."""
    literal: int = 64 * 1024
    """All literals of one command other than APPEND."""
    authentications: int = 5
    """Failed logins of a connection."""
    errors: int = 50
    """Commands of a connection that were BAD, in a row."""
    login: float = 60.0
    """Time from connecting to having logged in."""
    idle: float = 31 * 60.0
    """Time without a command, and time in IDLE: RFC 3501 5.4 asks for at least 30 minutes."""
    stall: float = 300.0
    """Time for a peer to take what was sent, or to send the next octets of a literal."""
    closing: float = 10.0
    """Time for a peer to take the last answer before the connection is cut."""
    tick: float = 5.0
    """How often the times above are looked at."""
