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
from workpost.domain.directory.return_path import open_return
from workpost.domain.directory.routing import (
    POSTMASTER,
    Expansion,
    find_recipient,
    is_local_domain,
)
from workpost.domain.directory.walking import EVERYONE, MEMBERS, may_write
from workpost.domain.messages import delivery
from workpost.formats.addresses import fold, split
from workpost.formats.srs import is_srs
from workpost.kernel.errors import (
    AccessDenied,
    QuotaExceeded,
    SenderNotAllowed,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow.trace import seal_event
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

REFUSED = "GROUP_SENDER_REFUSED"
QUIET = 60.0
"""Seconds for which the same refusal is not recorded again."""

_Asked = tuple[str, int, str]
_known: WeakKeyDictionary[Store, OrderedDict[_Asked, Accepted]] = WeakKeyDictionary()
_told: WeakKeyDictionary[Store, OrderedDict[tuple[str, str, str], float]] = WeakKeyDictionary()


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
    for one elsewhere when the sender did not log in (no relaying), SenderNotAllowed for a group
    that takes no mail from the sender, QuotaExceeded for a full mailbox when the sender is another
    server, who will come again.
    """
    folded = fold(address)
    if grant is not None and (known := _recall(core, grant, folded)) is not None:
        return known
    if is_srs(address) and await open_return(core, address) is not None:
        return Accepted(folded, None, core.env.monotonic())
    holder, local = await core.store.read(find_recipient, addr_fold=folded)
    if holder is not None:
        if not holder.takes(size) and not inside:
            raise QuotaExceeded(f"The mailbox of <{address}> is full.")
        await _check_group(core, holder, address, grant)
        stays = holder.kind != GROUP and not holder.forward
        accepted = Accepted(folded, holder if stays else None, core.env.monotonic())
        # What members may, not everybody may for whom it would be remembered.
        if grant is not None and holder.org == grant.organization and holder.senders != MEMBERS:
            _remember(core, grant, accepted)
        return accepted
    if "@" not in address:
        raise UnknownRecipient(f"Which domain does <{address}> belong to?")
    if local:
        raise UnknownRecipient(f"Nobody here receives mail as <{address}>.")
    if not inside:
        raise AccessDenied("Relaying is not allowed; log in at the submission port.")
    return Accepted(folded, None, core.env.monotonic())


async def is_postmaster(core: Core, address: str) -> bool:
    """Whether an address is postmaster@ this server's own name, from which it writes reports.

    That is the `postmaster` without a domain (RFC 5321 4.5.1), unless the name is a mail domain
    here: then it is an address like others.
    """
    if address.isascii() and POSTMASTER not in address.lower():
        return False
    local, domain = split(fold(address))
    if local != POSTMASTER or domain != fold(core.settings.host_name):
        return False
    return not await core.store.read(is_local_domain, domain=domain)


async def _check_group(core: Core, holder: HolderRow, address: str, grant: Grant | None) -> None:
    """Raise SenderNotAllowed where a group takes no mail from the sender."""
    if holder.kind != GROUP or holder.senders == EVERYONE:
        return
    organization, entity = (grant.organization, grant.entity) if grant is not None else ("", "")
    if not await core.store.read(may_write, group=holder, organization=organization, entity=entity):
        await _tell(core, holder, entity)
        raise SenderNotAllowed(f"The group <{address}> takes no mail from you.")


async def _tell(core: Core, group: HolderRow, entity: str) -> None:
    """Record who was refused: a person, or strangers as one, once in `QUIET` seconds."""
    now = core.env.monotonic()
    told = _told.setdefault(core.store, OrderedDict())
    who = (group.org, group.entity, entity)
    if told.get(who, now - QUIET) > now - QUIET:
        return
    told[who] = now
    told.move_to_end(who)
    if len(told) > KNOWN:
        told.popitem(last=False)
    story = {"group": group.address, "senders": group.senders, "actor": entity}
    event = await seal_event(core, group.org, REFUSED, story)
    await core.store.write_background(delivery.record, events=[event])


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
