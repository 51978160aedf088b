"""Is a recipient accepted at RCPT TO? One look-up for people who live here (decisions 19).

What that look-up found is good for the message, too, if it follows at once: `remembered` makes the
route of it, so that most messages ask the directory once a recipient. Where people write to each
other as fast as this server can take it, one look-up is good for several messages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import msgspec

from workpost.domain.directory import routing
from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, is_local_domain, lookup_address
from workpost.formats.addresses import fold, split
from workpost.kernel.errors import AccessDenied, QuotaExceeded, UnknownRecipient
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.store import Store
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP

FRESH = 2.0
"""Seconds for which what RCPT TO found holds: as long as a change of access may go unheard."""
AGAIN = 1.0
"""Seconds for which the next RCPT TO takes it, too: the message has as long again to follow."""
KNOWN = 10_000
"""Recipients that a process remembers."""

_Asked = tuple[str, int, str]
_known: WeakKeyDictionary[Store, OrderedDict[_Asked, Accepted]] = WeakKeyDictionary()


class Accepted(msgspec.Struct, frozen=True):
    """A recipient as RCPT TO found it; `holder` is None where the directory must be asked again."""

    folded: str
    holder: HolderRow | None
    at: float


async def check_recipient(
    core: Core, address: str, *, inside: bool, size: int = 0, grant: Grant | None = None
) -> Accepted:
    """Refuse a recipient; `inside` when the sender has logged in, `size` as announced (0: not).

    With the sender's `grant`, a recipient of the same organization who was found just now is not
    looked up again. Raises UnknownRecipient for an address of ours that nobody holds, AccessDenied
    for one elsewhere when the sender did not log in (no relaying), QuotaExceeded for a full mailbox
    when the sender is another server, who will come again.
    """
    folded = fold(address)
    if grant is not None and (known := _recall(core, grant, folded)) is not None:
        return known
    holder = await core.store.read(lookup_address, addr_fold=folded)
    if holder is not None:
        if not holder.takes(size) and not inside:
            raise QuotaExceeded(f"The mailbox of <{address}> is full.")
        person = holder if holder.kind != GROUP else None
        accepted = Accepted(folded, person, core.env.monotonic())
        if grant is not None and holder.org == grant.organization:
            _remember(core, grant, accepted)
        return accepted
    if "@" not in address:
        raise UnknownRecipient(f"Which domain does <{address}> belong to?")
    if await core.store.read(is_local_domain, domain=split(folded)[1]):
        raise UnknownRecipient(f"Nobody here receives mail as <{address}>.")
    if not inside:
        raise AccessDenied("Relaying is not allowed; log in at the submission port.")
    return Accepted(folded, None, core.env.monotonic())


def _recall(core: Core, grant: Grant, folded: str) -> Accepted | None:
    known = _known.get(core.store)
    found = known.get((grant.organization, grant.policy_version, folded)) if known else None
    return found if found is not None and found.at > core.env.monotonic() - AGAIN else None


def _remember(core: Core, grant: Grant, accepted: Accepted) -> None:
    """Keep it under the policy's version.

    Whatever takes an address or a mailbox away raises that, and the transaction that accepts a
    message compares the grant's.
    """
    if not grant.policy_version:
        return
    known = _known.setdefault(core.store, OrderedDict())
    asked = (grant.organization, grant.policy_version, accepted.folded)
    known[asked] = accepted
    known.move_to_end(asked)
    if len(known) > KNOWN:
        known.popitem(last=False)


def remembered(core: Core, recipients: Sequence[object]) -> Expansion | None:
    """The route of recipients who all have mailboxes here and were accepted just now, or None."""
    oldest = core.env.monotonic() - FRESH
    found = []
    for each in recipients:
        if not isinstance(each, Accepted) or each.holder is None or each.at < oldest:
            return None
        found.append((each.folded, each.holder))
    return routing.of_people(found)


async def route_each(core: Core, addresses: Sequence[str]) -> tuple[Expansion, set[int]]:
    """Where a message goes now, and which of its recipients, by index, are there no more."""
    folded = [fold(address) for address in addresses]
    routed = await expand_envelope(core, folded)
    unknown = set(routed.unknown)
    return routed, {number for number, each in enumerate(folded) if each in unknown}
