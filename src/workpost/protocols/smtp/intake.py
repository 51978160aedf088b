"""A message on its way in: a decoder of the wire, paid for from the budget of the process."""

from workpost.protocols.listening.limits import ByteBudget
from workpost.protocols.smtp.session import Refused
from workpost.protocols.smtp.wire.bdat import ChunkReader
from workpost.protocols.smtp.wire.data import DataDecoder
from workpost.protocols.smtp.wire.gather import Fault

_REFUSALS = {
    Fault.BARE_LINE_END: (550, "5.6.11", "Message holds CR or LF outside of CRLF"),
    Fault.NUL: (550, "5.6.11", "Message holds NUL"),
    Fault.TOO_BIG: (552, "5.3.4", "Message is over the size limit"),
    Fault.NO_ROOM: (451, "4.3.1", "Too many messages at once, try later"),
}


class Intake:
    """Feeds ``decoder`` and keeps ``budget`` told of what it holds; ``close`` gives it back."""

    __slots__ = ("_budget", "_charged", "decoder")

    def __init__(self, decoder: DataDecoder | ChunkReader, budget: ByteBudget) -> None:
        self.decoder = decoder
        self._budget = budget
        self._charged = 0

    @property
    def done(self) -> bool:
        """Whether DATA, or the present chunk, is complete."""
        return self.decoder.done

    def feed(self, data: bytes) -> int:
        """Octets of ``data`` that were content; the rest are commands."""
        used = self.decoder.feed(data)
        grown = self.decoder.held - self._charged
        if grown > 0 and not self._budget.take(grown):
            self.decoder.drop(Fault.NO_ROOM)
            grown = -self._charged
        if grown < 0:
            self._budget.release(-grown)
        self._charged += grown
        return used

    def check(self) -> None:
        """Raise the refusal that the content earned so far."""
        if self.decoder.fault is not None:
            raise Refused(*_REFUSALS[self.decoder.fault])

    def close(self) -> None:
        """The content is not needed any more."""
        self._budget.release(self._charged)
        self._charged = 0
