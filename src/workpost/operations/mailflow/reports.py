"""Reports to senders: what became of a message, in words first and in the fields of RFC 3464 after.

A report comes from the null sender, is itself reported to nobody (RFC 5321 6.1), and is routed like
other mail: to a sender here into the mailbox, to one elsewhere through the queue. Whoever makes it
writes it in the transaction that it tells of, so it is sent exactly once. What a sender wants to
hear is in the wishes of RFC 3461.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.errors import MessageError

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import split
from workpost.formats.dates import format_date
from workpost.formats.mime.report import (
    ReportRecipient,
    compose_report,
    fits_whole,
    report_fields,
)
from workpost.formats.mime.summary import Summary
from workpost.kernel import metrics
from workpost.operations.mailflow import placing, trace
from workpost.operations.mailflow.envelope import NO_WISH, Envelope, StoredEnvelope, Wish
from workpost.store.core import Core

FAILED = "failed"
DELAYED = "delayed"
DELIVERED = "delivered"
RELAYED = "relayed"
EXPANDED = "expanded"

MAX_HEADER = 32 * 1024
"""Bytes of the original header that a report shows."""
MAX_WHOLE = 10 * 1024 * 1024
"""Bytes of a message that is returned whole because its sender asked for that."""
USUAL_WHOLE = 1024 * 1024
"""Bytes of a message that is returned whole to a sender here who asked for nothing."""
MAX_SUBJECT = 100

SENT = "sent"
NULL_SENDER = "none: the message came from the null sender"
FORGED = "none: the sender's address is most likely forged"
NOBODY = "none: the sender's address leads to nobody"
UNFIT = "none: the sender's address fits in no report"
UNWANTED = "none: the sender asked not to hear of it"

_KINDS = {FAILED: "Failure", DELAYED: "Delay"}
_SUCCESS = "Success"

REPORTS = metrics.counter(
    "workpost_mail_reports_total", "Delivery reports made, by what they tell.", "kind"
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient of a report.

    `reason` and `advice` are for people; `reply` is what the server `host` said, if one said
    anything.
    """

    address: str
    action: str
    status: str
    reason: str
    advice: str = ""
    reply: str = ""
    host: str = ""
    wish: Wish = NO_WISH


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The message that a report is about; times in milliseconds."""

    organization: str
    envelope: StoredEnvelope
    raw: bytes
    summary: Summary
    arrival: int
    retry_until: int = 0
    """Of recipients who are late: until when they are tried."""
    domain: str = ""
    """Of the report's author, where that is one of ours; else the domain of a sender here, who can
    answer there, else this server's name."""


async def make_report(
    core: Core, about: About, told: Sequence[Told], *, direct: int | None = None
) -> tuple[Outgoing | None, dict[str, str]]:
    """A report on recipients with one kind of action, None when nobody is to hear of it.

    Also says, by address, what became of the telling. `direct`: see `placing.make_outgoing`.
    Whoever forges a sender must not make us write to the owner of the address.
    """
    sender = about.envelope.sender
    if not sender or not told:
        return None, {one.address: NULL_SENDER for one in told}
    if about.envelope.forged:
        return None, {one.address: FORGED for one in told}
    routed = await expand_envelope(core, [sender], Origin(trusted=True, automatic=True))
    here = bool(routed.local)
    wanted = [one for one in told if _wants(one, here=here)]
    outcome = {one.address: UNWANTED for one in told}
    if not wanted:
        return None, outcome
    made, said = None, NOBODY
    if here or routed.external or routed.forwards:
        try:
            text = _compose(core, about, wanted, here=here)
        except (ValueError, MessageError):
            said = UNFIT
        else:
            route = Envelope(
                sender="",
                recipients=[sender],
                helo=core.settings.host_name,
                smtputf8=not sender.isascii(),
                body="7BIT" if text.isascii() else "8BITMIME",
                requiretls=about.envelope.requiretls,
            )
            stamped = trace.stamp(core, route, text)
            message = await placing.place(core, route, stamped, await summary_of(stamped.raw))
            made = await placing.make_outgoing(
                core, message, routed, home=about.organization, direction="report", direct=direct
            )
            said = SENT
            REPORTS.labels(told[0].action).inc()
    return made, outcome | {one.address: said for one in wanted}


