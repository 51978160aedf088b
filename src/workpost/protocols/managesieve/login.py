"""AUTHENTICATE (RFC 5804 2.1): from a stranger to a person.

Access-control rules and the scopes of tokens know no ManageSieve: it is a part of what IMAP clients
do, so who may use IMAP may use it.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from workpost.kernel.errors import AuthenticationFailed
from workpost.protocols.listening import sasl
from workpost.protocols.listening.guard import TooManyFailures
from workpost.protocols.managesieve.counters import FAILED_LOGINS
from workpost.protocols.managesieve.errors import Refused, SessionEnd
from workpost.protocols.managesieve.wire import encoder, parser
from workpost.protocols.managesieve.wire.framing import TooLarge

if TYPE_CHECKING:
    from workpost.protocols.managesieve.session import Session

PROTOCOL = "IMAP"
"""As access-control rules call it."""


async def authenticate(session: Session, mechanism: bytes, initial: bytes | None) -> None:
    """Run an exchange of SASL and log in. Raises Refused, SessionEnd, AuthenticationFailed."""
    if session.grant is not None:
        raise Refused("You are authenticated already")
    if not session.may_log_in:
        raise Refused("Authenticating needs TLS, use STARTTLS first", "ENCRYPT-NEEDED")
    exchange = sasl.exchange(mechanism.decode("ascii", "replace"))
    if exchange is None:
        raise Refused("This mechanism is not offered")
    try:
        step = exchange.step(None if initial is None else sasl.decode_base64(initial))
        while not isinstance(step, sasl.Credentials):
            session.connection.send(encoder.string(base64.b64encode(step)) + b"\r\n")
            step = exchange.step(sasl.decode_base64(await _response(session)))
    except sasl.SaslError as error:
        raise Refused(f"Authentication {error}") from None
    # Acting as somebody else by authorization identity is not offered (RFC 4616 2).
    if step.authorization not in ("", step.username):
        raise Refused("Acting for others is not offered")
    await _enter(session, step.username, step.password)


async def _response(session: Session) -> bytes:
    event = await session.connection.next_event()
    if isinstance(event, TooLarge):
        raise SessionEnd("The response is too large")
    try:
        answer = parser.parse_string(event.parts)
    except parser.WireError as error:
        raise Refused(str(error)) from None
    if answer == b"*":
        raise Refused("Authentication cancelled")
    return answer


async def _enter(session: Session, username: str, password: bytes) -> None:
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
        raise Refused(text, "TRYLATER") from None
    except AuthenticationFailed:
        FAILED_LOGINS.inc()
        session.failed_logins += 1
        if session.failed_logins >= server.limits.authentications:
            raise SessionEnd("Too many failed logins") from None
        raise
    session.enter(grant, username)
