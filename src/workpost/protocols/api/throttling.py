"""Token buckets by account and by account and action; off unless the settings say otherwise.

A process counts for itself: each front end allows its share of the settings' rates.
"""

from __future__ import annotations

from collections import OrderedDict

from workpost.kernel.clock import Environment
from workpost.kernel.settings import Settings

MAX_BUCKETS = 10_000


class Buckets:
    """Buckets of one kind, filled at `rate` tokens a second up to `rate * burst`."""

    def __init__(self, burst: float) -> None:
        self._burst = burst
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def level(self, key: tuple[str, str], rate: float, now: float) -> float:
        """How many tokens a bucket holds; a bucket never seen is full."""
        size = max(1.0, rate * self._burst)
        known = self._buckets.get(key)
        if known is None:
            return size
        level, at = known
        return min(size, level + max(0.0, now - at) * rate)

    def put(self, key: tuple[str, str], level: float, now: float) -> None:
        """Remember a level; the bucket longest unused is forgotten above 10,000."""
        self._buckets[key] = (level, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)


class Throttling:
    """Admits calls while both the account's bucket and the action's hold a token."""

    def __init__(self, settings: Settings, environment: Environment) -> None:
        api = settings.api
        share = settings.front_ends
        self._environment = environment
        self._account = api.throttle_account / share
        self._action = api.throttle_action / share
        self._actions = {
            name: rate / share for name, rate in read_rates(api.throttle_actions).items()
        }
        self._buckets = Buckets(api.throttle_burst)

    @property
    def idle(self) -> bool:
        """True when nothing is limited."""
        return not (self._account or self._action or self._actions)

    def admit(self, account: str, action: str) -> bool:
        """Take a token from each bucket of the call; False, and none is taken, if one is empty."""
        now = self._environment.monotonic()
        taken = []
        rates = ((("", account), self._account), ((action, account), self._rate(action)))
        for key, rate in rates:
            if rate:
                level = self._buckets.level(key, rate, now)
                if level < 1.0:
                    return False
                taken.append((key, level - 1.0))
        for key, level in taken:
            self._buckets.put(key, level, now)
        return True

    def _rate(self, action: str) -> float:
        return self._actions.get(action, self._action)


def read_rates(entries: tuple[str, ...]) -> dict[str, float]:
    """Calls a second by action of entries `Action=rate`, whose form the settings have checked."""
    return {name: float(rate) for name, _, rate in (entry.partition("=") for entry in entries)}
