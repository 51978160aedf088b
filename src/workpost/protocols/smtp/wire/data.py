"""The content after DATA: RFC 5321 4.1.1.4 and 4.5.2.

Works on whole reads with ``find`` and ``replace``; a read may end anywhere, so up to four octets
that could begin the end of data are carried to the next one.
"""

import re

from workpost.protocols.smtp.wire.gather import Gather

_END = b"\r\n.\r\n"
_DOT = b"\r\n."


class DataDecoder(Gather):
    """Finds CRLF.CRLF, the only end of data, and takes away the dots that senders double.

    Feed it until ``done``; then ``fault`` and ``content()`` tell the outcome. ``limit`` counts
    decoded octets.
    """

    __slots__ = ("_carry", "_started", "done")

    # Clients that end lines in LF double the dots behind them too.
    _bare_line_end = re.compile(rb"(?<!\r)\n\.?")

    def __init__(self, limit: int, *, lenient: bool = False) -> None:
        super().__init__(limit, lenient=lenient)
        # The CRLF of the command DATA begins the first line, so that "." may be all there is.
        self._carry = b"\r\n"
        self._started = False
        self.done = False

    def feed(self, data: bytes) -> int:
        """Decode; returns how many octets of ``data`` belong to the message.

        That is all of them until the end of data is found; the rest are commands.
        """
        carried = len(self._carry)
        buffer = self._carry + data
        # Most messages hold no line that starts with a dot: one search finds both and saves a pass.
        dot = buffer.find(_DOT)
        end = buffer.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.done = True
            self._carry = b""
            self._decode(buffer, end + 2, stuffed=dot < end)
            return end + len(_END) - carried
        keep = _possible_end(buffer)
        self._carry = buffer[len(buffer) - keep :]
        self._decode(buffer, len(buffer) - keep, stuffed=dot >= 0)
        return len(data)

    def _decode(self, buffer: bytes, end: int, *, stuffed: bool) -> None:
        # A read never starts or ends inside CRLF or between CRLF and a dot: _possible_end kept it.
        if not end:
            return
        if stuffed:
            piece = buffer[:end].replace(_DOT, b"\r\n")
            self._add(piece if self._started else piece[2:])
        else:
            self._add(buffer[0 if self._started else 2 : end])
        self._started = True


def _possible_end(buffer: bytes) -> int:
    """Length of the longest tail that may turn out to begin the end of data."""
    for length in (4, 3, 2, 1):
        if buffer.endswith(_END[:length]):
            return length
    return 0
