"""Answers while the owner is away: `vacation` of a script (RFC 5230) and the out-of-office setting.

Each sender hears once in a period, and only a person who wrote to this person: never the null
sender, machines, lists, or whoever is not among the recipients that the header names.
"""

from __future__ import annotations

from workpost.domain.mailboxes.out_of_office import OutOfOffice
from workpost.domain.mailboxes.personal_rules import is_inside
from workpost.domain.messages.delivery import Answer
from workpost.formats.addresses import fold, parse_address_list
from workpost.formats.mime.answer import compose_answer
from workpost.formats.sieve.actions import Vacation
from workpost.operations.mailflow import automatic
from workpost.operations.mailflow.automatic import Letter
from workpost.operations.mailflow.scripted import Mailbox
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.sieve_memory import ANSWER, Memory

DAY = 24 * 3600
PERIOD = 7 * DAY
"""RFC 5230 4.1: seven days where the script does not say."""
SHORTEST = 60
"""Seconds; RFC 6131 2 leaves the shortest period to us."""


async def answer_vacation(
    core: Core, letter: Letter, mailbox: Mailbox, action: Vacation
) -> Answer | None:
    """The answer of a script, None when there is to be none."""
    owner = mailbox.owner
    more = (one for given in action.addresses for _, one in parse_address_list(given)[:1])
    addresses = owner.folds | {fold(one) for one in more}
    if not may_answer(letter, mailbox, addresses):
        return None
    name, address = owner.name, owner.address
    # RFC 5230 5.1: nobody answers in the name of others.
    for given_name, given in parse_address_list(action.from_)[:1]:
        if fold(given) in owner.folds:
            name, address = given_name or name, given
    return await _make(
        core,
        letter,
        mailbox,
        from_=(name, address),
        subject=action.subject,
        text=action.reason,
        mime=action.mime,
        handle=f"vacation\0{action.handle}",
        seconds=max(SHORTEST, PERIOD if action.seconds is None else action.seconds),
    )


async def answer_away(
    core: Core, letter: Letter, mailbox: Mailbox, setting: OutOfOffice, since: int
) -> Answer | None:
    """The answer of the setting; `since` tells one absence from the next."""
    owner = mailbox.owner
    if not may_answer(letter, mailbox, owner.folds):
        return None
    inside = await core.store.read(
        is_inside, organization=owner.organization, address=letter.sender
    )
    text = setting.text_for(inside=inside)
    if not text:
        return None
    return await _make(
        core,
        letter,
        mailbox,
        from_=(owner.name, owner.address),
        subject="",
        text=text,
        mime=False,
        handle=f"out-of-office\0{since}",
        seconds=PERIOD,
    )


def may_answer(letter: Letter, mailbox: Mailbox, addresses: frozenset[str]) -> bool:
    """RFC 5230 4.5 and 4.6, RFC 3834 2: whether a message may be answered at all."""
    if letter.is_automatic or letter.is_forged or letter.is_bulk or letter.is_from_machine:
        return False
    if fold(letter.sender) in mailbox.owner.folds:
        return False
    return not addresses.isdisjoint(letter.recipients())


async def _make(
    core: Core,
    letter: Letter,
    mailbox: Mailbox,
    *,
    from_: tuple[str, str],
    subject: str,
    text: str,
    mime: bool,
    handle: str,
    seconds: int,
) -> Answer | None:
    owner, summary = mailbox.owner, letter.message.summary
    tag = sealing.tag(mailbox.keys.tag_key, "sieve-answer", f"{handle}\0{fold(letter.sender)}")
    if await automatic.is_known(core, owner.mailbox, ANSWER, tag):
        return None
    routed = await automatic.route(core, [letter.sender])
    if routed is None:
        return None
    try:
        raw = compose_answer(
            from_=from_,
            to=[letter.sender],
            subject=subject or f"Auto: {summary.subject}",
            epoch=core.env.now() / 1000,
            message_id=automatic.new_id(core),
            text=text,
            mime=mime,
            answers=summary.message_id,
            references=summary.references,
            fields=[("X-Auto-Response-Suppress", "All")],
        )
    except ValueError:
        # The sender's address fits in no header, or the script's MIME entity is none.
        return None
    memory = Memory(owner.mailbox, ANSWER, tag, core.env.now() + seconds * 1000)
    sent = await automatic.make(
        core, owner.organization, [letter.sender], routed, raw, because=letter.message
    )
    return Answer(memory, sent.message, sent.reports, sent.events)
