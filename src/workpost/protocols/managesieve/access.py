"""What ManageSieve asks of the access room; `workpost.domain.access.shell` has it."""

from __future__ import annotations

from typing import Protocol

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
