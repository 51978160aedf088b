"""Large bodies go through in pieces, and writes may depend on what is there, with boto3."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError

from tests.protocols.s3.test_multipart import begin, complete, part
from tests.protocols.s3.test_who import Put
from tests.support.buckets import Buckets, refused

MIB = 1 << 20
LARGE = 64 * MIB
MOST_GROWTH = 12 * MIB
"""Of server and client, which are one process here: a few pieces each, and what grows beside."""
EXISTS = (412, "PreconditionFailed")


def growth(work: Callable[[], None]) -> int:
    """Bytes that are in memory at the most while something is done."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_a_large_body_is_never_in_memory_as_a_whole(buckets: Buckets, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    with sent.open("wb") as file:
        file.truncate(LARGE)
    wanted = hashlib.md5(sent.read_bytes()).hexdigest()
    client, place = buckets.client, {"Bucket": buckets.bucket, "Key": "large"}

    def put() -> None:
        with sent.open("rb") as file:
            client.put_object(**place, Body=file)

    def get() -> None:
        got = hashlib.md5()
        for piece in client.get_object(**place)["Body"].iter_chunks(64 << 10):
            got.update(piece)
        assert got.hexdigest() == wanted

    def copy() -> None:
        client.copy_object(Bucket=buckets.bucket, Key="copy", CopySource=place)

    for work in (put, get, copy):
        assert growth(work) < MOST_GROWTH
    assert client.head_object(Bucket=buckets.bucket, Key="copy")["ETag"] == f'"{wanted}"'


def test_nothing_is_seen_of_a_body_that_is_not_proven(buckets: Buckets) -> None:
    buckets.put("object", b"before")
    put = Put(buckets, hashlib.sha256(bytes(3 * MIB)).hexdigest())
    assert b"XAmzContentSHA256Mismatch" in put.send(bytes(3 * MIB - 1) + b"x")[1]
    assert buckets.get("object") == b"before"
    assert [each.name for each in buckets.folder.iterdir()] == ["object"]
    assert put.send(bytes(3 * MIB))[0] == 200
    assert buckets.get("object") == bytes(3 * MIB)


def test_an_object_is_put_where_there_is_none(buckets: Buckets) -> None:
    call, place = buckets.client.put_object, {"Bucket": buckets.bucket, "Key": "a"}
    call(**place, Body=b"1", IfNoneMatch="*")
    assert refused(lambda: call(**place, Body=b"2", IfNoneMatch="*")) == EXISTS
    assert buckets.get("a") == b"1"


def test_of_many_at_once_one_is_the_first(buckets: Buckets) -> None:
    def put(number: int) -> str:
        try:
            buckets.client.put_object(
                Bucket=buckets.bucket, Key="a", Body=b"%d" % number, IfNoneMatch="*"
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "put"

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(put, range(8)))
    assert sorted(told) == ["PreconditionFailed"] * 7 + ["put"]
    assert buckets.get("a") == b"%d" % told.index("put")


def test_an_object_is_replaced_that_is_still_the_same(buckets: Buckets) -> None:
    call, place = buckets.client.put_object, {"Bucket": buckets.bucket, "Key": "a"}
    assert refused(lambda: call(**place, Body=b"1", IfMatch='"0"')) == (404, "NoSuchKey")
    tag = call(**place, Body=b"1")["ETag"]
    call(**place, Body=b"2", IfMatch=tag)
    assert refused(lambda: call(**place, Body=b"3", IfMatch=tag)) == EXISTS
    assert buckets.get("a") == b"2"


def test_an_upload_is_completed_where_there_is_no_object(buckets: Buckets) -> None:
    buckets.put("new/large.eml", b"before")
    upload = begin(buckets)
    parts = [part(buckets, upload, 1, b"x")]
    call = buckets.client.complete_multipart_upload
    place = {"Bucket": buckets.bucket, "Key": "new/large.eml", "UploadId": upload}
    more = {"MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
    assert refused(lambda: call(**place, **more)) == EXISTS
    assert buckets.get("new/large.eml") == b"before"
    complete(buckets, upload, parts)
    assert buckets.get("new/large.eml") == b"x"
