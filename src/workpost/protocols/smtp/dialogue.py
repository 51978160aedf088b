"""One SMTP session: its state, and the loop from command to reply.

The path of a command: cut off the line, find the verb, let its function parse, check the state, ask
the service once, and return the reply. Errors of every kind are turned into replies here and
nowhere else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.protocols.listening.limits import is_loopback
from workpost.protocols.smtp.commands import authentication, content, envelope, greeting, other
from workpost.protocols.smtp.errors import refusal
from workpost.protocols.smtp.session import Login, Refused, Role, Transaction
from workpost.protocols.smtp.signals import (
    EARLY,
    LOGGED_OUT,
    SHUTTING_DOWN,
    TOO_MANY_COMMANDS,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_ERRORS,
    SessionEnd,
)
from workpost.protocols.smtp.strangers import EARLY_TALKERS
from workpost.protocols.smtp.wire.commands import split_command
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.replies import reply

if TYPE_CHECKING:
    from workpost.protocols.smtp.connection import Connection
    from workpost.protocols.smtp.intake import Intake
    from workpost.protocols.smtp.server import SmtpServer
    from workpost.protocols.smtp.wire.bdat import ChunkReader

log = logger("smtp")

TURN = 0.002
"""Seconds of answering one peer's pipelined commands after which others get their turn."""

Command = Callable[["Dialogue", bytes], Awaitable[bytes]]

COMMANDS: dict[bytes, Command] = {
    b"MAIL": envelope.mail,
    b"RCPT": envelope.rcpt,
    b"DATA": content.data,
    b"BDAT": content.bdat,
    b"EHLO": greeting.ehlo,
    b"HELO": greeting.helo,
    b"STARTTLS": greeting.starttls,
    b"AUTH": authentication.auth,
    b"RSET": envelope.rset,
    b"NOOP": other.noop,
    b"VRFY": other.vrfy,
    b"EXPN": other.vrfy,
    b"HELP": other.help_,
    b"QUIT": other.quit_,
}
LMTP_COMMANDS: dict[bytes, Command] = {
    **{verb: command for verb, command in COMMANDS.items() if verb not in (b"EHLO", b"HELO")},
    b"LHLO": greeting.ehlo,
}
"""RFC 2033 4.1: LHLO takes the place of the other two, which are not known."""

_LEADS_TO_MAIL = frozenset((b"MAIL", b"RCPT", b"DATA", b"BDAT"))
# A browser that was talked into speaking to us sends its headers as commands.
_OTHER_PROTOCOLS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT"))

_LOCAL_ERROR = reply(451, "4.3.0", "Local error, try later")
_WRONG_PROTOCOL = reply(521, "5.5.1", "This is not a web server")


