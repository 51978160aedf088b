"""DATA and BDAT: the message itself."""

import asyncio
from typing import TYPE_CHECKING

from workpost.protocols.smtp.intake import Intake
from workpost.protocols.smtp.session import Accepted, Role, Transaction
from workpost.protocols.smtp.signals import SessionEnd
from workpost.protocols.smtp.wire.bdat import ChunkReader
from workpost.protocols.smtp.wire.commands import parse_bdat
from workpost.protocols.smtp.wire.data import DataDecoder
from workpost.protocols.smtp.wire.eight_bit import check_header
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import plain_reply, reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.dialogue import Dialogue

_START_MAIL = plain_reply(354, ["End the message with <CR><LF>.<CR><LF>"])
MEND_INLINE = 64 * 1024
"""Octets up to which line ends are mended on the loop."""
_OVERSIZED_CHUNK = reply(552, "5.3.4", "Chunk is over the size limit")


async def data(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.4: ``DATA``."""
    if argument:
        raise CommandError(501, "5.5.4", "DATA takes no argument")
    transaction = _checked(dialogue)
    if dialogue.in_message:
        raise CommandError(503, "5.5.1", "The message has begun with BDAT")
    if not dialogue.server.budget.free:
        raise CommandError(451, "4.3.1", "Too many messages at once, try later")
    decoder = DataDecoder(dialogue.server.limits.message, lenient=transaction.login is not None)
    intake = Intake(decoder, dialogue.server.budget)
    dialogue.begin_message(intake)
    dialogue.connection.send(_START_MAIL)
    await dialogue.connection.receive(intake)
    return await _deliver(dialogue, transaction, intake)


async def bdat(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 3030 2: ``BDAT size [LAST]``, then that many octets, even where the chunk is refused."""
    server = dialogue.server
    try:
        size, last = parse_bdat(argument)
    except CommandError as error:
        # Octets of an unknown number follow; not one of them may be taken for a command.
        raise SessionEnd(reply(error.code, error.status, error.text)) from None
    if size > 2 * server.limits.message:
        raise SessionEnd(_OVERSIZED_CHUNK)
    if not size and not last:
        dialogue.count_idle_command()
    try:
        transaction = _checked(dialogue)
    except CommandError:
        waste = ChunkReader(0)
        waste.begin(size)
        await dialogue.connection.receive(Intake(waste, server.budget))
        raise
    intake = dialogue.intake
    if intake is None or dialogue.chunks is None:
        lenient = transaction.login is not None
        dialogue.chunks = ChunkReader(server.limits.message, lenient=lenient)
        intake = Intake(dialogue.chunks, server.budget)
        dialogue.begin_message(intake)
    dialogue.chunks.begin(size)
    await dialogue.connection.receive(intake)
    if last:
        dialogue.chunks.finish()
        return await _deliver(dialogue, transaction, intake)
    if dialogue.chunks.fault is not None:
        dialogue.reset()
        intake.check()
    return reply(250, "2.0.0", f"{size} octets received")


def _checked(dialogue: "Dialogue") -> Transaction:
    transaction = dialogue.transaction
    if transaction is None:
        raise CommandError(503, "5.5.1", "MAIL and RCPT come first")
    if not transaction.recipients:
        if dialogue.server.options.role is Role.LMTP:  # RFC 2033 4.2
            raise CommandError(503, "5.5.1", "No valid recipients")
        raise CommandError(554, "5.5.1", "No valid recipients")
    return transaction


async def _deliver(dialogue: "Dialogue", transaction: Transaction, intake: Intake) -> bytes:
    """Whatever the outcome, the transaction is over (RFC 5321 4.1.1.4)."""
    by_recipient = transaction.role is Role.LMTP
    try:
        intake.check()
        content = await _content(intake.decoder)
        if not content.isascii():
            _check_header(dialogue, transaction, content)
        accepted = await dialogue.server.service.message(transaction, content)
    except SessionEnd:
        raise
    except Exception as error:
        if not by_recipient:
            raise
        return dialogue.refuse(error) * len(transaction.recipients)
    finally:
        dialogue.reset()
    dialogue.accepted()
    dialogue.server.counters.messages.gather()
    if by_recipient:
        return _replies(len(transaction.recipients), accepted)
    return reply(250, "2.0.0", accepted.text)


def _replies(recipients: int, accepted: Accepted) -> bytes:
    """RFC 2033 4.2: one reply for each recipient, in the order of RCPT.

    No count of errors may end the session before all are told: the message is here.
    """
    replies = [reply(250, "2.0.0", accepted.text)] * recipients
    for number, error in accepted.refused.items():
        replies[number] = reply(error.code, error.status, error.text)
    return b"".join(replies)


def _check_header(dialogue: "Dialogue", transaction: Transaction, content: bytes) -> None:
    """RFC 6531 3.1, RFC 6532 3.2: a header that is not ASCII needs SMTPUTF8, and is UTF-8.

    People's clients are held to it: what they send goes on to servers that may be strict. Old mail
    from other servers passes where a setting lets it (decisions 35).
    """
    lenient = transaction.login is None and dialogue.server.limits.eight_bit_headers
    if not lenient:
        check_header(content, smtputf8=transaction.smtputf8)


async def _content(decoder: DataDecoder | ChunkReader) -> bytes:
    if decoder.mending and decoder.held > MEND_INLINE:
        return await asyncio.to_thread(decoder.content)
    return decoder.content()
