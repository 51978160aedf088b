"""Files of a folder that stands for a bucket, written and read piece by piece."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

from workpost.formats.checksums import Sum
from workpost.integrations.s3.folder_files import translated, write
from workpost.kernel.errors import TryLater

Publish = Callable[[int, str, Sum | None], str]
"""Makes of an open file, the MD5 of what it holds and a checksum what it is to be; tells its ETag.

Raises OSError, too.
"""


class FileWriting:
    """A file that becomes an object or a part; implements `Writing`.

    It has its size from the beginning. One thread may abort it while another still writes.
    """

    def __init__(self, handle: int, size: int, publish: Publish, discard: Callable[[], None]):
        self._handle = handle
        self._size = size
        self._publish = publish
        self._discard = discard
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._at = 0
        self._open = True
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            if not self._open or self._at + len(data) > self._size:
                raise TryLater("what is written was given up, or is larger than was said")
            try:
                write(self._handle, data, self._at)
            except OSError as error:
                raise translated(error) from error
            self._md5.update(data)
            self._at += len(data)

    def finish(self, sum: Sum | None = None) -> str:
        with self._lock:
            if not self._open or self._at != self._size:
                raise TryLater("what is written was given up, or is smaller than was said")
            try:
                tag = self._publish(self._handle, self._md5.hexdigest(), sum)
            except OSError as error:
                raise translated(error) from error
            self._open = False
            os.close(self._handle)
            return tag

    def abort(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._handle)
                self._discard()


class FileReading:
    """A range of a file; implements `Reading`. The file stays what it was when it is replaced."""

    def __init__(self, handle: int, start: int, end: int) -> None:
        self._handle = handle
        self._at = start
        self._end = end
        self._lock = threading.Lock()

    def read(self, octets: int) -> bytes:
        with self._lock:
            octets = min(octets, self._end - self._at)
            try:
                data = os.pread(self._handle, octets, self._at) if octets else b""
            except OSError as error:
                raise translated(error, "read") from error
            if octets and not data:
                raise TryLater("the object has changed meanwhile")
            self._at += len(data)
            return data

    def close(self) -> None:
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
