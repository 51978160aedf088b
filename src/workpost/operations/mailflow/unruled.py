"""Organizations and mailboxes that are remembered to have no rules, so that nobody asks each time.

Only what people send within such an organization goes by it. The transaction that accepts the
message looks itself (`delivery.deliver`, `unruled`) and refuses with StaleGrant where somebody has
made a rule meanwhile; whoever hears that forgets, and asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from weakref import WeakKeyDictionary

from workpost.domain.directory.routing import Expansion
from workpost.store.core import Core
from workpost.store.database.store import Store
from workpost.store.tables.in_force import MOST, InForce

KNOWN = 20_000
"""Organizations and mailboxes that a process remembers."""

_known: WeakKeyDictionary[Store, OrderedDict[Hashable, None]] = WeakKeyDictionary()


def recall(core: Core, home: str, routed: Expansion) -> InForce | None:
    """What is in force for mail of `home`, where that is remembered to be nothing at all."""
    known = _known.get(core.store)
    if known is None or home not in known or routed.forwards or len(routed.local) > MOST:
        return None
    for one in routed.local:
        if one.mailbox not in known or one.organization != home:
            return None
    return InForce(plain=frozenset([one.mailbox for one in routed.local]))


def remember(core: Core, home: str, found: InForce) -> None:
    """Keep what was read just now, if there is nothing in it."""
    if found.policies:
        return
    known = _known.setdefault(core.store, OrderedDict())
    for key in (home, *found.plain):
        known[key] = None
    while len(known) > KNOWN:
        known.popitem(last=False)


def forget(core: Core, home: str) -> None:
    """The transaction has found other than was remembered, or other grants: ask next time."""
    known = _known.get(core.store)
    if known is not None:
        known.pop(home, None)
