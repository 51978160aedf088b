"""One IMAP session: its state, and the way from a command to its answer.

The path of a command: parse to the end, check the state, let its function ask the core once and
encode what it got; then tell what happened in the selected folder meanwhile, then the tagged
answer. Errors of every kind are turned into answers here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from workpost.kernel.errors import AccessDenied, Fault, TryLater, WorkpostError
from workpost.kernel.principal import Grant
from workpost.protocols.imap import capabilities
from workpost.protocols.imap.asking import Asking
from workpost.protocols.imap.commands import HANDLERS
from workpost.protocols.imap.counters import COMMANDS
from workpost.protocols.imap.errors import Refused, SessionEnd, refusal
from workpost.protocols.imap.handler import Handler
from workpost.protocols.imap.selection import Selection
from workpost.protocols.imap.telling import tell_denied
from workpost.protocols.imap.wire import commands, encoder, framing, parser
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.listening.limits import is_loopback

if TYPE_CHECKING:
    from workpost.protocols.imap.connection import Connection
    from workpost.protocols.imap.server import ImapServer
    from workpost.store.changes.hub import Watch

log: structlog.stdlib.BoundLogger = structlog.get_logger("workpost.imap")

RETRY_AFTER = 2.0
"""Seconds after which news are asked for again that could not be had."""


class Session(Asking):
    """State of a session between commands; the functions in `commands` read and change it."""

    __slots__ = (
        "_errors",
        "_foreign",
        "_heard",
        "_policy_heard",
        "_watches",
        "answered",
        "condstore",
        "failed_logins",
        "idle_tag",
        "leaving",
        "qresync",
    )

    def __init__(self, connection: Connection, server: ImapServer) -> None:
        super().__init__(connection, server)
        self.condstore = False
        self.qresync = False
        self.idle_tag = b""
        self.answered = False
        """Set by a command that sent its tagged answer itself (STARTTLS)."""
        self.leaving = False
        """Set by LOGOUT: its answer is the last."""
        self.failed_logins = 0
        self._errors = 0
        self._heard = False
        self._policy_heard = False
        self._watches: list[Watch] = []
        self._foreign: Watch | None = None

    # --- what commands use ------------------------------------------------------------------------

    @property
    def may_log_in(self) -> bool:
        """Whether LOGIN is allowed here: nobody can listen in."""
        plaintext = self.server.options.plaintext_auth and is_loopback(self.connection.peer)
        return self.connection.tls or plaintext

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is offered."""
        return self.server.certificates is not None and not self.connection.tls

    def capabilities(self) -> str:
        """What CAPABILITY lists now."""
        if self.grant is not None:
            return capabilities.after_login(self.server.limits.message)
        return capabilities.before_login(starttls=self.may_start_tls, login=self.may_log_in)

    def enter(self, grant: Grant) -> None:
        """The client has logged in. Raises SessionEnd when it is gone meanwhile."""
        if self.connection.is_gone:
            raise SessionEnd
        self.grant = grant
        self.server.peers.know(self.connection)
        self.connection.framer.limits = self.server.framing
        self._watch("policy", grant.organization, self._hear_policy)
        self._watch("mailbox", str(grant.mailbox), self._hear)

    def start_idle(self, tag: bytes) -> None:
        """Tell what is heard as it comes, until DONE."""
        self.idle_tag = tag
        self._heard = self.selection is not None

    async def select(self, selection: Selection) -> None:
        """A folder is selected, and heard of when it is in another's mailbox."""
        if selection.owner:
            mailbox = (await self.grant_to(selection.owner)).mailbox
            self._foreign = self.core.store.watch("mailbox", str(mailbox), self._hear)
            self._heard = True
        self.selection = selection

    def deselect(self) -> None:
        """No folder is selected any more."""
        self.selection = None
        if self._foreign is not None:
            self._foreign.close()
            self._foreign = None

    # --- what the connection calls ----------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether there is something to do without a command."""
        return self._policy_heard or self._may_tell

    def greet(self) -> None:
        """Send the greeting (RFC 3501 7.1.1)."""
        code = f"CAPABILITY {self.capabilities()}"
        self.connection.send(encoder.status_line(b"*", "OK", "Workpost ready", code))

    def close(self) -> None:
        """Hear no more of the store."""
        self.deselect()
        for watch in self._watches:
            watch.close()
        self._watches.clear()

    async def answer(self, event: framing.Frame | framing.Refused) -> None:
        """Answer one command, whatever it is. Raises SessionEnd."""
        COMMANDS.inc()
        if isinstance(event, framing.Refused):
            self._tagged(event.tag, event.status, event.text, event.code)
            if event.fatal:
                raise SessionEnd("Too much data")
            self._count_error()
        elif self.idle_tag:
            await self._end_idle(event)
        else:
            await self._answer_frame(event)

    async def tell_news(self) -> None:
        """Tell an idling client what was heard, and look again whether it may stay."""
        if self._policy_heard:
            self._policy_heard = False
            try:
                await self.renew()
            except TryLater:
                asyncio.get_running_loop().call_later(RETRY_AFTER, self._hear_policy, -1)
        if self._may_tell:
            await self._tell(expunge=True)

    @property
    def _may_tell(self) -> bool:
        return self._heard and bool(self.idle_tag) and self.selection is not None

    # --- inside -----------------------------------------------------------------------------------

    async def _answer_frame(self, frame: framing.Frame) -> None:
        try:
            command = parser.parse(frame.parts)
        except WireError as error:
            self._tagged(error.tag, error.status, error.text, error.code)
            if error.status == "BAD":
                self._count_error()
            return
        handler = HANDLERS[type(command)]
        if (wrong := self._wrong_state(handler.state)) is not None:
            self._tagged(command.tag, "BAD", wrong)
            self._count_error()
            return
        status, text, code = await self._serve(handler, command)
        if self.idle_tag or self.answered:
            self.answered = False
            return
        if self.selection is not None:
            await self._tell(expunge=_may_renumber(command), refresh=handler.refresh)
        self._tagged(command.tag, status, text, code)
        if self.leaving:
            raise SessionEnd
        if status != "BAD":
            self._errors = 0
        else:
            self._count_error()

    async def _serve(self, handler: Handler, command: commands.Command) -> tuple[str, str, str]:
        try:
            done = await handler.serve(self, command)
        except (Refused, WireError) as error:
            return error.status, error.text, error.code
        except WorkpostError as error:
            if isinstance(error, AccessDenied):
                await tell_denied(self, command)
            answer = refusal(error)
            if isinstance(error, (TryLater, Fault)):
                log.warning("imap.failure", error=type(error).__name__, reason=error.message)
            return answer.status, answer.text, answer.code
        except SessionEnd:
            raise
        except Exception:
            log.exception("imap.fault", command=type(command).__name__)
            return "NO", "Internal error, reported to the administrator", "SERVERBUG"
        return "OK", done.text, done.code

    async def _tell(self, *, expunge: bool, refresh: bool = False) -> None:
        """Tell what happened in the selected folder, as far as it may be told now."""
        selection = self.selected
        if refresh or self._heard:
            self._heard = False
            try:
                await selection.refresh(self)
            except WorkpostError as error:
                # The command has been done; what happened meanwhile is told another time.
                log.warning("imap.refresh", error=type(error).__name__)
                asyncio.get_running_loop().call_later(RETRY_AFTER, self._hear, 0)
        for piece in selection.tracker.sync(
            expunge=expunge, qresync=self.qresync, modseqs=self.condstore
        ):
            self.connection.send(piece)
            await self.connection.drain()

    async def _end_idle(self, frame: framing.Frame) -> None:
        tag, self.idle_tag = self.idle_tag, b""
        if parser.is_done(frame.parts):
            self._tagged(tag, "OK", "Idle completed")
        else:
            self._tagged(tag, "BAD", "Expected DONE")
            self._count_error()

    def _wrong_state(self, state: str) -> str | None:
        if state == "fresh" and self.grant is not None:
            return "You are logged in already"
        if state in ("authenticated", "selected") and self.grant is None:
            return "Please log in first"
        if state == "selected" and self.selection is None:
            return "Please select a mailbox first"
        return None

    def _tagged(self, tag: bytes | None, status: str, text: str, code: str = "") -> None:
        self.connection.send(encoder.status_line(tag or b"*", status, text, code))

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors > self.server.limits.errors:
            raise SessionEnd("Too many errors")

    def _watch(self, kind: str, key: str, heard: Callable[[int], None]) -> None:
        self._watches.append(self.core.store.watch(kind, key, heard))

    def _hear(self, _modseq: int) -> None:
        # Also while a folder is being selected: its view may be older than this.
        self._heard = True
        if self.selection is not None and self.idle_tag:
            self.connection.wake()

    def _hear_policy(self, version: int) -> None:
        if self.grant is not None and version != self.grant.policy_version:
            self._policy_heard = True
            self.connection.wake()


def _may_renumber(command: commands.Command) -> bool:
    """Whether EXPUNGE may come now: not with FETCH, STORE, SEARCH (RFC 3501 7.4.1)."""
    if isinstance(command, (commands.Fetch, commands.Store, commands.Search)):
        return command.uid
    return True
