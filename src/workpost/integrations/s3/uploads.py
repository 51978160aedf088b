"""A tenant's bucket at an S3 endpoint: the real `Depot`, with encryption by a KMS key (SSE-KMS).

For exports it needs what the role of WorkMail's guide has: `s3:PutObject`,
`s3:AbortMultipartUpload`, `s3:GetBucketPolicyStatus`, `kms:GenerateDataKey` and `kms:Decrypt` of
the key. Where `s3:ListBucketMultipartUploads` is allowed, too, uploads are found whose id was lost
in a crash.
To read what functions leave there it needs `s3:GetObject` and `s3:GetObjectVersion`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from workpost.formats.checksums import Sum
from workpost.integrations.s3.bucket_pieces import (
    SpooledWriting,
    StreamReading,
    conditions,
    sum_in,
    sum_parameters,
)
from workpost.integrations.s3.bucket_uploads import BucketUploads
from workpost.integrations.s3.client import make_client
from workpost.integrations.s3.depot import (
    ANYTHING,
    Condition,
    ConditionFailed,
    Entry,
    Gone,
    NoObject,
    PartsRefused,
    Reading,
    Refused,
    TooLarge,
    Uploads,
    Writing,
)
from workpost.kernel.errors import TryLater

ENCRYPTION = "aws:kms"
NO_UPLOAD = "NoSuchUpload"
NO_OBJECT = ("NoSuchKey", "NoSuchVersion", "InvalidVersion", "InvalidArgument", "404")
"""A version id that no version can have is an invalid argument."""
CHANGED = "PreconditionFailed"
PARTS = frozenset(
    {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidRequest", "BadDigest"}
)
CONDITION = frozenset({CHANGED, "ConditionalRequestConflict", "412"})
WITH_PARTS = frozenset({"upload_part", "complete_multipart_upload"})
NOT_THERE = frozenset({NO_UPLOAD, "404"})
NO_POLICY = frozenset({"NoSuchBucketPolicy", "NotImplemented", "MethodNotAllowed", "501", "405"})
"""Answers of buckets without a policy, and of endpoints that know none."""
PASSING = frozenset(
    {
        *(
            "RequestTimeout",
            "RequestTimeTooSkewed",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
        ),
        *("TooManyRequestsException", "ExpiredToken", "OperationAborted", "InternalError"),
    }
)
PASSING_STATUS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class BucketDepot:
    """A bucket with the KMS key that encrypts what is put into it; implements `Depot`.

    Without a key the bucket itself decides how to encrypt.
    """

    def __init__(
        self, bucket: str, key: str, region: str, profile: str = "", spool: Path | None = None
    ) -> None:
        """`spool` is the folder for what is written piece by piece, None for the system's."""
        self._bucket = bucket
        self._key = key
        self._region = region
        self._profile = profile
        self._lock = threading.Lock()
        self._client: Any = None
        self._spool = spool
        self._uploads = BucketUploads(self._call, self._begin, spool)

    @property
    def uploads(self) -> Uploads:
        return self._uploads

    def check(self) -> None:
        answer = self._call("get_bucket_policy_status", *NO_POLICY)
        if answer is not None and answer.get("PolicyStatus", {}).get("IsPublic"):
            raise Refused(f"the bucket {self._bucket} is public")

    def begin(self, name: str) -> str:
        return self._begin(name)

    def _begin(self, name: str, **more: str) -> str:
        answer = self._call("create_multipart_upload", Key=name, **self._encryption(), **more)
        upload = str(answer["UploadId"])
        if self._key and answer.get("ServerSideEncryption") != ENCRYPTION:
            self.abort(name, upload)
            raise Refused(f"the endpoint of {self._bucket} does not encrypt with a KMS key")
        return upload

    def put_part(self, name: str, upload: str, number: int, data: bytes) -> str:
        answer = self._call("upload_part", Key=name, UploadId=upload, PartNumber=number, Body=data)
        return str(answer["ETag"])

    def complete(self, name: str, upload: str, tags: Sequence[str]) -> None:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        self._call(
            "complete_multipart_upload",
            Key=name,
            UploadId=upload,
            MultipartUpload={"Parts": parts},
        )

    def abort(self, name: str, upload: str) -> None:
        self._call("abort_multipart_upload", *NOT_THERE, Key=name, UploadId=upload)

    def unfinished(self, name: str) -> list[str]:
        try:
            answer = self._call("list_multipart_uploads", Prefix=name)
        except Refused:
            return []
        return [each["UploadId"] for each in answer.get("Uploads", ()) if each["Key"] == name]

    def put(self, name: str, data: bytes) -> str:
        answer = self._call("put_object", Key=name, Body=data, **self._encryption())
        return str(answer["ETag"]).strip('"')

    def fetch(self, name: str, version: str, limit: int) -> bytes:
        wanted = {"VersionId": version} if version else {}
        answer = self._call("get_object", *NO_OBJECT, Key=name, **wanted)
        if answer is None:
            raise NoObject(f"the bucket {self._bucket} has no such object")
        data = _taken(answer["Body"], limit) if answer["ContentLength"] <= limit else None
        if data is None or len(data) > limit:
            raise TooLarge(f"the object has more than {limit} bytes")
        if len(data) != answer["ContentLength"]:
            raise TryLater("S3 broke off in the middle of an object")
        return data

    def write(self, name: str, size: int, condition: Condition = ANYTHING) -> Writing:
        def send(body: Any, sum: Sum | None) -> str:
            answer = self._call(
                "put_object",
                Key=name,
                Body=body,
                **self._encryption(),
                **conditions(condition),
                **sum_parameters(sum),
            )
            return str(answer["ETag"]).strip('"')

        return SpooledWriting(self._spool, size, send)

    def open(self, entry: Entry, start: int, end: int) -> Reading:
        if start == end:
            return StreamReading(None, 0)
        version = {"VersionId": entry.version} if entry.version else {}
        answer = self._call(
            "get_object",
            *NO_OBJECT,
            CHANGED,
            Key=entry.name,
            IfMatch=f'"{entry.tag}"',
            Range=f"bytes={start}-{end - 1}",
            **version,
        )
        if answer is None:
            raise TryLater("the object has changed meanwhile")
        return StreamReading(answer["Body"], end - start)

    def look(self, name: str, version: str = "") -> Entry:
        wanted = {"VersionId": version} if version else {}
        answer = self._call(
            "head_object", *NO_OBJECT, "400", Key=name, ChecksumMode="ENABLED", **wanted
        )
        if answer is None:
            raise NoObject(f"the bucket {self._bucket} has no such object")
        entry = _entry(name, answer["ContentLength"], answer)
        return msgspec.structs.replace(entry, sum=sum_in(answer), version=version)

    def entries(self, prefix: str, after: str, limit: int) -> Sequence[Entry]:
        answer = self._call("list_objects_v2", Prefix=prefix, StartAfter=after, MaxKeys=limit)
        return [_entry(one["Key"], one["Size"], one) for one in answer.get("Contents", ())]

    def delete(self, name: str) -> None:
        self._call("delete_object", *NO_OBJECT, Key=name)

    def _encryption(self) -> dict[str, str]:
        if not self._key:
            return {}
        return {"ServerSideEncryption": ENCRYPTION, "SSEKMSKeyId": self._key}

    def _call(self, operation: str, *accepted: str, **kw: Any) -> Any:
        """The answer; None for an error whose code is among the accepted ones."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            HTTPClientError,
        )
        from botocore.exceptions import ConnectionError as NoConnection

        try:
            return getattr(self._open(), operation)(Bucket=self._bucket, **kw)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in accepted:
                return None
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            text = f"S3 refused {operation} in the bucket {self._bucket}: {code}"
            passing = status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED
            if code == NO_UPLOAD:
                raise Gone(text) from error
            if code in CONDITION:
                raise ConditionFailed(text) from error
            if code in {"NoSuchKey", "404"}:
                raise NoObject(text) from error
            if code in PARTS and operation in WITH_PARTS:
                raise PartsRefused(text, code) from error
            if passing or status in PASSING_STATUS or code in PASSING:
                raise TryLater(text) from error
            raise Refused(text) from error
        except (NoConnection, HTTPClientError) as error:
            raise TryLater(f"S3 cannot be reached: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise Refused(f"S3 cannot be asked: {error}") from error

    def _open(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = make_client(self._region, self._profile)
            return self._client


def _entry(name: str, size: int, facts: Any) -> Entry:
    return Entry(
        name, size, int(facts["LastModified"].timestamp() * 1000), facts["ETag"].strip('"')
    )


def _taken(stream: Any, limit: int) -> bytes:
    """What a body holds, and one byte more than `limit` at most. Raises TryLater."""
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    try:
        with stream as body:
            return bytes(body.read(limit + 1))
    except (BotoCoreError, HTTPError, OSError) as error:
        raise TryLater(f"S3 broke off: {type(error).__name__}") from error
