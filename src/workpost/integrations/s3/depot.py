"""The interface of a tenant's own bucket: objects are written in parts, read, listed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from workpost.formats.checksums import Sum
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


class BucketFull(Refused):
    """The bucket holds as much as it may."""


class ConditionFailed(Refused):
    """There is an object where none was wanted, or another one than was wanted."""


class PartsRefused(Refused):
    """Parts make no object, or not the one that was told.

    `code` is S3's: InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest, BadDigest.
    """

    def __init__(self, message: str = "", code: str = "InvalidPart") -> None:
        super().__init__(message)
        self.code = code


class Part(NamedTuple):
    """A part of an upload: bytes, time in ms, ETag, the checksum that came with it."""

    number: int
    size: int
    modified: int
    tag: str
    sum: Sum | None = None


class Chosen(NamedTuple):
    """A part that an object is to be made of; a checksum that is told has to be the part's."""

    number: int
    tag: str
    sum: Sum | None = None


class Done(NamedTuple):
    """The object of an upload: its ETag, and its checksum where the upload has them."""

    tag: str
    sum: Sum | None = None


class Begun(NamedTuple):
    """An upload that is neither complete nor aborted; time in ms."""

    name: str
    upload: str
    began: int


class Entry(msgspec.Struct, frozen=True):
    """An object as a bucket lists it: bytes, time of its last change in ms, what S3 calls ETag.

    Lists tell no checksum. `version` is set where one was asked for.
    """

    name: str
    size: int
    modified: int
    tag: str
    sum: Sum | None = None
    version: str = ""


class Condition(NamedTuple):
    """What has to be in the place of an object that is written: anything, where nothing is said."""

    match: str = ""
    """The ETag of the object."""
    absent: bool = False
    """No object."""


ANYTHING = Condition()


class Writing(Protocol):
    """An object or a part that is being written; nobody sees it before `finish`.

    Blocking, and raises what `Depot` raises. Whoever does not finish it aborts it.
    """

    def write(self, data: bytes) -> None:
        """Add data."""
        ...

    def finish(self, sum: Sum | None = None) -> str:
        """Make it what it is to be, durable, with a checksum that was verified; returns its ETag.

        Raises ConditionFailed and NoObject for a condition, Gone and PartsRefused for a part.
        """
        ...

    def abort(self) -> None:
        """Throw it away; nothing happens to what was finished."""
        ...


class Reading(Protocol):
    """An object, or a range of it, that is being read. Blocking."""

    def read(self, octets: int) -> bytes:
        """So many bytes, fewer at the end. Raises TryLater when it breaks off."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Uploads(Protocol):
    """Uploads in parts as S3 has them: parts come in any order, in several processes at once.

    Blocking, and raises what `Depot` raises.
    """

    def begin(self, name: str, algorithm: str = "", kind: str = "") -> str:
        """Begin an upload, with checksums of an algorithm and a type or none; returns its id."""
        ...

    def algorithm(self, name: str, upload: str) -> str:
        """The algorithm of its checksums, "" for none. Raises Gone."""
        ...

    def write_part(self, name: str, upload: str, number: int, size: int) -> Writing:
        """Put or replace part `number` (1 to MAX_PARTS). Raises Gone, BucketFull."""
        ...

    def parts(self, name: str, upload: str, after: int, limit: int) -> Sequence[Part]:
        """The first `limit` parts whose numbers are greater than `after`. Raises Gone."""
        ...

    def complete(
        self,
        name: str,
        upload: str,
        chosen: Sequence[Chosen],
        wanted: Sum | None = None,
        condition: Condition = ANYTHING,
    ) -> Done:
        """Make the object of the chosen parts; `wanted` is the checksum it has to have.

        Raises Gone, PartsRefused, ConditionFailed, NoObject.
        """
        ...

    def abort(self, name: str, upload: str) -> None:
        """Throw the parts away. Raises Gone."""
        ...

    def begun(self, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Begun]:
        """The first `limit` uploads behind `after` (name, id) whose names begin with `prefix`.

        An id "" stands for all of the name.
        """
        ...


class Depot(Protocol):
    """One bucket. Blocking; called in threads.

    Every method raises Refused (Gone for an upload that is not there), and TryLater when the bucket
    is out of reach. An object appears whole or not at all, and replaces one of the same name.
    """

    @property
    def uploads(self) -> Uploads:
        """Uploads that others than exports begin: those of functions."""
        ...

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

    def put(self, name: str, data: bytes) -> str:
        """Write a small object, durable when it returns; returns its ETag."""
        ...

    def fetch(self, name: str, version: str, limit: int) -> bytes:
        """An object of at most `limit` bytes; `version` is "" for the newest.

        Raises NoObject, TooLarge.
        """
        ...

    def write(self, name: str, size: int, condition: Condition = ANYTHING) -> Writing:
        """Write an object of `size` bytes, piece by piece. Raises BucketFull, ConditionFailed."""
        ...

    def open(self, entry: Entry, start: int, end: int) -> Reading:
        """Read bytes `start` to `end` (exclusive) of an object as `look` told it.

        Raises TryLater when it is another one by now, NoObject.
        """
        ...

    def look(self, name: str, version: str = "") -> Entry:
        """What is known of an object, with its checksum. Raises NoObject."""
        ...

    def entries(self, prefix: str, after: str, limit: int) -> Sequence[Entry]:
        """The first `limit` (at most 1,000) objects by name that begin with `prefix`.

        Only those whose names are greater than `after`, in the order of their UTF-8 bytes.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete an object; one that is not there is no error."""
        ...