def _wants(one: Told, *, here: bool) -> bool:
    """RFC 3461 4.1. Who asked for nothing hears of failures; of delays only those who live here."""
    notify = one.wish.notify
    if one.action == FAILED:
        return not notify or "FAILURE" in notify
    if one.action == DELAYED:
        return "DELAY" in notify or (not notify and here)
    return "SUCCESS" in notify


def _compose(core: Core, about: About, told: Sequence[Told], *, here: bool) -> bytes:
    host = core.settings.host_name
    author = about.domain or (split(about.envelope.sender)[1] if here else host)
    now = core.env.now() / 1000
    action = told[0].action
    recipients = [
        ReportRecipient(
            address=one.address,
            action=one.action,
            status=one.status,
            diagnostic=one.reply,
            remote=one.host,
            original=one.wish.orcpt,
            last_attempt=now,
            retry_until=about.retry_until / 1000 if one.action == DELAYED else 0,
        )
        for one in told
    ]
    original, whole = _returned(about, action, here=here)
    fields = report_fields(host, recipients, about.envelope.envid, about.arrival / 1000)
    subject = about.summary.subject[:MAX_SUBJECT]
    kind = _KINDS.get(action, _SUCCESS)
    return compose_report(
        from_=("Mail delivery", f"postmaster@{author}"),
        to=about.envelope.sender,
        subject=f"Delivery Status Notification ({kind}){': ' * bool(subject)}{subject}",
        epoch=now,
        message_id=f"{core.env.new_id():016x}@{host}",
        text=f"{_words(about, told)}\nTechnical report:\n\n{fields}\n",
        reporting_mta=host,
        recipients=recipients,
        original=original,
        whole=whole,
        envid=about.envelope.envid,
        arrival=about.arrival / 1000,
        references=about.summary.message_id,
    )


def _returned(about: About, action: str, *, here: bool) -> tuple[bytes, bool]:
    """What the report returns, and whether that is the whole message (RFC 3461 4.3).

    Only failures return it whole: to who asked for that, and to those here who asked for nothing. A
    sender elsewhere who asked for nothing may not be who sent it, and gets the header. So does who
    wanted TLS all the way, whatever was asked: the way back may have none (RFC 8689 5).
    """
    raw, skip = about.raw, about.envelope.skip
    most = MAX_WHOLE if about.envelope.ret == "FULL" else USUAL_WHOLE
    asked = about.envelope.ret == "FULL" or (not about.envelope.ret and here)
    asked = asked and not about.envelope.requiretls
    if action == FAILED and asked and len(raw) <= most and fits_whole(raw):
        return raw[skip:], True
    header = raw[skip : about.summary.header_end][:MAX_HEADER]
    return (header if fits_whole(header) else b""), False


_OPENINGS = {
    FAILED: "Your message was not delivered to:",
    DELAYED: "Your message has not been delivered yet to:",
    DELIVERED: "Your message was delivered to:",
    RELAYED: "Your message was handed over to the mail server of:",
    EXPANDED: "Your message was delivered to the members of:",
}
_CLOSINGS = {
    FAILED: "It will not be tried again.",
    DELIVERED: "You asked to be told.",
    RELAYED: "You asked to be told. That server does not confirm deliveries, so there will be no"
    " further notice unless it fails.",
    EXPANDED: "You asked to be told. There is no notice for each of them.",
}


def _words(about: About, told: Sequence[Told]) -> str:
    action = told[0].action
    lines = [_OPENINGS[action], ""]
    for one in told:
        lines.append(f"  {one.address}: {one.reason}")
        if one.advice:
            lines.append(f"    {one.advice}")
        if one.reply:
            lines.append(f"    {one.host or 'The server'} said: {one.reply}")
        lines.append("")
    if action == DELAYED:
        until = format_date(about.retry_until / 1000)
        lines.append(f"It is tried again until {until}. You need not send it again.")
    else:
        lines.append(_CLOSINGS[action])
    lines += ["", f"Subject: {about.summary.subject[:MAX_SUBJECT]}"]
    lines.append(f"Sent: {format_date(about.arrival / 1000)}")
    lines.append(f"For questions to your administrator: {about.envelope.trace}")
    return "\n".join(" ".join(line.split("\n")) for line in lines) + "\n"
