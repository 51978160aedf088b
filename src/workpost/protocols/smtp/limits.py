"""Every bound of the SMTP server, with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a listener; sizes in octets, times in seconds."""

    message: int = 40 * 1024 * 1024
    """A message; announced as SIZE (RFC 1870)."""
    recipients: int = 500
    """Recipients of a message; RFC 5321 4.5.3.1.8 asks for at least 100."""
    errors: int = 20
    """Permanent refusals without a message in between; scanners reach it, clients do not."""
    idle_commands: int = 100
    """Commands that lead to no message, in a row."""
    authentications: int = 3
    """Failed AUTH commands of a connection (RFC 4954 4 lets the server end it)."""
    command: float = 300.0
    """Time to send a whole command line, or the next octets of a message (RFC 5321 4.5.3.2.7)."""
    transfer: float = 3600.0
    """Time to send a whole message, however steadily it drips."""
    closing: float = 10.0
    """Time for a peer to take the last reply before the connection is cut."""
    tick: float = 5.0
    """How often the times above are looked at."""
    hold: int = 0
    """Longest time for which people may have a message held (RFC 4865); 0: it is not offered."""
    eight_bit_headers: bool = True
    """Whether other servers may leave SMTPUTF8 out where a header is not ASCII; people may not."""
