"""What Workpost asks of a directory outside; it never writes there."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

import msgspec

Values = Mapping[str, Sequence[bytes]]
"""Values by the lower-case name of their attribute; options such as `;range=` stay in the name."""


class Found(msgspec.Struct, frozen=True):
    """One entry as the server sent it."""

    dn: str
    values: Values


class DirectoryServer(Protocol):
    """A directory. Blocking, each call bounded in time; called in threads, from several at once.

    Every method raises DirectoryAuthenticationFailed when the server does not take our own
    credentials, DirectoryUnavailable when it does not answer or answers with an error.
    """

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, only_base: bool = False
    ) -> Generator[list[Found], None, None]:
        """The matching entries, page by page (RFC 2696), in no order.

        What is still to come when the generator is closed is not read.
        """
        ...

    def root(self, attributes: Sequence[str]) -> Values:
        """Attributes of the server itself (RFC 4512 5.1)."""
        ...

    def is_password(self, dn: str, password: bytes) -> bool:
        """Whether the entry can bind with a password (RFC 4513 5.1.3); never with an empty one."""
        ...

    def close(self) -> None:
        """Close all connections, also those that wait for an answer."""
        ...
