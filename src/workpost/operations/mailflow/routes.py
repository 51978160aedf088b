"""The step of the pipeline that says where a message goes, and what becomes of each recipient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion
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


def check_hops(core: Core, header: bytes) -> None:
    """Refuse what has come through more hosts than any way has; `header` is in lower case.

    Raises MailLoop (RFC 5321 6.3).
    """
    most = core.settings.limits.hops
    if forwarding.count_hops(header) > most:
        raise MailLoop(f"The message has passed more than {most} hosts: it is in a loop.")


def origin_of(
    grant: Grant | None,
    envelope: Envelope,
    header: bytes,
    *,
    forwards: bool = True,
    keepers: frozenset[str] = frozenset(),
) -> Origin:
    """What routing has to know of whoever sends a message; `header` is in lower case.

    Without `forwards` nobody sends it on, nor do people of the organizations of `keepers`.
    """
    return Origin(
        organization=grant.organization if grant is not None else "",
        entity=grant.entity if grant is not None else "",
        automatic=not forwards or not envelope.sender or forwarding.is_answer(header),
        passed=forwarding.passed(header),
        keepers=keepers,
    )


async def route(core: Core, envelope: Envelope, origin: Origin) -> Expansion:
    """Where the message goes.

    Raises UnknownRecipient and SenderNotAllowed (the groups do not take mail from the sender) when
    that is nowhere; who went away since RCPT TO is told of otherwise (`reports`).
    """
    routed = await expand(core, envelope.recipients, origin)
    if routed.reaches:
        return routed
    if routed.refused:
        raise SenderNotAllowed(f"The group <{routed.refused[0].group}> takes no mail from you.")
    if routed.unknown:
        raise UnknownRecipient(f"Nobody here receives mail as <{routed.unknown[0]}>.")
    return routed


async def expand(core: Core, recipients: Sequence[str], origin: Origin) -> Expansion:
    """Where a message to these recipients goes; it may be nowhere."""
    routed = await expand_envelope(core, recipients, origin)
    return routed if origin.organization else _at_home(routed)


async def route_each(
    core: Core, envelope: Envelope, raw: bytes
) -> tuple[Envelope, Expansion, set[int]]:
    """Where a message from outside goes now, and who of its recipients, by index, is there no more.

    For LMTP, which answers for each recipient (RFC 2033 4.2): whoever is refused so is out of the
    envelope, and no report tells the sender of them again.
    """
    origin = origin_of(None, envelope, forwarding.lower_header(raw))
    routed = _at_home(await expand_envelope(core, envelope.recipients, origin))
    unknown = set(routed.unknown)
    unknown.update(_shut_out(routed))
    folds = [fold(address) for address in envelope.recipients]
    gone = {number for number, each in enumerate(folds) if each in unknown}
    left = [one for number, one in enumerate(envelope.recipients) if number not in gone]
    wishes = {one: wish for one, wish in envelope.wishes.items() if fold(one) not in unknown}
    kept = msgspec.structs.replace(envelope, recipients=left, wishes=wishes)
    refused = [one for one in routed.refused if one.rcpt not in unknown]
    return kept, msgspec.structs.replace(routed, unknown=[], refused=refused), gone


def _at_home(routed: Expansion) -> Expansion:
    """The way of a stranger's message: a domain that went away since RCPT TO makes us no relay."""
    if not routed.external:
        return routed
    unknown = [*routed.unknown, *routed.external]
    return msgspec.structs.replace(routed, external=[], unknown=unknown)


def _shut_out(routed: Expansion) -> list[str]:
    """The recipients of whom a group that takes no mail from the sender is all there is."""
    if not routed.refused:
        return []
    reached = {one.rcpt for one in routed.local} | {one.rcpt for one in routed.forwards}
    return list(dict.fromkeys(one.rcpt for one in routed.refused if one.rcpt not in reached))


def organizations_of(routed: Expansion) -> list[str]:
    """The organizations that a message from outside concerns, empty groups' among them."""
    concerned = {one.organization for one in routed.local}
    if len(concerned) == 1 and not routed.forwards and not routed.empty:
        return list(concerned)
    concerned.update(one.organization for one in routed.forwards)
    concerned.update(routed.owners[group] for group in routed.empty)
    return sorted(concerned)


def results_of(routed: Expansion, organization: str, *, sent: bool) -> Results:
    """What an organization's event tells of each recipient.

    Of people and groups of another organization its sender (`sent`) hears that it has them, and a
    receiver nothing; nor does a receiver hear of the unknown who may have been another's.
    """
    results: Results = {}
    alone = sent or len(organizations_of(routed)) < 2
    for rcpt, owner, way in _ways(routed):
        if owner == organization or (not owner and alone):
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
    for rcpt in routed.external:
        yield rcpt, "", OUTSIDE
    for rcpts, way in ((routed.unknown, UNKNOWN), (routed.empty, EMPTY)):
        for rcpt in rcpts:
            yield rcpt, routed.owners.get(rcpt, ""), way


async def reports(
    core: Core,
    organization: str,
    message: Message,
    routed: Expansion,
    *,
    inside: bool,
    direct: int | None = None,
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The report and events about recipients who are lost between RCPT TO and now.

    A sender here (`inside`) also hears of groups within a group that take no mail from it. A
    stranger, or a sender in another organization, does not: that would tell forged senders, and of
    what the group is made; they hear of the recipient they wrote to, if nobody else is behind it.
    `direct`: see `placing.make_outgoing`.
    """
    if not routed.unknown and not routed.refused:
        return [], []
    lost = [GivenUp(rcpt, *GONE) for rcpt in routed.unknown]
    own = {
        one.group: one.rcpt for one in routed.refused if inside and one.organization == organization
    }
    told = set(own.values())
    closed = [*own, *(rcpt for rcpt in _shut_out(routed) if rcpt not in told)]
    lost += [GivenUp(address, *CLOSED) for address in closed]
    if not lost:
        return [], []
    about = About(
        organization=organization,
        envelope=stored_envelope(message),
        raw=message.stamped.raw,
        summary=message.summary,
        arrival=message.received,
    )
    report, events = await bounces.give_up(core, about, lost, direct=direct)
    return [report] if report is not None else [], events
