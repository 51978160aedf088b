"""What addresses, networks and senders may do in a window, and how long guessers wait.

One for all SMTP listeners of a process, bounded whatever comes: each rate remembers so many keys
and forgets the quietest. Processes count for themselves; the kernel spreads connections, so an
address that opens many may have up to as many times the limits as there are front ends.

Loopback and the networks of `unlimited` are no strangers: nothing is counted for them, and a
session of theirs costs no more than a look at a None.
"""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from workpost.kernel.metrics import counter, gauge
from workpost.protocols.listening.limits import is_loopback, peer_network
from workpost.protocols.listening.rates import Rate

LIMITED = counter("workpost_smtp_limited_total", "Refusals by rate, by what was too many.", "what")
TARPITTED = gauge("workpost_smtp_tarpitted", "Sessions that wait for the refusal of a recipient.")
EARLY_TALKERS = counter("workpost_smtp_early_talkers_total", "Clients that did not wait for 220.")

MOST_DOUBLINGS = 16
"""Of the time that a refusal takes; how long a guesser is remembered follows from it."""
FORGETFULNESS = 1.25
"""How many of the longest waits it takes to forget one unknown recipient."""
REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """What may come in a window of ``seconds``; 0 is no limit.

    An address is an IPv4 address or the /64 of an IPv6 address, a network a /24 or a /48.
    """

    seconds: float = 60.0
    connections_per_address: int = 600
    connections_per_network: int = 3_000
    messages_per_address: int = 1_200
    messages_per_network: int = 6_000
    messages_per_sender: int = 600
    recipients_per_address: int = 6_000
    recipients_per_network: int = 30_000
    recipients_per_sender: int = 3_000
    errors_per_address: int = 120
    errors_per_network: int = 600
    greeting: float = 0.2
    """Seconds that a stranger waits for the greeting of a server; whoever speaks first is a bot."""
    tarpit_after: int = 5
    """Unknown recipients of an address that are refused at once; one is forgotten in a window's
    part, or `FORGETFULNESS` times ``tarpit_longest`` where that is more."""
    tarpit_longest: float = 10.0
    """Seconds before the refusal of one more, at most; 0 for no delay at all."""
    tarpit_sessions: int = 100
    """Sessions of a process that wait so; others are sent away with 421."""
    unlimited: Sequence[str] = ()
    """Networks that are no strangers."""


class Strangers:
    """Counts for all strangers. ``clock`` gives seconds and never goes back."""

    def __init__(self, limits: StrangerLimits, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.waiting = 0
        """Sessions in the tarpit."""
        self.by_address = {what: Rate(0, 1.0) for what in ("connections", *_COUNTED, "errors")}
        self.by_network = {what: Rate(0, 1.0) for what in ("connections", *_COUNTED, "errors")}
        self.by_sender = {what: Rate(0, 1.0) for what in _COUNTED}
        self.unknown = Rate(0, 1.0)
        self.adjust(limits)

    def adjust(self, limits: StrangerLimits) -> None:
        """Use other limits from now on; what was counted stays. Raises ValueError."""
        self._known = [ipaddress.ip_network(network) for network in limits.unlimited]
        self._is_known = lru_cache(REMEMBERED)(self._find_known)
        self.limits = limits
        for rates, per in (
            (self.by_address, "address"),
            (self.by_network, "network"),
            (self.by_sender, "sender"),
        ):
            for what, rate in rates.items():
                rate.limit = getattr(limits, f"{what}_per_{per}")
                rate.seconds = limits.seconds
        self.unknown.limit = limits.tarpit_after + MOST_DOUBLINGS
        # While a guesser waits for a no, less than one is forgotten: else no wait would grow.
        kept = FORGETFULNESS * limits.tarpit_longest * self.unknown.limit
        self.unknown.seconds = max(limits.seconds, kept)

    def meet(self, host: str) -> "Stranger | None":
        """Who a peer is to be counted as; None for those who are no strangers."""
        return None if self._is_known(host) else Stranger(self, host)

    def _find_known(self, host: str) -> bool:
        if is_loopback(host):
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._known)


_COUNTED = ("messages", "recipients")


class Stranger:
    """One peer, in the view of the rates. Methods that count return the seconds to wait, 0: none.

    What is refused is not counted.
    """

    __slots__ = ("_address", "_all", "_network")

    def __init__(self, strangers: Strangers, host: str) -> None:
        self._all = strangers
        self._address = peer_network(host)
        self._network = wide_network(host)

    @property
    def greeting(self) -> float:
        """Seconds to wait before the greeting."""
        return self._all.limits.greeting

    def connected(self) -> float:
        """One more connection, if too many errors did not come before."""
        now = self._all.clock()
        wait = max(
            self._all.by_address["errors"].wait(now, self._address),
            self._all.by_network["errors"].wait(now, self._network),
        )
        if wait:
            LIMITED.labels("errors").inc()
            return wait
        return self._take("connections", "")

    def message(self, sender: str) -> float:
        """One more message of a sender; "" is the null sender, whom nobody counts."""
        return self._take("messages", sender)

    def name(self, address: str) -> str:
        """What an address that nobody has proved to be theirs counts as: here it is, there not.

        Else anybody could use up what another network's sender may send.
        """
        return f"{self._network} {address.casefold()}" if address else ""

    def recipient(self, sender: str) -> float:
        """One more recipient of a message of a sender."""
        return self._take("recipients", sender)

    def erred(self) -> bool:
        """One more refusal; whether there were too many."""
        now = self._all.clock()
        address, network = self._all.by_address["errors"], self._all.by_network["errors"]
        address.add(now, self._address)
        network.add(now, self._network)
        return bool(address.wait(now, self._address) or network.wait(now, self._network))

    @contextmanager
    def tarpit(self) -> Iterator[float | None]:
        """Holds a place in the tarpit; seconds to wait there, 0 for none, None without a place."""
        limits, now = self._all.limits, self._all.clock()
        self._all.unknown.add(now, self._address)
        beyond = int(self._all.unknown.level(now, self._address) + 0.5) - limits.tarpit_after
        if beyond <= 0 or not limits.tarpit_longest:
            yield 0.0
        elif self._all.waiting >= limits.tarpit_sessions:
            LIMITED.labels("unknown").inc()
            yield None
        else:
            self._all.waiting += 1
            TARPITTED.inc()
            try:
                yield min(2.0 ** min(beyond - 1, MOST_DOUBLINGS), limits.tarpit_longest)
            finally:
                self._all.waiting -= 1
                TARPITTED.dec()

    def _take(self, what: str, sender: str) -> float:
        now = self._all.clock()
        rates = [
            (self._all.by_address[what], self._address),
            (self._all.by_network[what], self._network),
        ]
        if sender:
            rates.append((self._all.by_sender[what], sender))
        wait = max(rate.wait(now, key) for rate, key in rates)
        if wait:
            LIMITED.labels(what).inc()
            return wait
        for rate, key in rates:
            rate.add(now, key)
        return 0.0


def wide_network(host: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 address, else the name itself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    bits = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
