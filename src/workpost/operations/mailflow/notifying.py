"""Notices: `notify` by mail (RFC 5435 and 5436), and a script's faults told to its owner."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import msgspec

from workpost.domain.messages.delivery import Answer
from workpost.formats.addresses import AddressError, fold, parse_address_list, parse_mailbox
from workpost.formats.mime.answer import NOTIFIED, compose_answer
from workpost.formats.sieve.actions import Notify
from workpost.formats.sieve.evaluation import MAX_URI_FIELDS, mailto_addresses
from workpost.operations.mailflow import automatic
from workpost.operations.mailflow.automatic import Letter, Sent
from workpost.operations.mailflow.scripted import Mailbox
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.sieve_memory import TOLD, Memory

MAX_RECIPIENTS = 5
TELL_AGAIN_MS = 24 * 3_600_000
_IMPORTANCE = {1: "high", 2: "normal", 3: "low"}


def recipients(action: Notify) -> list[str]:
    """To whom a notice goes: those before the `?` and the `to` behind it, a few at most."""
    found: dict[str, str] = {}
    for address in mailto_addresses(action.method):
        try:
            found.setdefault(fold(address), parse_mailbox(address, smtputf8=True))
        except AddressError:
            continue
    return list(found.values())[:MAX_RECIPIENTS]


class Notice(msgspec.Struct, frozen=True):
    """A notice as a transaction writes it; `elsewhere` are its recipients at other servers."""

    sent: Sent
    elsewhere: list[str]


async def notify(core: Core, letter: Letter, mailbox: Mailbox, action: Notify) -> Notice | None:
    """A notice of a message; None for what machines sent by themselves (RFC 5436 2.7), and nobody.

    Of the URI's header fields subject, body and to count; no notice carries others' fields.
    """
    owner = mailbox.owner
    to = recipients(action)
    if letter.is_automatic or not to:
        return None
    routed = await automatic.route(core, to)
    if routed is None:
        return None
    given = _headers(action)
    address, name = owner.address, owner.name
    for given_name, one in parse_address_list(action.from_)[:1]:
        if fold(one) in owner.folds:
            name, address = given_name or name, one
    subject = action.message or "".join(given.get("subject", [])[:1])
    summary = letter.message.summary
    text = "".join(given.get("body", [])[:1]) or (
        f"A message came for {owner.address}.\n\nFrom: {letter.sender}\n"
        f"Subject: {summary.subject[:200]}\n"
    )
    try:
        raw = compose_answer(
            from_=(name, address),
            to=to,
            subject=subject or f"New message: {summary.subject[:100]}",
            epoch=core.env.now() / 1000,
            message_id=automatic.new_id(core),
            text=text,
            kind=f'{NOTIFIED}; owner-email="{owner.address}"',
            fields=[("Importance", _IMPORTANCE[action.importance])],
        )
    except ValueError:
        return None
    sent = await automatic.make(core, owner.organization, to, routed, raw, because=letter.message)
    return Notice(sent, [*routed.external, *(one.address for one in routed.forwards)])


def _headers(action: Notify) -> dict[str, list[str]]:
    """The header fields of a mailto URI (RFC 6068 2), by name."""
    found: dict[str, list[str]] = {}
    # In a mailto URI a plus sign is one.
    query = urlsplit(action.method).query.replace("+", "%2B")
    many = query.count("&") >= MAX_URI_FIELDS
    for name, value in [] if many else parse_qsl(query, max_num_fields=MAX_URI_FIELDS):
        found.setdefault(name.lower(), []).append(value)
    return found


async def tell_error(core: Core, mailbox: Mailbox, error: str) -> Answer | None:
    """Tell the owner, once a day, that the script was broken off and mail is kept."""
    owner = mailbox.owner
    tag = sealing.tag(mailbox.keys.tag_key, "sieve-told", "error")
    if await automatic.is_known(core, owner.mailbox, TOLD, tag):
        return None
    routed = await automatic.route(core, [owner.address])
    if routed is None:
        return None
    raw = compose_answer(
        from_=("Mail delivery", f"postmaster@{core.settings.host_name}"),
        to=[owner.address],
        subject="Your mail filter has an error",
        epoch=core.env.now() / 1000,
        message_id=automatic.new_id(core),
        text=(
            "Your active Sieve script could not be run to its end for a message that came. That"
            f" message, and others like it, are kept in your INBOX.\n\nThe error: {error[:500]}\n"
        ),
        kind=NOTIFIED,
    )
    memory = Memory(owner.mailbox, TOLD, tag, core.env.now() + TELL_AGAIN_MS)
    sent = await automatic.make(core, owner.organization, [owner.address], routed, raw)
    return Answer(memory, sent.message)
