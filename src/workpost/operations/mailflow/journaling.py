"""The step of journaling: one report of each message in or out, for who wants it.

The report is written in the transaction of its message, so there is exactly one. It is sent under
the address that is to hear of failures, to whom reports about it go by themselves; no rule sees it,
and it is not journaled itself, not even when an archive sends it back: its Message-ID proves whose
it is.
"""

from __future__ import annotations

import hmac
import re

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.return_path import forwarding_domain
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.domain.organizations.journaling import AUTHOR
from workpost.formats.addresses import ascii_domain, fold
from workpost.formats.mime.journal import Recipient, compose_journal
from workpost.operations.mailflow import placing, routes, trace
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.events import NewEvent
from workpost.store.tables.flow_rules import FlowPolicyRow

INITIATED = "JOURNALING_INITIATED"
PURPOSE = "journal"
TAG = 10
"""Bytes of the proof in a report's Message-ID."""
_REPORT_ID = re.compile(rf"([0-9a-f]{{16}})\.([0-9a-f]{{{2 * TAG}}})@.*")


async def journal(
    core: Core, message: Message, ruled: Ruled
) -> tuple[list[Outgoing], list[NewEvent]]:
    """The reports of a message with their events. Raises KeyDestroyed, TryLater."""
    also: list[Outgoing] = []
    events: list[NewEvent] = []
    for organization, policy in sorted(ruled.policies.items()):
        if not policy.journal:
            continue
        returned = organization != ruled.home
        if returned and await _is_report(core, organization, message.summary.message_id):
            continue
        recipients = _recipients(message, ruled, organization)
        reports, told = await _report(core, message, organization, policy, recipients)
        also += reports
        events += told
        more = {
            "journalingAddress": policy.journal,
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
    policy: FlowPolicyRow,
    recipients: list[Recipient],
) -> tuple[list[Outgoing], list[NewEvent]]:
    domain = await core.store.read(forwarding_domain, organization=organization, by="")
    number = f"{core.env.new_id():016x}"
    proof = await _proof(core, organization, number)
    text = _compose(
        core,
        message,
        domain or core.settings.host_name,
        policy,
        recipients,
        f"{number}.{proof}@{core.settings.host_name}",
    )
    envelope = Envelope(
        sender=policy.fallback,
        recipients=[policy.journal],
        helo=core.settings.host_name,
        smtputf8=not text.partition(b"\r\n\r\n")[0].isascii(),
        body="7BIT" if text.isascii() else "8BITMIME",
    )
    stamped = trace.stamp(core, envelope, text)
    made = await placing.place(core, envelope, stamped, await summary_of(stamped.raw))
    routed = await expand_envelope(core, envelope.recipients, Origin(trusted=True))
    also, events = await routes.reports(core, organization, made, routed, inside=False)
    also.append(
        await placing.make_outgoing(core, made, routed, home=organization, direction="report")
    )
    return also, events


async def _proof(core: Core, organization: str, number: str) -> str:
    key = await core.keys.token_key(PURPOSE)
    return sealing.tag(key, PURPOSE, f"{organization}\0{number}")[:TAG].hex()


async def _is_report(core: Core, organization: str, message_id: str) -> bool:
    """Whether a message is a report that the organization made, by its id without brackets."""
    found = _REPORT_ID.fullmatch(message_id)
    if found is None:
        return False
    return hmac.compare_digest(found[2], await _proof(core, organization, found[1]))


def _compose(
    core: Core,
    message: Message,
    domain: str,
    policy: FlowPolicyRow,
    recipients: list[Recipient],
    message_id: str,
) -> bytes:
    summary = message.summary
    author = summary.from_[0][1] if summary.from_ else message.envelope.sender
    sender = summary.sender[0][1] if summary.sender else author
    return compose_journal(
        from_=f"{AUTHOR}@{ascii_domain(domain)}",
        to=policy.journal,
        epoch=core.env.now() / 1000,
        message_id=message_id,
        sender=sender,
        on_behalf=author if fold(author) != fold(sender) else "",
        subject=summary.subject,
        original_id=summary.message_id,
        recipients=recipients,
        original=message.stamped.raw[message.stamped.skip :],
    )
