"""Message content as it arrives: kept, checked, forgotten at the first fault.

A line ends in CRLF and nowhere else (RFC 5321 2.3.8). A message with a bare CR or LF is refused
whole: what one server takes for text another takes for the end of the message, and the rest for
commands ("SMTP smuggling"). After a fault nothing is kept, so reading on costs no memory.

``lenient`` gatherers, for people who logged in, take a bare LF for the line end that their script
meant (RFC 6409 8 lets submission mend messages) and hand out CRLF: CRLF.CRLF stays the only end of
data, and no bare LF goes any further.
"""

import re
from enum import Enum
from typing import ClassVar


class Fault(Enum):
    """Why a message is refused at its end."""

    BARE_LINE_END = "bare line end"
    NUL = "nul"
    TOO_BIG = "too big"
    NO_ROOM = "no room"


class Gather:
    """The octets of one message, at most ``limit``; ``fault`` is why there will be no content.

    One growing buffer and no list of pieces: a peer that sends octet by octet would otherwise cost
    forty times what it sends.
    """

    __slots__ = ("_data", "_lenient", "_limit", "fault", "mending")

    _bare_line_end: ClassVar[re.Pattern[bytes]] = re.compile(rb"(?<!\r)\n")

    def __init__(self, limit: int, *, lenient: bool = False) -> None:
        self._limit = limit
        self._lenient = lenient
        self._data = bytearray()
        self.mending = False
        """The content holds a bare LF that ``content`` mends: linear, but work."""
        self.fault: Fault | None = None

    @property
    def held(self) -> int:
        """Octets in memory."""
        return len(self._data)

    def drop(self, fault: Fault) -> None:
        """Forget the message; the first fault stays the reason."""
        self._data = bytearray()
        self.fault = self.fault or fault

    def content(self) -> bytes:
        """The message; empty after a fault. It is handed over, not kept."""
        data, self._data = self._data, bytearray()
        return self._bare_line_end.sub(b"\r\n", data) if self.mending else bytes(data)

    def _add(self, piece: bytes) -> None:
        """Take decoded octets that neither start nor end inside a CRLF."""
        if self.fault is not None:
            return
        bare_cr, bare_lf = _bare_ends(piece)
        if bare_cr or (bare_lf and not self._lenient):
            self.drop(Fault.BARE_LINE_END)
        elif b"\0" in piece:
            self.drop(Fault.NUL)
        elif len(self._data) + len(piece) > self._limit:
            self.drop(Fault.TOO_BIG)
        else:
            self._data += piece
            self.mending = self.mending or bare_lf


def _bare_ends(piece: bytes) -> tuple[bool, bool]:
    """Whether there is a CR, an LF outside of CRLF: what is left without all CRLF tells."""
    rest = piece.replace(b"\r\n", b"")
    return b"\r" in rest, b"\n" in rest
