"""What the listeners of one process share, whatever they speak."""

from dataclasses import dataclass, field

from workpost.protocols.listening.guard import Guard
from workpost.protocols.listening.limits import ByteBudget
from workpost.protocols.listening.peers import PeerCounter

BYTES_IN_FLIGHT = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shared:
    """Made once in each process after the fork.

    ``guard`` counts failed logins, ``peers`` gives sessions their places, ``budget`` counts octets
    of messages that are on their way in.
    """

    guard: Guard = field(default_factory=Guard)
    peers: PeerCounter = field(default_factory=PeerCounter)
    budget: ByteBudget = field(default_factory=lambda: ByteBudget(BYTES_IN_FLIGHT))
