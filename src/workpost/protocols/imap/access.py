"""What IMAP asks of the access room; `workpost.domain.access.shell` has it."""

from __future__ import annotations

from typing import Protocol

from workpost.domain.access.permissions import SharedMailbox
from workpost.kernel.principal import Grant
from workpost.store.core import Core


class Access(Protocol):
    """Who may enter, and whether they still may."""

    async def log_in(
        self, core: Core, *, username: str, password: bytes, protocol: str, address: str
    ) -> Grant:
        """Raises AuthenticationFailed, AccessDenied or TryLater."""
        ...

    async def renew(self, core: Core, grant: Grant) -> Grant:
        """The same person's grant now; raises AuthenticationFailed or AccessDenied."""
        ...

    async def open_mailbox(self, core: Core, grant: Grant, owner_address: str) -> Grant:
        """The grant to a mailbox that is shared with the person; raises MailboxNotFound."""
        ...

    async def shared_mailboxes(self, core: Core, grant: Grant) -> list[SharedMailbox]:
        """The mailboxes that are shared with the person, by address."""
        ...
