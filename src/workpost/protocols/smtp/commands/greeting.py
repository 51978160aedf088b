"""HELO, EHLO and STARTTLS."""

from typing import TYPE_CHECKING

from workpost.protocols.smtp.wire.commands import parse_greeting
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import plain_reply, reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.dialogue import Dialogue

_GO_AHEAD = reply(220, "2.0.0", "Ready to start TLS")


async def helo(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.1: ``HELO name``."""
    dialogue.helo = parse_greeting(argument)
    dialogue.esmtp = False
    dialogue.reset()
    return plain_reply(250, [dialogue.server.options.hostname])


async def ehlo(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 5321 4.1.1.1: ``EHLO name``; RFC 2033 4.1: ``LHLO name``.

    Answers what this session may use now.
    """
    dialogue.helo = parse_greeting(argument)
    dialogue.esmtp = True
    dialogue.reset()
    return dialogue.server.capabilities(
        tls=dialogue.connection.tls,
        auth=dialogue.may_authenticate,
    )


async def starttls(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 3207 4: ``STARTTLS``; afterwards the session starts anew, without a greeting."""
    if argument:
        raise CommandError(501, "5.5.4", "STARTTLS takes no argument")
    if dialogue.connection.tls:
        raise CommandError(503, "5.5.1", "TLS is active already")
    certificates = dialogue.server.certificates
    if certificates is None:
        raise CommandError(454, "4.7.0", "TLS is not available")
    dialogue.connection.send(_GO_AHEAD)
    await dialogue.connection.start_tls(certificates.context)
    dialogue.reset()
    dialogue.helo = ""
    dialogue.login = None
    return b""
