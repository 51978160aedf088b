"""What a session asks the core, with the grant to the mailbox that it is about.

One's own mailbox, or one that is shared: its grant is got when it is asked about first, and again
after the policy has changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    Fault,
    FolderNotFound,
    MailboxNotFound,
    StaleGrant,
)
from workpost.kernel.principal import Grant
from workpost.protocols.imap.errors import SessionEnd
from workpost.protocols.imap.selection import Selection
from workpost.store.core import Core

if TYPE_CHECKING:
    from workpost.protocols.imap.connection import Connection
    from workpost.protocols.imap.server import ImapServer

P = ParamSpec("P")
R = TypeVar("R")


class Asking:
    """The half of a session that knows who asks, which folder is selected, and what may be read."""

    __slots__ = ("_others", "connection", "grant", "selection", "server")

    def __init__(self, connection: Connection, server: ImapServer) -> None:
        self.connection = connection
        self.server = server
        self.grant: Grant | None = None
        self.selection: Selection | None = None
        self._others: dict[str, Grant] = {}

    @property
    def core(self) -> Core:
        """The core of this process."""
        return self.server.core

    @property
    def selected(self) -> Selection:
        """The selected folder; the dispatcher has checked that there is one."""
        if self.selection is None:
            if self.connection.is_gone:
                raise SessionEnd
            raise Fault("no folder is selected")
        return self.selection

    async def ask(
        self,
        function: Callable[Concatenate[Core, Grant, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call a shell function on the person's own mailbox, as `ask_in` does."""
        return await self.ask_in("", function, *args, **kwargs)

    async def ask_selected(
        self,
        function: Callable[Concatenate[Core, Grant, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call a shell function on the mailbox of the selected folder, as `ask_in` does."""
        return await self.ask_in(self.selected.owner, function, *args, **kwargs)

    async def ask_in(
        self,
        owner: str,
        function: Callable[Concatenate[Core, Grant, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call a shell function on the mailbox of `owner` (folded address, "" for one's own).

        A stale grant is renewed once. Raises what the function raises, FolderNotFound for a
        mailbox that is not shared.
        """
        try:
            return await function(self.core, await self.grant_to(owner), *args, **kwargs)
        except StaleGrant:
            await self.renew()
            return await function(self.core, await self.grant_to(owner), *args, **kwargs)

    async def ask_across(
        self,
        owner: str,
        function: Callable[Concatenate[Core, Grant, Grant, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """As `ask_in`, from the mailbox of the selected folder to that of `owner`."""
        source = self.selected.owner
        try:
            grants = await self.grant_to(source), await self.grant_to(owner)
            return await function(self.core, *grants, *args, **kwargs)
        except StaleGrant:
            await self.renew()
            grants = await self.grant_to(source), await self.grant_to(owner)
            return await function(self.core, *grants, *args, **kwargs)

    async def read_selected(self, query: Callable[..., R], **values: Any) -> R:
        """Answer a query on the mailbox of the selected folder, as `ask_selected` does."""
        owner = self.selected.owner
        try:
            return await self.core.store.read(query, grant=await self.grant_to(owner), **values)
        except StaleGrant:
            await self.renew()
            return await self.core.store.read(query, grant=await self.grant_to(owner), **values)

    async def renew(self) -> None:
        """Ask access again. Raises SessionEnd when the person may not stay.

        That is so, too, when the selected folder is in a mailbox that is not shared any more.
        """
        self._others.clear()
        try:
            self.grant = await self.server.access.renew(self.core, self._granted())
        except (AccessDenied, AuthenticationFailed):
            raise SessionEnd("Please log in again") from None
        if self.selection is not None:
            try:
                await self.grant_to(self.selection.owner)
            except FolderNotFound:
                raise SessionEnd("The selected mailbox is not shared with you now") from None

    async def grant_to(self, owner: str) -> Grant:
        """The grant to the mailbox of `owner`. Raises FolderNotFound when it is not shared."""
        if not owner:
            return self._granted()
        known = self._others.get(owner)
        if known is None:
            try:
                known = await self.server.access.open_mailbox(self.core, self._granted(), owner)
            except MailboxNotFound:
                raise FolderNotFound("There is no such mailbox.") from None
            self._others[owner] = known
        return known

    def _granted(self) -> Grant:
        if self.grant is None:
            raise Fault("nobody has logged in")
        return self.grant
