"""The interface of a tenant's own bucket: objects are written in parts, read, listed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from workpost.kernel.errors import InvalidParameter

MAX_PARTS = 10_000
PART_BYTES = 8 * 1024 * 1024
"""Of a part, at least, the last one apart; S3 takes no part below 5 MiB."""


class Refused(InvalidParameter):
    """The bucket or the key says no, or is not there; asking again will not help."""


class Gone(Refused):
    """The upload is not there: somebody threw it away, or it was completed and the answer lost."""


class NoObject(Refused):
    """There is no object of this name, or not in this version."""


class TooLarge(Refused):
    """The object is larger than whoever reads it can take."""


class Entry(msgspec.Struct, frozen=True):
    """An object as a bucket lists it: bytes, time of its last change in ms, what S3 calls ETag."""

    name: str
    size: int
    modified: int
    tag: str


class Depot(Protocol):
    """One bucket. Blocking; called in threads.

    Every method raises Refused (Gone for an upload that is not there), and TryLater when the bucket
    is out of reach. An object appears whole or not at all, and replaces one of the same name.
    """

    def check(self) -> None:
        """Refuse a bucket that is not there, or that everybody can read."""
        ...

    def begin(self, name: str) -> str:
        """Begin an upload in parts; returns its id."""
        ...

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        """Upload part `number`, from 1; returns its tag. A part may be sent again."""
        ...

    def complete(self, name: str, upload: str, tags: Sequence[str]) -> None:
        """Make the object of all parts; durable when it returns."""
        ...

    def abort(self, name: str, upload: str) -> None:
        """Throw an upload's parts away; one that is not there is no error."""
        ...

    def unfinished(self, name: str) -> list[str]:
        """Uploads of this name that were begun; empty where the bucket does not tell."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write a small object; durable when it returns."""
        ...

    def fetch(self, name: str, version: str, limit: int) -> bytes:
        """An object of at most `limit` bytes; `version` is "" for the newest.

        Raises NoObject, TooLarge.
        """
        ...

    def look(self, name: str) -> Entry:
        """What is known of an object. Raises NoObject."""
        ...

    def entries(self, prefix: str, after: str, limit: int) -> Sequence[Entry]:
        """The first `limit` (at most 1,000) objects by name that begin with `prefix`.

        Only those whose names are greater than `after`, in the order of their UTF-8 bytes.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        ...
