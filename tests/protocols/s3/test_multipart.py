"""Uploads in parts over S3's protocol, with boto3 and its transfer manager."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from tests.support.buckets import Buckets, refused
from tests.support.moto import MotoServer
from workpost.integrations.s3 import folder_assembly
from workpost.integrations.s3.mapping import find_depot
from workpost.kernel.outside_settings import Outside
from workpost.operations.functions.buckets import sweep_buckets

MIB = 1 << 20
KEY = "new/large.eml"


@pytest.fixture(params=["folder", "s3"])
def either(request: pytest.FixtureRequest, buckets: Buckets) -> Buckets:
    """A bucket in a folder, and one at an S3 endpoint (moto)."""
    if request.param == "s3":
        request.getfixturevalue("moto_server")
        boto3.client("s3").create_bucket(Bucket=f"real-{buckets.bucket}")
        place = f"{buckets.account} {buckets.bucket} s3 real-{buckets.bucket}"
        buckets.set(outside=Outside(buckets=(place,)))
    return buckets


def begin(buckets: Buckets, key: str = KEY) -> str:
    answer = buckets.client.create_multipart_upload(Bucket=buckets.bucket, Key=key)
    return str(answer["UploadId"])


def part(buckets: Buckets, upload: str, number: int, body: bytes, key: str = KEY) -> dict[str, Any]:
    told = buckets.client.upload_part(
        Bucket=buckets.bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
    )
    return {"PartNumber": number, "ETag": told["ETag"]}


def complete(buckets: Buckets, upload: str, parts: list[dict[str, Any]], key: str = KEY) -> Any:
    return buckets.client.complete_multipart_upload(
        Bucket=buckets.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def beside(buckets: Buckets) -> Path:
    return buckets.folder.with_name(f".{buckets.bucket}.uploads")


def test_large_files_of_boto3s_transfer_manager(either: Buckets, tmp_path: Path) -> None:
    """Parts in parallel there, ranges in parallel back."""
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(17 * MIB + 5))
    either.client.upload_file(str(sent), either.bucket, KEY)
    assert either.client.head_object(Bucket=either.bucket, Key=KEY)["ETag"].endswith('-3"')
    either.client.download_file(either.bucket, KEY, str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == sent.read_bytes()
    got = io.BytesIO()
    either.client.download_fileobj(
        either.bucket, KEY, got, Config=TransferConfig(multipart_chunksize=5 * MIB)
    )
    assert got.getvalue() == sent.read_bytes()


def test_large_objects_are_copied_in_parts(either: Buckets) -> None:
    data = os.urandom(11 * MIB + 5)
    either.client.upload_fileobj(io.BytesIO(data), either.bucket, KEY)
    source = {"Bucket": either.bucket, "Key": KEY}
    parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    either.client.copy(source, either.bucket, "copy", Config=parts)
    assert either.client.head_object(Bucket=either.bucket, Key="copy")["ETag"].endswith('-3"')
    assert either.get("copy") == data
    upload = begin(either)
    more = {"Bucket": either.bucket, "Key": KEY, "UploadId": upload, "PartNumber": 1}
    call = either.client.upload_part_copy
    for wanted in ("bytes=0-99999999", "bytes=5-4", "bytes=5-"):
        answer = refused(lambda w=wanted: call(**more, CopySource=source, CopySourceRange=w))
        assert answer == (400, "InvalidArgument")
    stale = {"CopySource": source, "CopySourceIfMatch": '"0"'}
    assert refused(lambda: call(**more, **stale)) == (412, "PreconditionFailed")
    told = call(**more, CopySource=source, CopySourceRange="bytes=5-9")["CopyPartResult"]
    complete(either, upload, [{"PartNumber": 1, "ETag": told["ETag"]}])
    assert either.get(KEY) == data[5:10]


def test_parts_make_an_object_with_the_etag_of_s3(either: Buckets) -> None:
    upload = begin(either)
    last = part(either, upload, 7, b"end")
    part(either, upload, 2, b"x" * 5 * MIB)
    first = part(either, upload, 2, b"a" * 5 * MIB)
    part(either, upload, 9, b"left out")
    sums = hashlib.md5(b"a" * 5 * MIB).digest() + hashlib.md5(b"end").digest()
    whole = f'"{hashlib.md5(sums).hexdigest()}-2"'
    assert either.client.list_objects_v2(Bucket=either.bucket)["KeyCount"] == 0
    assert complete(either, upload, [first, last])["ETag"] == whole
    assert either.get(KEY) == b"a" * 5 * MIB + b"end"
    assert either.client.head_object(Bucket=either.bucket, Key=KEY)["ETag"] == whole


def test_parts_that_make_no_object(buckets: Buckets) -> None:
    upload = begin(buckets)
    small, last = part(buckets, upload, 1, b"small"), part(buckets, upload, 2, b"end")
    assert refused(lambda: complete(buckets, upload, [small, last])) == (400, "EntityTooSmall")
    assert refused(lambda: complete(buckets, upload, [last, small])) == (400, "InvalidPartOrder")
    assert refused(lambda: complete(buckets, upload, [small, small]))[1] == "InvalidPartOrder"
    missing = {"PartNumber": 3, "ETag": last["ETag"]}
    assert refused(lambda: complete(buckets, upload, [missing])) == (400, "InvalidPart")
    other = {"PartNumber": 1, "ETag": last["ETag"]}
    assert refused(lambda: complete(buckets, upload, [other])) == (400, "InvalidPart")
    assert refused(lambda: complete(buckets, upload, [])) == (400, "MalformedXML")
    for number in (0, 10_001):
        assert refused(lambda n=number: part(buckets, upload, n, b""))[1] == "InvalidArgument"
    complete(buckets, upload, [small])
    assert buckets.get(KEY) == b"small"
    # Who has not heard the answer asks again.
    assert complete(buckets, upload, [small])["ETag"].endswith('-1"')
    assert refused(lambda: complete(buckets, upload, [last])) == (404, "NoSuchUpload")
    buckets.put(KEY, b"another")
    assert refused(lambda: complete(buckets, upload, [small])) == (404, "NoSuchUpload")


@pytest.mark.parametrize("upload", ["0" * 32, "../x", "%"])
def test_uploads_that_are_not_there(buckets: Buckets, upload: str) -> None:
    place = {"Bucket": buckets.bucket, "Key": KEY, "UploadId": upload}
    wanted = (404, "NoSuchUpload")
    assert refused(lambda: part(buckets, upload, 1, b"x")) == wanted
    parts = [{"PartNumber": 1, "ETag": "x"}]
    assert refused(lambda: complete(buckets, upload, parts)) == wanted
    assert refused(lambda: buckets.client.abort_multipart_upload(**place)) == wanted
    assert refused(lambda: buckets.client.list_parts(**place)) == wanted


def test_an_upload_belongs_to_its_name_and_bucket(buckets: Buckets) -> None:
    upload = begin(buckets)
    assert refused(lambda: part(buckets, upload, 1, b"x", key="other"))[1] == "NoSuchUpload"
    other = Buckets(buckets.api)
    assert refused(lambda: part(other, upload, 1, b"x"))[1] == "NoSuchUpload"
    assert refused(lambda: begin(other, "../keys"))[1] == "AccessDenied"


def test_an_aborted_upload_leaves_nothing(either: Buckets) -> None:
    upload = begin(either)
    part(either, upload, 1, b"x")
    either.client.abort_multipart_upload(Bucket=either.bucket, Key=KEY, UploadId=upload)
    assert refused(lambda: part(either, upload, 2, b"x"))[0] in {404, 503}
    assert "Uploads" not in either.client.list_multipart_uploads(Bucket=either.bucket)
    if beside(either).exists():
        assert list(beside(either).iterdir()) == []


def test_uploads_and_parts_are_listed_in_pages(buckets: Buckets) -> None:
    keys = ["a", "b/1", "b/2", "ü"]
    for key in (*keys, "a"):
        begin(buckets, key)
    upload = begin(buckets, "parts")
    told = [part(buckets, upload, number, b"x" * number, "parts") for number in (1, 2, 5)]
    for size in (1, 2, 1000):
        config = {"PaginationConfig": {"PageSize": size}}
        pages = buckets.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=buckets.bucket, **config
        )
        found = [each["Key"] for page in pages for each in page.get("Uploads", ())]
        assert found == ["a", "a", "b/1", "b/2", "parts", "ü"]
        pages = buckets.client.get_paginator("list_parts").paginate(
            Bucket=buckets.bucket, Key="parts", UploadId=upload, **config
        )
        parts = [each for page in pages for each in page.get("Parts", ())]
        assert [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in parts] == told
        assert [each["Size"] for each in parts] == [1, 2, 5]
    narrow = buckets.client.list_multipart_uploads(Bucket=buckets.bucket, Prefix="b/")
    assert [each["Key"] for each in narrow["Uploads"]] == ["b/1", "b/2"]
    behind = buckets.client.list_multipart_uploads(Bucket=buckets.bucket, KeyMarker="b/1")
    assert [each["Key"] for each in behind["Uploads"]] == ["b/2", "parts", "ü"]


def test_an_upload_outlives_the_process_and_is_for_all_of_them(buckets: Buckets) -> None:
    upload = begin(buckets)
    parts = [part(buckets, upload, 1, b"x" * 5 * MIB)]
    later = find_depot(buckets.api.core.settings, buckets.account, buckets.bucket, bounded=True)
    assert later is not None
    writing = later.uploads.write_part(KEY, upload, 2, 3)
    writing.write(b"end")
    tag = writing.finish()
    complete(buckets, upload, [*parts, {"PartNumber": 2, "ETag": tag}])
    assert buckets.get(KEY, Range="bytes=-3") == b"end"


def test_completing_that_fails_can_be_tried_again(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets.put(KEY, b"before")
    upload = begin(buckets)
    parts = [part(buckets, upload, 1, b"x" * 5 * MIB), part(buckets, upload, 2, b"end")]

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(folder_assembly, "copy_into", full)
        assert refused(lambda: complete(buckets, upload, parts)) == (503, "ServiceUnavailable")
    assert buckets.get(KEY) == b"before"
    assert os.listdir(buckets.folder / "new") == ["large.eml"]
    complete(buckets, upload, parts)
    assert len(buckets.get(KEY)) == 5 * MIB + 3


def test_what_nobody_completes_is_thrown_away(buckets: Buckets) -> None:
    old, young = begin(buckets), begin(buckets)
    part(buckets, old, 1, b"x")
    part(buckets, young, 1, b"x")
    os.utime(beside(buckets) / old, (0, 0))
    buckets.put("other")
    stray = buckets.folder / f"lost.uploading-{'0' * 32}"
    stray.write_bytes(b"half")
    os.utime(stray, (0, 0))
    # Counted just now; as if it had been an hour ago.
    buckets.folder.with_name(f".{buckets.bucket}.usage").write_bytes(b"0 0 0")
    buckets.api.run(sweep_buckets(buckets.api.core))
    listed = buckets.client.list_multipart_uploads(Bucket=buckets.bucket)["Uploads"]
    assert [each["UploadId"] for each in listed] == [young]
    assert refused(lambda: part(buckets, old, 2, b"x"))[1] == "NoSuchUpload"
    assert not stray.exists()


def test_what_nobody_completes_goes_also_where_there_was_never_an_object(buckets: Buckets) -> None:
    old = begin(buckets)
    buckets.folder.rmdir()
    os.utime(beside(buckets) / old, (0, 0))
    buckets.folder.with_name(f".{buckets.bucket}.usage").write_bytes(b"0 0 0")
    buckets.api.run(sweep_buckets(buckets.api.core))
    assert list(beside(buckets).iterdir()) == []


def test_what_uploads_do_not_have_is_refused(buckets: Buckets, moto_server: MotoServer) -> None:
    client, place = buckets.client, {"Bucket": buckets.bucket, "Key": KEY}
    call = client.create_multipart_upload
    assert refused(lambda: call(**place, Metadata={"a": "b"}))[1] == "NotImplemented"
    upload = begin(buckets)
    assert (
        refused(
            lambda: client.upload_part(
                **place, UploadId=upload, PartNumber=1, SSECustomerKey="k" * 32, Body=b""
            )
        )[1]
        == "NotImplemented"
    )
    uploads = client.list_multipart_uploads
    assert refused(lambda: uploads(Bucket=buckets.bucket, Delimiter="/"))[1] == "NotImplemented"
