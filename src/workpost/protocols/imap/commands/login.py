"""STARTTLS, AUTHENTICATE, LOGIN: from a stranger to a person."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from workpost.kernel.errors import AuthenticationFailed
from workpost.protocols.imap.counters import FAILED_LOGINS
from workpost.protocols.imap.errors import Refused, SessionEnd
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.wire import commands, encoder, parser
from workpost.protocols.listening import sasl
from workpost.protocols.listening.guard import TooManyFailures

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

PROTOCOL = "IMAP"


async def starttls(session: Session, command: commands.StartTls) -> Done:
    """RFC 3501 6.2.1: OK leaves in clear, what follows is TLS."""
    certificates = session.server.certificates
    if session.grant is not None or not session.may_start_tls or certificates is None:
        raise Refused("STARTTLS is not possible now", status="BAD")
    session.connection.send(encoder.status_line(command.tag, "OK", "Begin TLS now"))
    await session.connection.start_tls(certificates.context)
    session.answered = True
    return Done("")


async def login(session: Session, command: commands.Login) -> Done:
    """RFC 3501 6.2.3."""
    _require_privacy(session)
    return await _enter(session, command.user, command.password.encode())


async def authenticate(session: Session, command: commands.Authenticate) -> Done:
    """RFC 3501 6.2.2 with PLAIN, initial response of RFC 4959 included."""
    _require_privacy(session)
    if command.mechanism != "PLAIN":
        raise Refused("This mechanism is not offered")
    exchange = sasl.PlainExchange()
    try:
        step = exchange.step(command.initial)
        while not isinstance(step, sasl.Credentials):
            session.connection.send(encoder.continuation(base64.b64encode(step)))
            step = exchange.step(await _response(session))
    except sasl.SaslError as error:
        raise Refused(f"Authentication {error}", status="BAD") from None
    # Acting as somebody else by authorization identity is not offered (RFC 4616 2).
    if step.authorization not in ("", step.username):
        raise Refused("Acting for others is not offered", "AUTHORIZATIONFAILED")
    return await _enter(session, step.username, step.password)


async def _response(session: Session) -> bytes:
    line = await session.connection.next_line()
    answer = parser.sasl_answer(line) if line is not None else None
    if answer is None:
        raise Refused("Authentication cancelled", status="BAD")
    return answer


def _require_privacy(session: Session) -> None:
    if not session.may_log_in:
        raise Refused("Logging in needs TLS, use STARTTLS first", "PRIVACYREQUIRED")


async def _enter(session: Session, username: str, password: bytes) -> Done:
    server, peer = session.server, session.connection.peer
    try:
        grant = await server.guard.check(
            server.clock,
            peer,
            username,
            lambda: server.access.log_in(
                session.core, username=username, password=password, protocol=PROTOCOL, address=peer
            ),
        )
    except TooManyFailures as error:
        text = f"Too many failures, try again in {math.ceil(error.seconds)} seconds"
        raise Refused(text, "AUTHENTICATIONFAILED") from None
    except AuthenticationFailed:
        FAILED_LOGINS.inc()
        session.failed_logins += 1
        if session.failed_logins >= server.limits.authentications:
            raise SessionEnd("Too many failed logins") from None
        raise
    session.enter(grant)
    return Done("Logged in", f"CAPABILITY {session.capabilities()}")
