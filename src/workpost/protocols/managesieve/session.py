"""One client's session: states, the order of things, who it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    Fault,
    MailboxNotFound,
    StaleGrant,
    TryLater,
    WorkpostError,
)
from workpost.kernel.principal import Grant
from workpost.protocols.listening.limits import is_loopback
from workpost.protocols.managesieve.commands import COMMANDS, OPEN, capabilities
from workpost.protocols.managesieve.counters import COMMANDS as ANSWERED
from workpost.protocols.managesieve.errors import Refused, SessionEnd, refusal
from workpost.protocols.managesieve.wire import encoder, parser
from workpost.protocols.managesieve.wire.framing import BEFORE_LOGIN, Event, Limits, TooLarge

if TYPE_CHECKING:
    from workpost.protocols.managesieve.connection import Connection
    from workpost.protocols.managesieve.server import ManageSieveServer

log: structlog.stdlib.BoundLogger = structlog.get_logger("workpost.managesieve")


class Session:
    """What a client's commands work on. `grant` is None before the login."""

    def __init__(self, connection: Connection, server: ManageSieveServer) -> None:
        self.connection = connection
        self.server = server
        self.core = server.core
        self.grant: Grant | None = None
        self.username = ""
        self.failed_logins = 0
        self._errors = 0
        self._login_by = 0.0

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is offered."""
        return not self.connection.tls and self.server.certificates is not None

    @property
    def may_log_in(self) -> bool:
        """Whether a password may be sent: over TLS, or on loopback where that is allowed."""
        plain = self.server.options.plaintext_auth and is_loopback(self.connection.peer)
        return self.connection.tls or plain

    def deadline(self) -> float:
        """Until when the next command has to come."""
        if self.grant is None:
            return self._login_by
        return self.server.now() + self.server.limits.idle

    def enter(self, grant: Grant, username: str) -> None:
        """The client has logged in."""
        self.grant = grant
        self.username = username
        self.server.peers.know(self.connection)
        script = self.server.limits.script
        self.connection.framer.limits = Limits(literal=script, discard=64 * script)

    def leave(self) -> None:
        """The client is a stranger again."""
        self.grant = None
        self.username = ""
        self.server.peers.forget(self.connection)
        self._begin_login()

    def close(self) -> None:
        """The connection is gone."""
        self.grant = None

    async def run(self) -> None:
        """Greet and answer until the client leaves. Raises SessionEnd."""
        self._begin_login()
        self.connection.send(capabilities(self) + encoder.response("OK", "Workpost is ready"))
        while True:
            event = await self.connection.next_event()
            ANSWERED.inc()
            try:
                await self._answer(event)
            except SessionEnd:
                raise
            except Exception:
                log.exception("managesieve.fault", peer=self.connection.peer)
                text = "Internal error, reported to the administrator"
                self.connection.send(encoder.response("NO", text))

    def _begin_login(self) -> None:
        self.connection.framer.limits = BEFORE_LOGIN
        self._login_by = self.server.now() + self.server.limits.login

    async def _answer(self, event: Event) -> None:
        if isinstance(event, TooLarge):
            if event.fatal:
                raise SessionEnd("The command is too large")
            self._refuse("The string is too large", "QUOTA/MAXSIZE")
            return
        try:
            command = parser.parse(event.parts)
            handler = COMMANDS.get(command.verb)
            if handler is None:
                raise parser.WireError("There is no such command")
            if handler.wrong(command.arguments):
                raise parser.WireError(f"The arguments of {command.verb} are wrong")
        except parser.WireError as error:
            self._refuse(str(error))
            self._errors += 1
            if self._errors > self.server.limits.errors:
                raise SessionEnd("Too many errors") from None
            return
        self._errors = 0
        if self.grant is None and command.verb not in OPEN:
            self._refuse("Please authenticate first")
            return
        try:
            answer = await self._serve(command)
        except Refused as refused:
            self._refuse(refused.text, refused.code)
        else:
            self.connection.send(answer)

    async def _serve(self, command: parser.Command) -> bytes:
        """The answer; after StaleGrant once more under a new grant. Raises Refused, SessionEnd."""
        handler = COMMANDS[command.verb]
        try:
            try:
                return await handler.serve(self, command.arguments)
            except StaleGrant:
                await self._renew()
                return await handler.serve(self, command.arguments)
        except WorkpostError as error:
            if isinstance(error, (TryLater, Fault)):
                log.warning("managesieve.failure", error=type(error).__name__, reason=error.message)
            raise refusal(error) from None

    async def _renew(self) -> None:
        if self.grant is None:
            raise Fault("nobody has logged in")
        try:
            self.grant = await self.server.access.renew(self.core, self.grant)
        except (AuthenticationFailed, AccessDenied, MailboxNotFound):
            raise SessionEnd("Your login is not valid any more") from None

    def _refuse(self, text: str, code: str = "") -> None:
        self.connection.send(encoder.response("NO", text, code))
