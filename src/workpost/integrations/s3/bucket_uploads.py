"""Uploads in parts to a bucket at an S3 endpoint, as functions make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workpost.formats.checksums import Sum
from workpost.integrations.s3.bucket_pieces import (
    SpooledWriting,
    conditions,
    sum_in,
    sum_parameters,
)
from workpost.integrations.s3.depot import ANYTHING, Begun, Chosen, Condition, Done, Part, Writing


class BucketUploads:
    """Uploads of one bucket; implements `Uploads`. `call` is the bucket's way to ask S3."""

    def __init__(
        self, call: Callable[..., Any], begin: Callable[..., str], spool: Path | None
    ) -> None:
        self._call = call
        self._begin = begin
        self._spool = spool

    def begin(self, name: str, algorithm: str = "", kind: str = "") -> str:
        if not algorithm:
            return self._begin(name)
        return self._begin(name, ChecksumAlgorithm=algorithm, ChecksumType=kind)

    def algorithm(self, name: str, upload: str) -> str:
        answer = self._call("list_parts", Key=name, UploadId=upload, MaxParts=1)
        return str(answer.get("ChecksumAlgorithm", ""))

    def write_part(self, name: str, upload: str, number: int, size: int) -> Writing:
        def send(body: Any, sum: Sum | None) -> str:
            answer = self._call(
                "upload_part",
                Key=name,
                UploadId=upload,
                PartNumber=number,
                Body=body,
                **sum_parameters(sum),
            )
            return str(answer["ETag"]).strip('"')

        return SpooledWriting(self._spool, size, send)

    def parts(self, name: str, upload: str, after: int, limit: int) -> Sequence[Part]:
        answer = self._call(
            "list_parts", Key=name, UploadId=upload, PartNumberMarker=after, MaxParts=limit
        )
        return [
            Part(
                one["PartNumber"],
                one["Size"],
                _time(one["LastModified"]),
                one["ETag"].strip('"'),
                sum_in(one),
            )
            for one in answer.get("Parts", ())
        ]

    def complete(
        self,
        name: str,
        upload: str,
        chosen: Sequence[Chosen],
        wanted: Sum | None = None,
        condition: Condition = ANYTHING,
    ) -> Done:
        parts = [
            {"PartNumber": each.number, "ETag": f'"{each.tag}"', **sum_parameters(each.sum)}
            for each in chosen
        ]
        kind = {"ChecksumType": wanted.kind} if wanted is not None else {}
        answer = self._call(
            "complete_multipart_upload",
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
            **sum_parameters(wanted),
            **kind,
            **conditions(condition),
        )
        return Done(str(answer["ETag"]).strip('"'), sum_in(answer))

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
