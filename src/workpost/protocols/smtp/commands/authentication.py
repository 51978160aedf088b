"""AUTH: RFC 4954 with PLAIN and LOGIN."""

import base64
import math
from typing import TYPE_CHECKING

from workpost.kernel.errors import AccessDenied, AuthenticationFailed, TryLater
from workpost.protocols.listening import sasl
from workpost.protocols.listening.guard import TooManyFailures
from workpost.protocols.smtp.session import Login, Refused, Role
from workpost.protocols.smtp.signals import TOO_MANY_LOGINS, SessionEnd
from workpost.protocols.smtp.wire.commands import AUTH_LINE, parse_auth
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import plain_reply, reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.dialogue import Dialogue

_SUCCEEDED = reply(235, "2.7.0", "Authentication succeeded")
_FAILED = (535, "5.7.8", "Authentication failed")


async def auth(dialogue: "Dialogue", argument: bytes) -> bytes:
    """RFC 4954 4: ``AUTH mechanism [initial-response]``."""
    mechanism, initial = parse_auth(argument)
    if dialogue.server.options.role is not Role.SUBMISSION:
        raise CommandError(502, "5.5.1", "AUTH is not offered here")
    if not dialogue.esmtp or dialogue.login is not None or dialogue.transaction is not None:
        raise CommandError(503, "5.5.1", "AUTH comes once, after EHLO and before MAIL")
    if not dialogue.may_authenticate:
        raise CommandError(538, "5.7.11", "AUTH needs TLS, use STARTTLS first")
    exchange = sasl.exchange(mechanism)
    if exchange is None:
        raise CommandError(504, "5.5.4", "Mechanism is not offered")
    credentials = await _converse(dialogue, exchange, initial)
    dialogue.enter(await _check(dialogue, credentials, mechanism))
    return _SUCCEEDED


async def _converse(
    dialogue: "Dialogue", exchange: sasl.Exchange, initial: bytes | None
) -> sasl.Credentials:
    try:
        step = exchange.step(None if initial is None else sasl.decode_base64(initial))
        while not isinstance(step, sasl.Credentials):
            dialogue.connection.send(plain_reply(334, [base64.b64encode(step).decode()]))
            line = await dialogue.connection.next_line()
            if line == b"*":
                raise CommandError(501, "5.7.0", "Authentication cancelled")
            if len(line) + 2 > AUTH_LINE:
                raise CommandError(500, "5.5.6", "Response is too long")
            step = exchange.step(sasl.decode_base64(line))
    except sasl.SaslError as error:
        raise CommandError(501, "5.5.2", f"Authentication {error}") from None
    return step


async def _check(dialogue: "Dialogue", credentials: sasl.Credentials, mechanism: str) -> Login:
    server, peer, name = dialogue.server, dialogue.connection.peer, credentials.username

    async def check() -> Login:
        # Acting as somebody else by authorization identity is not offered (RFC 4616 2).
        if credentials.authorization not in ("", name):
            raise AuthenticationFailed
        return await server.service.authenticate(peer, name, credentials.password, mechanism)

    try:
        return await server.guard.check(server.clock, peer.host, name, check)
    except TooManyFailures as error:
        seconds = math.ceil(error.seconds)
        raise Refused(454, "4.7.0", f"Too many failures, try again in {seconds} seconds") from None
    except TryLater:
        raise Refused(454, "4.7.0", "Temporary authentication failure") from None
    except AccessDenied:
        raise Refused(*_FAILED) from None
    except AuthenticationFailed:
        server.counters.failed_logins.inc()
        dialogue.failed_logins += 1
        if dialogue.failed_logins >= server.limits.authentications:
            raise SessionEnd(reply(*_FAILED) + TOO_MANY_LOGINS) from None
        raise Refused(*_FAILED) from None
