"""The step of the pipeline that says where a message goes, and what becomes of each recipient."""

from __future__ import annotations

from collections.abc import Iterator

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, lookup_address
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.formats.addresses import fold
from workpost.kernel.errors import MailLoop, SenderNotAllowed, UnknownRecipient
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import bounces, forwarding
from workpost.operations.mailflow.bounces import GivenUp
from workpost.operations.mailflow.entries import Message, stored_envelope
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.reports import About
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

Results = dict[str, dict[str, int]]
"""By recipient, how many of the people behind it got the message in which way."""

HERE, OUTSIDE, FORWARDED = "local", "outside", "forwarded"
UNKNOWN, REFUSED, EMPTY = "unknown", "refused", "empty"
"""The ways; `empty` is a group that reaches nobody."""

GONE = ("5.1.1", "Nobody receives mail under this address any more.")
CLOSED = ("5.7.1", "The group does not take mail from you.")


def check_hops(core: Core, raw: bytes) -> None:
    """Refuse what has come through more hosts than any way has. Raises MailLoop (RFC 5321 6.3)."""
    most = core.settings.limits.hops
    if forwarding.count_hops(raw) > most:
        raise MailLoop(f"The message has passed more than {most} hosts: it is in a loop.")


def origin_of(grant: Grant | None, envelope: Envelope, raw: bytes) -> Origin:
    """What routing has to know of whoever sends a message."""
    header = forwarding.header_of(raw)
    return Origin(
        organization=grant.organization if grant is not None else "",
        entity=grant.entity if grant is not None else "",
        automatic=not envelope.sender or forwarding.is_answer(header),
        passed=forwarding.passed(header),
    )


async def route(core: Core, envelope: Envelope, origin: Origin) -> Expansion:
    """Where the message goes.

    Raises UnknownRecipient and SenderNotAllowed (the groups do not take mail from the sender) when
    that is nowhere; who went away since RCPT TO is told of otherwise (`reports`).
    """
    routed = await expand_envelope(core, envelope.recipients, origin)
    if routed.reaches:
        return routed
    if routed.refused:
        raise SenderNotAllowed(f"The group <{routed.refused[0].group}> takes no mail from you.")
    if routed.unknown:
        raise UnknownRecipient(f"Nobody here receives mail as <{routed.unknown[0]}>.")
    return routed


async def route_each(core: Core, envelope: Envelope, raw: bytes) -> tuple[Expansion, set[int]]:
    """Where a message from outside goes now, and who of its recipients, by index, is there no more.

    For LMTP, which answers for each recipient (RFC 2033 4.2).
    """
    routed = await expand_envelope(core, envelope.recipients, origin_of(None, envelope, raw))
    unknown = set(routed.unknown)
    folds = [fold(address) for address in envelope.recipients]
    return routed, {number for number, each in enumerate(folds) if each in unknown}


async def organizations_of(core: Core, routed: Expansion) -> list[str]:
    """The organizations that a message from outside concerns, empty groups' among them."""
    concerned = {one.organization for one in routed.local}
    concerned.update(one.organization for one in routed.forwards)
    for group in routed.empty:
        holder = await core.store.read(lookup_address, addr_fold=group)
        if holder is not None:
            concerned.add(holder.org)
    return sorted(concerned)


def results_of(routed: Expansion, organization: str, *, sent: bool) -> Results:
    """What an organization's event tells of each recipient.

    Of people and groups of another organization its sender (`sent`) hears that it has them, and a
    receiver nothing.
    """
    results: Results = {}
    for rcpt, owner, way in _ways(routed):
        if owner in ("", organization):
            ways = results.setdefault(rcpt, {})
            ways[way] = ways.get(way, 0) + 1
        elif sent:
            results.setdefault(rcpt, {})[HERE] = 1
    return results


def _ways(routed: Expansion) -> Iterator[tuple[str, str, str]]:
    """(recipient, organization or "", way) of everyone."""
    for local in routed.local:
        yield local.rcpt, local.organization, HERE
    for forward in routed.forwards:
        yield forward.rcpt, forward.organization, FORWARDED
    for refusal in routed.refused:
        yield refusal.rcpt, refusal.organization, REFUSED
    for rcpts, way in ((routed.external, OUTSIDE), (routed.unknown, UNKNOWN)):
        for rcpt in rcpts:
            yield rcpt, "", way
    for rcpt in routed.empty:
        yield rcpt, "", EMPTY


async def reports(
    core: Core, organization: str, message: Message, routed: Expansion, *, inside: bool
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The report and events about recipients who are lost between RCPT TO and now.

    A sender here (`inside`) also hears of groups within a group that take no mail from it. A
    stranger does not: that would tell forged senders, and of what the group is made.
    """
    lost = [GivenUp(rcpt, *GONE) for rcpt in routed.unknown]
    if inside and routed.refused:
        lost += [GivenUp(one.group, *CLOSED) for one in routed.refused]
    if not lost:
        return [], []
    about = About(
        organization=organization,
        envelope=stored_envelope(message),
        raw=message.stamped.raw,
        summary=message.summary,
        arrival=message.received,
    )
    report, events = await bounces.give_up(core, about, lost)
    return [report] if report is not None else [], events
