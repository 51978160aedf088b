"""Objects of a bucket at an S3 endpoint, written and read piece by piece."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workpost.formats.checksums import SIZES, Sum
from workpost.integrations.s3.depot import Condition
from workpost.integrations.s3.folder_files import translated
from workpost.kernel.errors import TryLater

IN_MEMORY = 1 << 20
"""Bytes up to which no file is made of what is written."""
Send = Callable[[Any, Sum | None], str]
"""Sends a file with its checksum; tells the ETag."""


class SpooledWriting:
    """What is written waits in a file without a name until it is complete; implements `Writing`.

    An endpoint wants to know the checksum first, and sees nothing that is not proven.
    """

    def __init__(self, folder: Path | None, size: int, send: Send) -> None:
        self._size = size
        self._send = send
        self._lock = threading.Lock()
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by `abort`
                IN_MEMORY, dir=str(folder) if folder is not None else None
            )
        except OSError as error:
            raise translated(error) from error

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._file.closed or self._file.tell() + len(data) > self._size:
                raise TryLater("what is written was given up, or is larger than was said")
            try:
                self._file.write(data)
            except OSError as error:
                raise translated(error) from error

    def finish(self, sum: Sum | None = None) -> str:
        with self._lock:
            if self._file.closed or self._file.tell() != self._size:
                raise TryLater("what is written was given up, or is smaller than was said")
            self._file.seek(0)
            tag = self._send(self._file, sum)
            self._file.close()
            return tag

    def abort(self) -> None:
        with self._lock:
            self._file.close()


class StreamReading:
    """The body of an answer; implements `Reading`."""

    def __init__(self, body: Any, size: int) -> None:
        self._body = body
        self._left = size
        self._lock = threading.Lock()

    def read(self, octets: int) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        with self._lock:
            octets = min(octets, self._left)
            try:
                data = bytes(self._body.read(octets)) if octets else b""
            except (BotoCoreError, HTTPError, OSError) as error:
                raise TryLater(f"S3 broke off: {type(error).__name__}") from error
            if octets and not data:
                raise TryLater("S3 broke off in the middle of an object")
            self._left -= len(data)
            return data

    def close(self) -> None:
        with self._lock:
            if self._body is not None:
                self._body.close()


def sum_parameters(sum: Sum | None) -> dict[str, str]:
    """What sends a checksum with an object or a part."""
    return {f"Checksum{sum.algorithm}": sum.value} if sum is not None else {}


def sum_in(answer: Mapping[str, Any]) -> Sum | None:
    """The checksum that an answer tells, None for none that is known here."""
    for algorithm in SIZES:
        if value := answer.get(f"Checksum{algorithm}"):
            return Sum(algorithm, value)
    return None


def conditions(condition: Condition) -> dict[str, str]:
    """What asks for a condition."""
    if condition.absent:
        return {"IfNoneMatch": "*"}
    return {"IfMatch": f'"{condition.match}"'} if condition.match else {}
