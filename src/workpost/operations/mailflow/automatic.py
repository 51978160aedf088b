"""Mail that mailboxes send by themselves: to whom never, and how it leaves (RFC 3834).

It comes from the null sender, so that nobody answers it or reports about it, and waits in the queue
whoever it is for. No rule sees it; it is journaled like all mail in or out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, Forward, Local
from workpost.domain.directory.walking import Origin
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import base_of_subaddress, fold, split
from workpost.formats.sieve.message import Message as Fields
from workpost.operations.mailflow import journaling, placing, routes, trace
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.in_force import get_in_force
from workpost.store.tables.sieve_memory import is_remembered

_MACHINES = re.compile(
    r"(?:owner-.*|.*-request|.*-owner|.*-bounces?(?:[+=].*)?|bounces?[+=].*|mailer-daemon|listserv"
    r"|majordomo|postmaster|no-?reply|do-?not-?reply)",
    re.IGNORECASE,
)
"""Local parts behind which nobody reads answers (RFC 5230 4.6)."""
_LISTS = ("list-id", "list-help", "list-post", "list-subscribe", "list-unsubscribe", "list-archive")
_BULK = ("bulk", "list", "junk")
_UNWANTED = ("all", "oof", "autoreply")


class Letter(msgspec.Struct, frozen=True):
    """A message as answers see it."""

    message: Message
    fields: Fields

    @property
    def sender(self) -> str:
        """The envelope's sender, to whom answers go; "" for the null sender."""
        return self.message.envelope.sender

    def values(self, *names: str) -> list[str]:
        """The values of fields, in lower case."""
        return [field.text.lower() for field in self.fields.named(names)]

    @property
    def is_automatic(self) -> bool:
        """Whether a machine sent it by itself: a bounce, an answer, a notice (RFC 3834 5)."""
        said = self.values("auto-submitted")
        return not self.sender or any(one.partition(";")[0].strip() != "no" for one in said)

    @property
    def is_forged(self) -> bool:
        """Whether its sender most likely did not send it, and is to hear nothing of it."""
        return self.message.envelope.forged

    @property
    def is_bulk(self) -> bool:
        """Whether it went to many, or asks for no answers of machines."""
        if self.fields.named(_LISTS) or any(one in _BULK for one in self.values("precedence")):
            return True
        words = [
            word.strip()
            for value in self.values("x-auto-response-suppress")
            for word in value.split(",")
        ]
        return any(word in _UNWANTED for word in words)

    @property
    def is_from_machine(self) -> bool:
        """Whether nobody reads mail for its sender."""
        return _MACHINES.fullmatch(split(self.sender)[0].strip('"')) is not None

    def recipients(self) -> set[str]:
        """The folded addresses that the header names as its recipients, also without `+` parts."""
        names = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
        fields = self.fields.named(names)
        found = {fold(one) for field in fields for one in field.addresses}
        return found | {base for one in found if (base := base_of_subaddress(one)) is not None}


class Sent(msgspec.Struct, frozen=True):
    """A message of our own, the journal reports of it, and their events."""

    message: Outgoing
    reports: list[Outgoing]
    events: list[NewEvent]


def read(message: Message) -> Letter:
    """The message as answers see it."""
    return Letter(message, Fields(message.stamped.raw, message.summary))


async def route(core: Core, addresses: Sequence[str]) -> Expansion | None:
    """Where a message of our own goes; None when that is nowhere."""
    origin = Origin(trusted=True, automatic=True)
    routed = await expand_envelope(core, list(addresses), origin)
    return routed if routed.local or routed.external or routed.forwards else None


async def make(
    core: Core,
    organization: str,
    addresses: Sequence[str],
    routed: Expansion,
    text: bytes,
    *,
    because: Message | None = None,
) -> Sent:
    """A message of our own as one transaction writes it.

    With `because`, the message that makes a person's rules send it, it is journaled.
    """
    envelope = Envelope(
        sender="",
        recipients=list(addresses),
        helo=core.settings.host_name,
        smtputf8=not all(one.isascii() for one in addresses),
        body="7BIT" if text.isascii() else "8BITMIME",
    )
    stamped = trace.stamp(core, envelope, text)
    message = await placing.place(core, envelope, stamped, await summary_of(stamped.raw))
    reports: list[Outgoing] = []
    events: list[NewEvent] = []
    if because is not None:
        concerned = sorted({organization, *routes.organizations_of(routed)})
        asked = await core.store.read(get_in_force, orgs=concerned, mailboxes=[])
        known: list[Local | Forward] = [*routed.local, *routed.forwards]
        owners = {one.rcpt: one.organization for one in known}
        ruled = Ruled(organization, owners, asked.policies)
        reports, events = await journaling.journal(core, message, ruled, because=because, direct=0)
    made = await placing.make_outgoing(
        core, message, routed, home=organization, direction="outgoing", direct=0
    )
    return Sent(made, reports, events)


async def is_known(core: Core, mailbox: int, kind: str, tag: bytes) -> bool:
    """Whether somebody was told already, so that nothing need be made."""
    return await core.store.read(is_remembered, mailbox=mailbox, kind=kind, tag=tag)


def new_id(core: Core) -> str:
    """A Message-ID without brackets."""
    return f"{core.env.new_id():016x}@{core.settings.host_name}"