class Dialogue:
    """State of a session between commands; the functions in ``commands`` read and change it."""

    def __init__(self, connection: "Connection", server: "SmtpServer") -> None:
        self.connection = connection
        self.server = server
        self.greets = False
        """Whether the peer has to wait for the greeting yet."""
        self._commands = LMTP_COMMANDS if server.options.role is Role.LMTP else COMMANDS
        self.helo = ""
        self.esmtp = False
        self.login: Login | None = None
        self.transaction: Transaction | None = None
        self.intake: Intake | None = None
        self.chunks: ChunkReader | None = None
        self.surplus_recipients = 0
        self.failed_logins = 0
        self._unfollow: Callable[[], None] | None = None
        self._logged_out = False
        self._errors = 0
        self._idle_commands = 0

    @property
    def in_message(self) -> bool:
        """Whether content has begun to arrive and has not been answered."""
        return self.intake is not None

    @property
    def may_authenticate(self) -> bool:
        """Whether AUTH is offered: people's listener, and nobody can listen in."""
        options = self.server.options
        return options.role is Role.SUBMISSION and (
            self.connection.tls
            or (options.plaintext_auth and is_loopback(self.connection.peer.host))
        )

    async def run(self) -> None:
        """The session from greeting to hanging up."""
        connection = self.connection
        try:
            if connection.stranger is not None and self.server.options.role is Role.MX:
                await self._wait_to_greet(connection.stranger.greeting)
            connection.send(self.server.greeting)
            while True:
                if connection.congested:
                    await connection.relieved()
                if time.perf_counter() - connection.task.since >= TURN:
                    await asyncio.sleep(0)
                if self.server.draining and not self.in_message:
                    raise SessionEnd(SHUTTING_DOWN)
                if self._logged_out and not self.in_message:
                    raise SessionEnd(LOGGED_OUT)
                line = connection.take_line()
                if line is None:
                    line = await connection.next_line()
                connection.send(await self._answer(line))
        except SessionEnd as end:
            connection.send(end.reply)
        finally:
            self.reset()
            if self._unfollow is not None:
                self._unfollow()
            connection.close()

    async def _wait_to_greet(self, seconds: float) -> None:
        """RFC 5321 4.3.1: the client waits for the greeting; what sends mail in bulk does not."""
        self.greets = True
        if seconds and await self.connection.speaks_first(seconds):
            EARLY_TALKERS.inc()
            raise SessionEnd(self._refuse(CommandError(554, "5.5.1", EARLY)))
        self.greets = False

    def enter(self, login: Login) -> None:
        """Somebody has logged in, and stays as long as they may."""
        self.login = login
        self.server.peers.know(self.connection)
        self._unfollow = self.server.service.follow(login, self._log_out)

    def _log_out(self) -> None:
        """A message that has begun is answered first: the service refuses it."""
        self._logged_out = True
        self.connection.drain(LOGGED_OUT)

    def begin_message(self, intake: "Intake") -> None:
        """Content begins to arrive: until it is answered nobody else gets the place.

        Raises SessionEnd where too many strangers have messages under way.
        """
        if not self.server.peers.hold(self.connection):
            raise SessionEnd(TOO_MANY_CONNECTIONS)
        self.intake = intake

    def reset(self) -> None:
        """No transaction any more (RFC 5321 4.1.1.5)."""
        self.transaction = None
        self.chunks = None
        if self.intake is not None:
            self.intake.close()
            self.intake = None
            self.server.peers.release(self.connection)

    def accepted(self) -> None:
        """A message was accepted: earlier trouble is forgiven."""
        self._errors = 0
        self._idle_commands = 0

    def count_idle_command(self) -> None:
        """Raises SessionEnd for a peer that keeps us busy with nothing."""
        self._idle_commands += 1
        if self._idle_commands > self.server.limits.idle_commands:
            raise SessionEnd(TOO_MANY_COMMANDS)

    async def _answer(self, line: bytes) -> bytes:
        try:
            verb, argument = split_command(line)
            command = self._commands.get(verb)
            if verb not in _LEADS_TO_MAIL:
                self.count_idle_command()
            if command is None:
                return self._unknown(verb)
            return await command(self, argument)
        except SessionEnd:
            raise
        except Exception as error:  # noqa: BLE001 - each becomes a reply, a bug's with its trace
            return self.refuse(error)

    def refuse(self, error: Exception) -> bytes:
        """The reply to whatever a command raised; SessionEnd where that is the last one."""
        if isinstance(error, CommandError | Refused):
            return self._refuse(error)
        if isinstance(error, WorkpostError):
            answer = refusal(error)
            if answer.code == 451:
                log.warning("temporary_failure", error=type(error).__name__)
            return self._refuse(answer)
        log.error("fault", peer=self.connection.peer.host, exc_info=error)
        return _LOCAL_ERROR

    def _unknown(self, verb: bytes) -> bytes:
        if verb in _OTHER_PROTOCOLS:
            raise SessionEnd(_WRONG_PROTOCOL)
        return self._refuse(CommandError(500, "5.5.1", "Command not known"))

    def _refuse(self, error: CommandError | Refused) -> bytes:
        self.server.counters.refusals(error.code).inc()
        answer = reply(error.code, error.status, error.text)
        if error.code == 421:
            raise SessionEnd(answer)
        if error.code >= 500:
            self._errors += 1
            stranger = self.connection.stranger
            too_many = stranger is not None and stranger.erred()
            if too_many or self._errors > self.server.limits.errors:
                raise SessionEnd(answer + TOO_MANY_ERRORS)
        return answer
