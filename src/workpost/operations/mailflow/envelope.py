"""The envelope of a message on its way: what SMTP told us and what the queue keeps, sealed."""

from __future__ import annotations

import msgspec


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One mail transaction as the pipeline gets it; `sender` is empty for the null sender."""

    sender: str
    recipients: list[str]
    helo: str = ""
    peer: str = ""
    protocol: str = "SMTP"
    """The `with` keyword of Received (RFC 3848)."""
    tls: str = ""
    smtputf8: bool = False


class StoredEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue entry remembers of its message."""

    trace: str
    sender: str
    smtputf8: bool
    size: int
    skip: int
    """Bytes at the start (Return-Path) that are ours alone and never sent on."""


class StoredRecipient(msgspec.Struct, frozen=True, array_like=True):
    """One recipient of a queue row: someone elsewhere, or a mailbox of the entry's organization."""

    address: str
    mailbox: int = 0
    """0 for someone elsewhere."""


encode = msgspec.msgpack.encode
decode_envelope = msgspec.msgpack.Decoder(StoredEnvelope).decode
decode_recipients = msgspec.msgpack.Decoder(list[StoredRecipient]).decode
"""A queue row holds one recipient elsewhere, or a batch of those who live here."""
