"""MAIL, RCPT and RSET: the envelope of a transaction."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from workpost.kernel.errors import UnknownRecipient
from workpost.protocols.smtp.session import Recipient, Refused, Role, Transaction
from workpost.protocols.smtp.signals import TOO_MANY_RECIPIENTS, TOO_MANY_UNKNOWN, SessionEnd
from workpost.protocols.smtp.wire.commands import parse_mail, parse_rcpt
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.dialogue import Dialogue
    from workpost.protocols.smtp.strangers import Stranger

REMEMBERED = 1_024
"""The same people write to the same people: so many paths are kept read, a megabyte at most."""

_parse_mail = lru_cache(REMEMBERED)(parse_mail)
_parse_rcpt = lru_cache(REMEMBERED)(parse_rcpt)

_SENDER_OK = reply(250, "2.1.0", "Sender ok")
_RECIPIENT_OK = reply(250, "2.1.5", "Recipient ok")
_RESET = reply(250, "2.0.0", "Reset")


async def mail(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.2: ``MAIL FROM:<path> [parameters]``."""
    parsed = _parse_mail(argument)
    sender, size, body, smtputf8, auth, ret, envid, requiretls, holdfor, holduntil = parsed
    server, connection = dialogue.server, dialogue.connection
    if not dialogue.helo:
        raise CommandError(503, "5.5.1", "Say EHLO first")
    if server.options.role is Role.SUBMISSION and dialogue.login is None:
        raise CommandError(530, "5.7.0", "Authentication required")
    if dialogue.transaction is not None:
        raise CommandError(503, "5.5.1", "A sender is given already")
    if requiretls and not connection.tls:
        raise CommandError(530, "5.7.10", "REQUIRETLS needs TLS, use STARTTLS first")
    if size > server.limits.message:
        raise CommandError(552, "5.3.4", "Message is over the size limit")
    if size > server.budget.free:
        raise CommandError(452, "4.3.1", "Too many messages at once, try later")
    hold_until = None
    if holdfor is not None or holduntil is not None:
        hold_until = _hold(dialogue, holdfor, holduntil)
    transaction = Transaction(
        connection.peer,
        server.options.role,
        dialogue.helo,
        dialogue.esmtp,
        connection.cipher,
        dialogue.login,
        sender,
        size,
        body,
        smtputf8,
        auth,
        ret,
        envid,
        requiretls,
        hold_until,
    )
    stranger = connection.stranger
    if stranger is not None:
        _count(stranger.message(_sender_of(transaction, stranger)), "messages")
    await server.service.mail_from(transaction)
    dialogue.transaction = transaction
    dialogue.surplus_recipients = 0
    return _SENDER_OK


def _hold(dialogue: "Dialogue", holdfor: int | None, holduntil: int | None) -> int:
    """RFC 4865 4: until when the message is held, in milliseconds; a moment that is over holds not.

    Raises CommandError where it is not offered, and beyond what is.
    """
    server = dialogue.server
    if not server.holds:
        keyword = "HOLDUNTIL" if holdfor is None else "HOLDFOR"
        raise CommandError(555, "5.5.4", f"Parameter {keyword} is not supported")
    now = int(server.wall() * 1000)
    until = now + (holdfor or 0) * 1000 if holduntil is None else holduntil
    if until > now + server.limits.hold * 1000:
        most = server.limits.hold
        raise CommandError(501, "5.5.4", f"A message is held for at most {most} seconds")
    return until


async def rcpt(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.3: ``RCPT TO:<path> [NOTIFY= ORCPT=]``."""
    transaction = dialogue.transaction
    smtputf8 = transaction is not None and transaction.smtputf8
    address, notify, orcpt = _parse_rcpt(argument, smtputf8=smtputf8)
    if transaction is None or dialogue.in_message:
        raise CommandError(503, "5.5.1", "RCPT comes after MAIL and before the message")
    limit = dialogue.server.limits.recipients
    if len(transaction.recipients) >= limit:
        dialogue.surplus_recipients += 1
        if dialogue.surplus_recipients > limit:
            raise SessionEnd(TOO_MANY_RECIPIENTS)
        raise CommandError(452, "4.5.3", "Too many recipients, send the rest in another message")
    recipient = Recipient(address, None, notify, orcpt)
    stranger = dialogue.connection.stranger
    if stranger is None:
        await dialogue.server.service.rcpt_to(transaction, recipient)
    else:
        _count(stranger.recipient(_sender_of(transaction, stranger)), "recipients")
        try:
            await dialogue.server.service.rcpt_to(transaction, recipient)
        except UnknownRecipient:
            await _delay(dialogue, stranger)
            raise
    transaction.recipients.append(recipient)
    return _RECIPIENT_OK


def _sender_of(transaction: Transaction, stranger: "Stranger") -> str:
    """Whose messages are counted: a person's, whatever address they use, or an address's."""
    if transaction.login is not None:
        return f"login {transaction.login.name}".casefold()
    return stranger.name(str(transaction.sender) if transaction.sender is not None else "")


def _count(wait: float, what: str) -> None:
    if wait:
        seconds = math.ceil(wait)
        raise Refused(450, "4.7.1", f"Too many {what} at once, try again in {seconds} seconds")


async def _delay(dialogue: "Dialogue", stranger: "Stranger") -> None:
    """Whoever guesses at addresses waits ever longer for each no, as far as we have the room."""
    if dialogue.login is not None:
        return
    with stranger.tarpit() as seconds:
        if seconds is None:
            raise SessionEnd(TOO_MANY_UNKNOWN)
        if seconds:
            await dialogue.connection.rest(seconds)


async def rset(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.5: ``RSET``."""
    if argument:
        raise CommandError(501, "5.5.4", "RSET takes no argument")
    dialogue.reset()
    return _RESET
