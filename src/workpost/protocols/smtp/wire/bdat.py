"""The content of BDAT chunks: RFC 3030 2.

Octets are counted and never escaped. BINARYMIME is not announced, so the same rules for line ends
hold as after DATA, over the seams of chunks too.
"""

from workpost.protocols.smtp.wire.gather import Fault, Gather


class ChunkReader(Gather):
    """Gathers the chunks of one message: ``begin`` each, feed it until ``done``, ``finish`` last.

    ``limit`` counts octets of the whole message.
    """

    __slots__ = ("_carry", "_missing", "done")

    def __init__(self, limit: int, *, lenient: bool = False) -> None:
        super().__init__(limit, lenient=lenient)
        self._missing = 0
        self._carry = b""
        self.done = True

    def begin(self, size: int) -> None:
        """Expect a chunk of ``size`` octets."""
        self._missing = size
        self.done = size == 0

    def feed(self, data: bytes) -> int:
        """Take what belongs to the chunk; returns how many octets that was."""
        taken = min(self._missing, len(data))
        self._missing -= taken
        self.done = self._missing == 0
        piece = self._carry + data[:taken]
        self._carry = piece[-1:] if piece.endswith(b"\r") else b""
        self._add(piece[: len(piece) - len(self._carry)])
        return taken

    def finish(self) -> None:
        """The last chunk is in: a CR still waiting for its LF has none."""
        if self._carry:
            self.drop(Fault.BARE_LINE_END)
