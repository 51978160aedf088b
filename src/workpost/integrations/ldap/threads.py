"""The asynchronous face of a directory: a bounded pool of threads, bounded waiting and time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from workpost.integrations.ldap.base import DirectoryServer, Found, Values
from workpost.kernel.directory_settings import Directory
from workpost.kernel.errors import Busy, DirectoryUnavailable, WorkpostError

R = TypeVar("R")

WAITING_PER_THREAD = 32
"""More than these get "try later" at once."""


class DirectoryThreads:
    """One directory, asked from an event loop; as many threads as the settings have connections."""

    def __init__(self, settings: Directory, server: DirectoryServer) -> None:
        self._server = server
        self._pool = ThreadPoolExecutor(settings.connections, thread_name_prefix="directory")
        self._limit = settings.connections * WAITING_PER_THREAD
        self._running = 0
        self.patience = float(settings.connect_seconds + 2 * settings.operation_seconds)
        """Seconds that one question may take, with the wait for a thread."""

    def close(self) -> None:
        """Take no more questions and cut those short that are being asked."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()

    async def _run(self, work: Callable[[], R]) -> R:
        if self._running >= self._limit:
            raise Busy("The directory is asked too much; try again in a moment.")
        self._running += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, work)
            async with asyncio.timeout(self.patience):
                return await running
        except TimeoutError:
            raise DirectoryUnavailable("The directory does not answer in time.") from None
        finally:
            self._running -= 1

    async def is_password(self, dn: str, password: bytes) -> bool:
        """Whether the entry can bind with a password, never with an empty one.

        Raises DirectoryUnavailable, Busy.
        """
        if not password:
            return False
        return await self._run(lambda: self._server.is_password(dn, password))

    async def find(self, base: str, filter: str, attributes: Sequence[str]) -> list[Found]:
        """All that matches, which is not much. Raises what `pages` raises."""

        def read() -> list[Found]:
            pages = self._server.search(base, filter, attributes)
            return [entry for page in pages for entry in page]

        return await self._run(read)

    async def pages(
        self, base: str, filter: str, attributes: Sequence[str]
    ) -> AsyncIterator[list[Found]]:
        """All that matches, page by page.

        Raises DirectoryAuthenticationFailed, DirectoryUnavailable, Busy.
        """
        pages = self._server.search(base, filter, attributes)
        try:
            while (page := await self._run(lambda: next(pages, None))) is not None:
                yield page
        finally:
            # A page that came too late is still being read: then its end closes the connection.
            with contextlib.suppress(ValueError, WorkpostError):
                await self._run(pages.close)

    async def read(self, dn: str, attributes: Sequence[str]) -> Found | None:
        """One entry by its name, None when it is not there. Raises what `pages` raises."""

        def first() -> Found | None:
            pages = self._server.search(dn, "(objectClass=*)", attributes, only_base=True)
            found = [entry for page in pages for entry in page]
            return found[0] if found else None

        return await self._run(first)

    async def root(self, attributes: Sequence[str]) -> Values:
        """Attributes of the server itself. Raises what `pages` raises."""
        return await self._run(lambda: self._server.root(attributes))
