"""The step of journaling: one report of each message in or out, for who wants it.

The report is written in the transaction of its message, so there is exactly one. It is sent under
the address that is to hear of failures, to whom reports about it go by themselves; no rule sees it,
and it is not journaled itself, not even when an archive sends it back as it was: its Message-ID
proves what it holds (`journal_marks`). What else comes of a report, a bounce or an answer, is
journaled as all mail is, until that goes in a circle: then a last report goes to who hears of
failures.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.return_path import forwarding_domain
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.domain.organizations.journaling import AUTHOR
from workpost.formats.addresses import ascii_domain, fold
from workpost.formats.mime.journal import Recipient, compose_journal
from workpost.kernel.logging import logger
from workpost.operations.mailflow import journal_marks, placing, routes, trace
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.journal_marks import Cause
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent

INITIATED = "JOURNALING_INITIATED"
log = logger("mailflow")


async def journal(
    core: Core,
    message: Message,
    ruled: Ruled,
    *,
    because: Message | None = None,
    direct: int | None = None,
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The reports of a message with their events. Raises KeyDestroyed, TryLater.

    `because` is the message of which this one comes without quoting it: the reports on the way to
    that one count here, too. `direct`: see `placing.make_outgoing`.
    """
    also: list[Outgoing] = []
    events: list[NewEvent] = []
    for organization, policy in sorted(ruled.policies.items()):
        if not policy.journal:
            continue
        cause = await _cause(core, organization, message)
        if cause.report and organization != ruled.home:
            continue
        if because is not None:
            before = (await _cause(core, organization, because)).before
            cause = msgspec.structs.replace(cause, before=max(cause.before, before))
        if cause.before > journal_marks.MOST:
            log.warning("journal reports go in a circle", organization=organization)
            continue
        # A circle leads through the archive.
        to = policy.fallback if cause.before == journal_marks.MOST else policy.journal
        recipients = _recipients(message, ruled, organization)
        reports, told = await _report(
            core,
            message,
            organization,
            policy.fallback,
            to,
            recipients,
            before=cause.before,
            direct=direct,
        )
        also += reports
        events += told
        more = {
            "journalingAddress": to,
            "recipients": [address for _, address in recipients],
        }
        events.append(
            await trace.make_event(
                core,
                organization,
                INITIATED,
                message.stamped,
                message.envelope,
                message.summary,
                "",
                more=more,
            )
        )
    return also, events


async def _cause(core: Core, organization: str, message: Message) -> Cause:
    return await journal_marks.cause_of(
        core, organization, message.stamped.raw, message.summary.message_id
    )


def _recipients(message: Message, ruled: Ruled, organization: str) -> list[Recipient]:
    """Whom the message is for, as far as it is the organization's to know.

    The sender's own knows all of them; a receiver only its people.
    """
    summary = message.summary
    fields = (("To", summary.to), ("Cc", summary.cc), ("Bcc", summary.bcc))
    named = {fold(address): field for field, people in reversed(fields) for _, address in people}
    outgoing = organization == ruled.home
    found = []
    for address in message.envelope.recipients:
        folded = fold(address)
        if outgoing or ruled.owners.get(folded) == organization:
            found.append((named.get(folded, "Bcc" if outgoing else "Recipient"), address))
    return found


async def _report(
    core: Core,
    message: Message,
    organization: str,
    sender: str,
    to: str,
    recipients: list[Recipient],
    *,
    before: int,
    direct: int | None,
) -> tuple[list[Outgoing], list[NewEvent]]:
    domain = await core.store.read(forwarding_domain, organization=organization, by="")
    blank = core.env.new_hex()
    unmarked = _compose(core, message, domain or core.settings.host_name, to, recipients, blank)
    text = await journal_marks.mark(core, organization, before, unmarked, blank)
    envelope = Envelope(
        sender=sender,
        recipients=[to],
        helo=core.settings.host_name,
        smtputf8=not text.partition(b"\r\n\r\n")[0].isascii(),
        body="7BIT" if text.isascii() else "8BITMIME",
    )
    stamped = trace.stamp(core, envelope, text)
    made = await placing.place(core, envelope, stamped, await summary_of(stamped.raw))
    routed = await expand_envelope(core, envelope.recipients, Origin(trusted=True))
    also, events = await routes.reports(
        core, organization, made, routed, inside=False, direct=direct
    )
    also.append(
        await placing.make_outgoing(
            core, made, routed, home=organization, direction="report", direct=direct
        )
    )
    return also, events


def _compose(
    core: Core,
    message: Message,
    domain: str,
    to: str,
    recipients: list[Recipient],
    blank: str,
) -> bytes:
    summary = message.summary
    author = summary.from_[0][1] if summary.from_ else message.envelope.sender
    sender = summary.sender[0][1] if summary.sender else author
    return compose_journal(
        from_=f"{AUTHOR}@{ascii_domain(domain)}",
        to=to,
        epoch=core.env.now() / 1000,
        message_id=f"{blank}@{core.settings.host_name}",
        sender=sender,
        on_behalf=author if fold(author) != fold(sender) else "",
        subject=summary.subject,
        original_id=summary.message_id,
        recipients=recipients,
        original=message.stamped.raw[message.stamped.skip :],
    )
