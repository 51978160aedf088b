"""Uploads in parts to a bucket at an S3 endpoint, as functions make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workpost.integrations.s3.depot import Begun, Part


class BucketUploads:
    """Uploads of one bucket; implements `Uploads`. `call` is the bucket's way to ask S3."""

    def __init__(self, call: Callable[..., Any], begin: Callable[[str], str]) -> None:
        self._call = call
        self._begin = begin

    def begin(self, name: str) -> str:
        return self._begin(name)

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        answer = self._call("upload_part", Key=name, UploadId=upload, PartNumber=number, Body=data)
        return str(answer["ETag"]).strip('"')

    def parts(self, name: str, upload: str, after: int, limit: int) -> Sequence[Part]:
        answer = self._call(
            "list_parts", Key=name, UploadId=upload, PartNumberMarker=after, MaxParts=limit
        )
        return [
            Part(one["PartNumber"], one["Size"], _time(one["LastModified"]), one["ETag"].strip('"'))
            for one in answer.get("Parts", ())
        ]

    def complete(self, name: str, upload: str, chosen: Sequence[tuple[int, str]]) -> str:
        parts = [{"PartNumber": number, "ETag": f'"{tag}"'} for number, tag in chosen]
        answer = self._call(
            "complete_multipart_upload",
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
        )
        return str(answer["ETag"]).strip('"')

    def abort(self, name: str, upload: str) -> None:
        self._call("abort_multipart_upload", Key=name, UploadId=upload)

    def begun(self, prefix: str, after: tuple[str, str], limit: int) -> Sequence[Begun]:
        markers = dict(zip(("KeyMarker", "UploadIdMarker"), filter(None, after), strict=False))
        answer = self._call("list_multipart_uploads", Prefix=prefix, MaxUploads=limit, **markers)
        return [
            Begun(one["Key"], one["UploadId"], _time(one["Initiated"]))
            for one in answer.get("Uploads", ())
        ]


def _time(moment: Any) -> int:
    return int(moment.timestamp() * 1000)
