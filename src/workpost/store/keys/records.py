"""What lies in the key store, and the interface of its two engines.

A row is one generation of one scope. `parent` says what wrapped it: `ring` (the local key ring),
`kms:<ARN>`, or the scope of another key, whose generation is `parent_gen` (for the ring: its
version). A destroyed row stays, its wrapped key overwritten with zeros, so that "shredded" and
"never existed" are told apart. The shred list names every scope ever shredded, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

SYSTEM = "system"


def org_scope(organization: str) -> str:
    """Scope of an organization's data key."""
    return f"org/{organization}"


def mailbox_scope(mailbox: int) -> str:
    """Scope of a mailbox's key."""
    return f"mailbox/{mailbox}"


def tag_scope(mailbox: int) -> str:
    """Scope of a mailbox's tag key."""
    return f"tag/{mailbox}"


def token_scope(purpose: str) -> str:
    """Scope of a key for tokens, under the system key."""
    return f"token/{purpose}"


class KeyRow(msgspec.Struct, frozen=True, array_like=True):
    """One generation of one key, wrapped."""

    scope: str
    gen: int
    parent: str
    parent_gen: int
    wrapped: bytes
    created: int
    retired_at: int | None = None
    """When nothing was first seen to refer to this superseded generation."""
    destroyed_at: int | None = None


class Shred(msgspec.Struct, frozen=True):
    """An entry of the shred list: `org/<id>` covers its mailboxes, `mailbox/<id>` its tag key."""

    at: int
    scope: str


class KeyStore(Protocol):
    """The key store; blocking, called from several threads, shared by several processes.

    Every method raises TryLater when the store is out of reach or stays locked.
    """

    def load(self, scope: str, gen: int | None = None) -> KeyRow | None:
        """One generation, or the newest one; destroyed ones too."""
        ...

    def add(self, rows: Sequence[KeyRow], alive: Sequence[KeyRow] = ()) -> None:
        """Insert rows, all or none, while those of `alive` (parent, predecessor) are still live.

        Raises Conflict when a row exists already, KeyDestroyed when one of `alive` is gone.
        """
        ...

    def rewrap(self, row: KeyRow, parent: str, parent_gen: int, wrapped: bytes) -> bool:
        """Replace the wrap of a row that is still as given; False when it is not."""
        ...

    def children(
        self, parent: str, *, below: int, after: tuple[str, int], limit: int
    ) -> list[KeyRow]:
        """Live rows that `parent` wrapped with a generation under `below`, by (scope, gen)."""
        ...

    def has_children(self, parent: str, gen: int | None = None) -> bool:
        """Whether a live row is wrapped by the parent (by this generation of it)."""
        ...

    def superseded(self, *, after: tuple[str, int], limit: int) -> list[KeyRow]:
        """Live rows with a newer generation beside them, by (scope, gen)."""
        ...

    def page(self, *, after: tuple[str, int], limit: int) -> list[KeyRow]:
        """All rows by (scope, gen), destroyed ones too."""
        ...

    def retire(self, scope: str, gen: int, at: int | None) -> None:
        """Note (or, with None, forget) that nothing refers to a superseded generation."""
        ...

    def destroy(self, scope: str, gen: int | None, at: int) -> int:
        """Overwrite one generation, or all of a scope; returns how many were live."""
        ...

    def destroy_family(self, parent: str, at: int) -> int:
        """Overwrite every key that `parent` wraps; returns how many were live."""
        ...

    def restore(self, rows: Sequence[KeyRow]) -> None:
        """Insert rows of a key backup as they are; those that exist stay."""
        ...

    def append_shred(self, entry: Shred) -> None:
        """Append to the shred list; durable when it returns. An entry is never removed."""
        ...

    def shred_list(self) -> list[Shred]:
        """The shred list, in order."""
        ...

    def scrub(self) -> None:
        """Drop what the engine still holds of overwritten rows (log, dead tuples)."""
        ...

    def close(self) -> None: ...
