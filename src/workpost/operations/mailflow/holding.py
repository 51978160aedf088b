"""Mail that waits for the function of a Run Lambda rule, and mail that functions are told of.

One queue entry for each organization, direction and rule: its one row holds all recipients whom the
rule matches. Where the rule is synchronous they get the message when the function has answered
(`releasing`); where it is asynchronous the entry only invokes the function.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.domain.messages.delivery import Outgoing, Queued
from workpost.domain.organizations.flow_rules import INBOUND, LAMBDA, OUTBOUND, Match
from workpost.formats.addresses import fold
from workpost.formats.flow_functions import SUBJECT
from workpost.formats.mime.summary import Summary
from workpost.operations.filtering.verdicts import FAIL
from workpost.operations.mailflow.entries import Message, seal_entry, stored_envelope
from workpost.operations.mailflow.envelope import NO_WISH, Held, StoredRecipient
from workpost.operations.mailflow.ruling import Ruled, waits
from workpost.store.core import Core

NO_VERDICTS: Mapping[str, str] = {}
NOBODY: frozenset[str] = frozenset()
MINUTE_MS = 60_000


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message beside what the rules say; fields as in `envelope.Held`.

    `spam` has the verdict for each organization, `quarantined` those whom DMARC tells to take it
    into Junk E-mail. `others`, `apart` and `concerned` are of a message that has waited before.
    `charged` as in `envelope.Held`.
    """

    submitter: str = ""
    spam: Mapping[str, str] = NO_VERDICTS
    quarantined: frozenset[str] = NOBODY
    redirects: bool = True
    proven: bool = True
    others: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    concerned: tuple[str, ...] = ()
    charged: tuple[str, ...] = ()


class _Group(msgspec.Struct):
    """Recipients, folded, whom one rule of an organization matches."""

    organization: str
    direction: str
    match: Match
    recipients: set[str]


async def hold(
    core: Core,
    message: Message,
    ruled: Ruled,
    made: Outgoing,
    known: Known,
    *,
    hold_until: int | None = None,
) -> Outgoing:
    """`made` with the entries of functions added. Raises KeyDestroyed, TryLater.

    With `hold_until`, in milliseconds, no function hears of the message before then.
    """
    groups = _groups(ruled)
    if not groups:
        return made
    queued = [await _entry(core, message, ruled, known, group, hold_until) for group in groups]
    return msgspec.structs.replace(made, queued=[*made.queued, *queued])


def _groups(ruled: Ruled) -> list[_Group]:
    found: dict[tuple[str, str, str], _Group] = {}
    for direction, matches in ((OUTBOUND, ruled.outbound), (INBOUND, ruled.inbound)):
        for rcpt, match in matches.items():
            if match.rule.action.type == LAMBDA:
                org = ruled.home if direction == OUTBOUND else ruled.owners[rcpt]
                group = found.setdefault(
                    (org, direction, match.id), _Group(org, direction, match, set())
                )
                group.recipients.add(rcpt)
    return [found[key] for key in sorted(found)]


async def _entry(
    core: Core,
    message: Message,
    ruled: Ruled,
    known: Known,
    group: _Group,
    hold_until: int | None,
) -> Queued:
    wishes = {fold(one): wish for one, wish in message.envelope.wishes.items()}
    written = {fold(one): one for one in message.envelope.recipients}
    people = [
        StoredRecipient(address, wish=wishes.get(folded, NO_WISH))
        for folded, address in written.items()
        if folded in group.recipients
    ]
    held = _held(core, message, ruled, known, group, hold_until)
    return await seal_entry(
        core,
        message,
        msgspec.structs.replace(stored_envelope(message), held=held),
        organization=group.organization,
        batches=[people],
        direction="outgoing" if known.submitter else "incoming",
        hold_until=hold_until,
    )


def _held(
    core: Core,
    message: Message,
    ruled: Ruled,
    known: Known,
    group: _Group,
    hold_until: int | None,
) -> Held:
    rule, org = group.match.rule, group.organization
    author, behalf = authors(message.summary)
    due = core.env.now() if hold_until is None else hold_until
    others, apart = _not_asked(message, ruled, known, group)
    held = Held(
        rule=group.match.id,
        name=rule.name,
        direction=group.direction,
        function=rule.action.function,
        asynchronous=rule.action.asynchronous,
        message=core.env.new_uuid(),
        invocation=core.env.new_hex(),
        author=author or message.envelope.sender,
        behalf=behalf,
        subject=message.summary.subject[:SUBJECT],
        submitter=known.submitter,
    )
    if not waits(group.match):
        return held
    return msgspec.structs.replace(
        held,
        fallback=rule.action.fallback,
        deadline=due + rule.action.timeout * MINUTE_MS,
        spam=known.spam.get(org) == FAIL,
        quarantined=org in known.quarantined,
        redirects=known.redirects,
        proven=known.proven,
        others=others,
        apart=apart,
        concerned=tuple(sorted({*known.concerned, *ruled.policies})),
        charged=known.charged,
    )


def _not_asked(
    message: Message, ruled: Ruled, known: Known, group: _Group
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The recipients whom the message reaches now, and those on whom other rules decide."""
    away = ruled.withheld | ruled.held
    others, apart = list(known.others), list(known.apart)
    for address in message.envelope.recipients:
        folded = fold(address)
        concerned = group.direction == OUTBOUND or ruled.owners.get(folded) == group.organization
        if concerned and folded not in group.recipients:
            (apart if folded in away else others).append(address)
    return tuple(dict.fromkeys(others)), tuple(dict.fromkeys(apart))


def authors(summary: Summary) -> tuple[str, str]:
    """The author's address, and who sent on the author's behalf, "" where nobody did."""
    author = summary.from_[0][1] if summary.from_ else ""
    sender = summary.sender[0][1] if summary.sender else ""
    return author, sender if fold(sender) != fold(author) else ""
