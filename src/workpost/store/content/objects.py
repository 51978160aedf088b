"""Contents as objects in S3: `<prefix>content/<32 hex digits, the random ones first>`.

The name begins with the id's random half, so that writes spread over the bucket's partitions.
"""

from __future__ import annotations

from collections.abc import Iterator

from workpost.integrations.s3.base import ObjectStore

FOLDER = "content/"
TIME_DIGITS = 12


class ContentObjects:
    """The bucket of large contents. Blocking; called in threads. Raises as `ObjectStore` does."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix + FOLDER

    def name(self, content_id: bytes) -> str:
        """The object's name."""
        digits = content_id.hex()
        return self._prefix + digits[TIME_DIGITS:] + digits[:TIME_DIGITS]

    def write(self, content_id: bytes, sealed: bytes) -> None:
        """Write a content; durable when it returns."""
        self._store.put(self.name(content_id), sealed)

    def read(self, content_id: bytes, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of the sealed form."""
        return self._store.get(self.name(content_id), start, end)

    def size(self, content_id: bytes) -> int | None:
        """Length of the sealed form, None when there is no object."""
        return self._store.size(self.name(content_id))

    def delete(self, content_ids: list[bytes]) -> None:
        """Delete objects; those that are not there are no error."""
        self._store.delete([self.name(content_id) for content_id in content_ids])

    def orphans(self, before: int) -> Iterator[bytes]:
        """Ids of objects last written before that time (ms): candidates, as with files."""
        for name, modified in self._store.walk(self._prefix):
            digits = name.removeprefix(self._prefix)
            try:
                content_id = bytes.fromhex(digits[-TIME_DIGITS:] + digits[:-TIME_DIGITS])
            except ValueError:
                continue
            if len(content_id) == 16 and modified < before:
                yield content_id
