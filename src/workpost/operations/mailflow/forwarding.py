"""Mail that goes on: to addresses elsewhere that people forward to, to remote users, and back.

Forwarded mail leaves as a queue entry of its own, under a sender of the forwarding domain
(`directory.return_path`), so that it passes SPF and its bounces find their way to the original
sender. The entry is marked: its runner puts `as_sent` on the wire and seals it with ARC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from workpost.domain.directory.return_path import forwarding_domain, forwarding_sender, is_ours
from workpost.domain.directory.routing import Forward
from workpost.formats.addresses import fold, with_a_labels
from workpost.operations.authentication.check import Authentication, is_proven
from workpost.operations.mailflow.envelope import Forwarded, StoredEnvelope
from workpost.store.core import Core

MAX_HEADER = 256 * 1024
"""Bytes of a header that are searched for traces; they are put on top."""

_DELIVERED = re.compile(rb"^delivered-to:[ \t]*<?([^\s>]+)>?[ \t]*\r?$", re.MULTILINE)
_ANSWER = re.compile(rb"^auto-submitted:\s*auto-replied\b", re.MULTILINE)


class Group(msgspec.Struct, frozen=True):
    """What leaves as one queue entry: recipients under one sender."""

    organization: str
    sender: str
    forwarded: Forwarded
    addresses: list[str]
    rcpts: list[str]
    """The folded envelope recipient of each, "" where a copy stayed here."""


def header_of(raw: bytes) -> bytes:
    """The header of a message, as much of it as is searched, with its last line end."""
    end = raw.find(b"\r\n\r\n", 0, MAX_HEADER)
    return raw[: end + 2 if end >= 0 else MAX_HEADER]


def lower_header(raw: bytes) -> bytes:
    """`header_of` in lower case, as the functions below look for names in it."""
    return header_of(raw).lower()


def count_hops(header: bytes) -> int:
    """How many hosts have put a Received field on top of a message (RFC 5321 6.3).

    `header` is in lower case (`lower_header`), here and below.
    """
    return header.count(b"\nreceived:") + header.startswith(b"received:")


def passed(header: bytes) -> frozenset[str]:
    """The folded addresses that have forwarded a message before."""
    found = _DELIVERED.findall(header) if b"delivered-to:" in header else ()
    return frozenset(fold(one.decode("utf-8", "replace")) for one in found)


def is_answer(header: bytes) -> bool:
    """Whether a machine wrote it in answer to another message (RFC 3834 5); bounces are such."""
    return b"auto-submitted:" in header and _ANSWER.search(header) is not None


async def group_forwards(core: Core, sender: str, forwards: Sequence[Forward]) -> list[Group]:
    """What leaves together: by organization and forwarder, all remote users of one at once."""
    found: dict[tuple[str, str], list[Forward]] = {}
    for one in forwards:
        found.setdefault((one.organization, one.by), []).append(one)
    groups = []
    for (organization, by), ones in sorted(found.items()):
        domain = await core.store.read(forwarding_domain, organization=organization, by=by)
        groups.append(
            Group(
                organization,
                await forwarding_sender(core, sender, domain=domain, by=by),
                Forwarded(domain, by),
                [one.address for one in ones],
                ["" if one.copy else one.rcpt for one in ones],
            )
        )
    return groups


async def claims_our_name(core: Core, authentication: Authentication | None) -> bool:
    """Whether a message from outside names an author of a domain of ours, and nothing proves it.

    Such mail is not forwarded: under a sender of that domain, and from our address, it would pass
    SPF and so DMARC wherever it comes.
    """
    if authentication is None:
        return False
    if authentication.authors is None:
        return True
    for domain in authentication.authors:
        proven = is_proven(authentication, domain)
        if not proven and await core.store.read(is_ours, sender=f"@{domain}"):
            return True
    return False


def as_sent(envelope: StoredEnvelope, raw: bytes) -> bytes:
    """What is sent of a queued message: without what is ours alone, with the forwarder on top.

    Delivered-To is how a forwarder knows the message if it comes back; its domain has A-labels, so
    that it does not ask for a server that takes UTF-8.
    """
    own = raw[envelope.skip :]
    if envelope.forwarded is None or not envelope.forwarded.by:
        return own
    return b"Delivered-To: " + with_a_labels(envelope.forwarded.by).encode() + b"\r\n" + own
