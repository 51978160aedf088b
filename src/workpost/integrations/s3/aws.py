"""A bucket of S3, or of anything that speaks its protocol.

The client (`client.py`) is made at first use: botocore loads only where a bucket is configured.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from workpost.integrations.s3.client import make_client
from workpost.kernel.errors import Fault, TryLater

DELETE_AT_ONCE = 1000
MISSING = {"NoSuchKey", "404", "NotFound"}


class Bucket:
    """One bucket; implements `ObjectStore`."""

    def __init__(self, bucket: str, region: str) -> None:
        self._bucket = bucket
        self._region = region
        self._lock = threading.Lock()
        self._client: Any = None

    def put(self, name: str, data: bytes) -> None:
        self._call("put_object", Key=name, Body=data)

    def get(self, name: str, start: int, end: int) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        answer = self._call("get_object", Key=name, Range=f"bytes={start}-{end - 1}")
        if answer is None:
            raise Fault(f"the object {name} is not in the bucket")
        try:
            data = bytes(answer["Body"].read())
        except (BotoCoreError, HTTPError, OSError) as error:
            raise TryLater(f"S3 broke off: {type(error).__name__}") from error
        if len(data) != end - start:
            raise Fault(f"the object {name} is cut short")
        return data

    def size(self, name: str) -> int | None:
        answer = self._call("head_object", Key=name)
        return int(answer["ContentLength"]) if answer is not None else None

    def delete(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), DELETE_AT_ONCE):
            objects = [{"Key": name} for name in names[start : start + DELETE_AT_ONCE]]
            self._call("delete_objects", Delete={"Objects": objects, "Quiet": True})

    def walk(self, prefix: str) -> Iterator[tuple[str, int]]:
        after = ""
        while True:
            answer = self._call("list_objects_v2", Prefix=prefix, StartAfter=after) or {}
            for entry in answer.get("Contents", ()):
                after = entry["Key"]
                yield after, int(entry["LastModified"].timestamp() * 1000)
            if not answer.get("IsTruncated"):
                return

    def _call(self, operation: str, **kw: Any) -> Any:
        """The answer, or None for an object that is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._open(), operation)(Bucket=self._bucket, **kw)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in MISSING:
                return None
            raise TryLater(f"S3 refused {operation}: {code}") from error
        except BotoCoreError as error:
            raise TryLater(f"S3 cannot be reached: {type(error).__name__}") from error

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = make_client(self._region)
            return self._client
