"""The envelope of a message on its way: what SMTP told us and what the queue keeps, sealed."""

from __future__ import annotations

import msgspec

from workpost.store.tables.folders import INBOX


class Wish(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What the sender wants to hear about one recipient (RFC 3461 4.1 and 4.2).

    `notify` holds NEVER alone, or any of SUCCESS, FAILURE and DELAY; empty when nothing was said.
    `orcpt` is the original recipient as it was given, `rfc822;...`.
    """

    notify: tuple[str, ...] = ()
    orcpt: str = ""


NO_WISH = Wish()


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One mail transaction as the pipeline gets it; `sender` is empty for the null sender."""

    sender: str
    recipients: list[str]
    wishes: dict[str, Wish] = {}
    """By recipient, for those about whom something was said."""
    ret: str = ""
    """FULL or HDRS: how much of the message a report returns (RFC 3461 4.3)."""
    envid: str = ""
    body: str = "7BIT"
    requiretls: bool = False
    """RFC 8689: better bounced than sent on without TLS."""
    helo: str = ""
    peer: str = ""
    client_name: str = ""
    """Of the peer by reverse DNS, when its own addresses confirm it."""
    protocol: str = "SMTP"
    """The `with` keyword of Received (RFC 3848)."""
    tls: str = ""
    smtputf8: bool = False
    owner: str = ""
    """Who may take it back while it is held: organization, slash, entity."""
    forged: bool = False
    """The sender's address is most likely not its owner's doing: no report goes there."""
    claimed: bool = False
    """It names an author of a domain of ours that nothing proves: no rule sends it on."""


class Forwarded(msgspec.Struct, frozen=True, array_like=True):
    """Of mail that only passes: the domain that answers for it, under which its ARC seal is made.

    `domain` is "" where the organization has none; `by` is the address of the person who forwards,
    "" for mail to remote users and for what goes back to the sender of something forwarded.
    """

    domain: str
    by: str = ""
    authored: bool = False
    """Its author has logged in here and sent it: it is signed like all mail of theirs."""


class Held(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a message that waits for the function of a rule; times in milliseconds.

    `direction` is the rule's. With `asynchronous` nobody waits: the entry only invokes.
    """

    rule: str
    name: str
    direction: str
    function: str
    asynchronous: bool = False
    fallback: str = ""
    deadline: int = 0
    """When the fallback action is taken, if the function has not answered until then."""
    message: str
    """The messageId of its event and of the Message Flow API."""
    invocation: str
    author: str
    behalf: str = ""
    """Who sent on behalf of the author, if somebody did."""
    subject: str = ""
    submitter: str = ""
    """Who logged in and sent it: organization, slash, entity; "" for mail from outside."""
    spam: bool = False
    quarantined: bool = False
    redirects: bool = True
    """Whether people's forwarding and rules may send it on."""
    proven: bool = True
    """Whether the sender may be told what a function has decided."""
    others: tuple[str, ...] = ()
    """The recipients of the same message who did not wait: whom they reach has it."""
    apart: tuple[str, ...] = ()
    """Its recipients on whom other rules decide; a function cannot add them."""
    concerned: tuple[str, ...] = ()
    """The organizations that have journaled it."""
    charged: tuple[str, ...] = ()
    """Those for whom it was counted as forwarded when it came: organization, slash, entity."""


class StoredEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue entry remembers of its message."""

    trace: str
    sender: str
    smtputf8: bool
    size: int
    skip: int
    """Bytes at the start (Return-Path) that are ours alone and never sent on."""
    body: str = "7BIT"
    requiretls: bool = False
    ret: str = ""
    envid: str = ""
    owner: str = ""
    """Who submitted it and may take it back while it is held: organization, slash, entity."""
    gateway: str = ""
    """The SMTP gateway of its organization that it goes through; "" for none."""
    forwarded: Forwarded | None = None
    """Set when it was not written here: `forwarding.as_sent` is what goes out."""
    forged: bool = False
    claimed: bool = False
    """Both as in `Envelope`."""
    held: Held | None = None
    """Set while it waits for a function; its recipients are those of the envelope."""


class StoredRecipient(msgspec.Struct, frozen=True, array_like=True):
    """One recipient of a queue row: someone elsewhere, or a mailbox of the entry's organization."""

    address: str
    mailbox: int = 0
    """0 for someone elsewhere."""
    wish: Wish = NO_WISH
    role: str = INBOX
    """Of the folder that takes it here."""
    last: str = ""
    """What the last attempt came to, for an operator's eyes."""
    rcpt: str = ""
    """The folded envelope recipient through which it comes, where that is not `address`."""


encode = msgspec.msgpack.encode
decode_envelope = msgspec.msgpack.Decoder(StoredEnvelope).decode
decode_recipients = msgspec.msgpack.Decoder(list[StoredRecipient]).decode
"""A queue row holds one recipient elsewhere, or a batch of those who live here."""
