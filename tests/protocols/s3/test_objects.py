"""Objects of a mapped bucket over S3's protocol, with boto3."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.api_server import ApiServer
from tests.support.buckets import Buckets, refused
from tests.support.moto import MotoServer
from workpost.integrations.s3 import uploads
from workpost.integrations.s3.client import make_client
from workpost.integrations.s3.depot import Entry
from workpost.integrations.s3.folder import FolderDepot
from workpost.kernel.outside_settings import Outside
from workpost.protocols.s3 import limits, listing, threads

AWKWARD = ["a b+c&d=e%2F.eml", "ümlaut/日本.eml", "deep/er/than/that", "d.o.t/.hidden", "~-_.!*'()"]


def test_put_get_head_delete(buckets: Buckets) -> None:
    put = buckets.client.put_object(Bucket=buckets.bucket, Key="new/1.eml", Body=b"From: ada\r\n")
    assert buckets.get("new/1.eml") == b"From: ada\r\n"
    head = buckets.client.head_object(Bucket=buckets.bucket, Key="new/1.eml")
    assert head["ContentLength"] == 11
    assert head["ETag"] == put["ETag"]
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    buckets.client.delete_object(Bucket=buckets.bucket, Key="new/1.eml")
    assert refused(lambda: buckets.get("new/1.eml")) == (404, "NoSuchKey")
    head_again = refused(lambda: buckets.client.head_object(Bucket=buckets.bucket, Key="new/1.eml"))
    assert head_again[0] == 404
    buckets.client.delete_object(Bucket=buckets.bucket, Key="new/1.eml")


@pytest.mark.parametrize("key", AWKWARD)
def test_names_of_any_characters(buckets: Buckets, key: str) -> None:
    buckets.put(key, b"x")
    assert buckets.get(key) == b"x"
    listed = buckets.client.list_objects_v2(Bucket=buckets.bucket)["Contents"]
    assert [each["Key"] for each in listed] == [key]


@pytest.mark.parametrize("key", ["../keys/keyring.json", "a/../../b", "a//b", "./a", "x" * 300])
def test_names_that_no_folder_can_hold_are_refused(buckets: Buckets, key: str) -> None:
    status, _ = refused(lambda: buckets.put(key, b"x"))
    assert status in {400, 403}
    assert buckets.client.list_objects_v2(Bucket=buckets.bucket)["KeyCount"] == 0


def test_a_key_may_have_1024_bytes(buckets: Buckets) -> None:
    assert refused(lambda: buckets.put("x/" * 513)) == (400, "KeyTooLongError")


def test_transfers_of_boto3(buckets: Buckets) -> None:
    data = bytes(range(256)) * 1000
    buckets.client.upload_fileobj(io.BytesIO(data), buckets.bucket, "file")
    got = io.BytesIO()
    buckets.client.download_fileobj(buckets.bucket, "file", got)
    assert got.getvalue() == data


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-100", b"89")],
)
def test_ranges(buckets: Buckets, wanted: str, got: bytes) -> None:
    buckets.put("digits", b"0123456789")
    answer = buckets.client.get_object(Bucket=buckets.bucket, Key="digits", Range=wanted)
    assert answer["Body"].read() == got
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"].endswith("/10")


def test_a_range_of_everything_is_a_range(buckets: Buckets) -> None:
    buckets.put("digits", b"0123456789")
    place = {"Bucket": buckets.bucket, "Key": "digits"}
    for wanted in ("bytes=0-", "bytes=0-9", "bytes=-10"):
        told = buckets.client.get_object(**place, Range=wanted)
        assert told["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert told["ContentRange"] == "bytes 0-9/10"
    buckets.put("nothing")
    assert refused(lambda: buckets.get("nothing", Range="bytes=0-")) == (416, "InvalidRange")


def test_ranges_that_cannot_be(buckets: Buckets) -> None:
    buckets.put("digits", b"0123456789")
    assert refused(lambda: buckets.get("digits", Range="bytes=10-")) == (416, "InvalidRange")
    assert buckets.get("digits", Range="lines=1-2") == b"0123456789"


def test_a_range_of_a_head(buckets: Buckets) -> None:
    buckets.put("digits", b"0123456789")
    head = buckets.client.head_object(Bucket=buckets.bucket, Key="digits", Range="bytes=0-1")
    assert head["ContentLength"] == 2


def test_etags_are_those_of_s3(buckets: Buckets) -> None:
    buckets.put("a", b"hello")
    tag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ETag"] == tag
    listed = buckets.client.list_objects_v2(Bucket=buckets.bucket)["Contents"]
    assert listed[0]["ETag"] == tag
    # Whoever writes to the file makes another object of it.
    (buckets.folder / "a").write_bytes(b"other")
    assert buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ETag"] != tag


def test_if_none_match(buckets: Buckets) -> None:
    buckets.put("a", b"1")
    tag = buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ETag"]
    assert refused(lambda: buckets.get("a", IfNoneMatch=tag))[0] == 304
    assert buckets.get("a", IfNoneMatch='"other"') == b"1"


def test_objects_are_copied_within_an_account(buckets: Buckets) -> None:
    buckets.put("a b/é", b"data")
    source = {"Bucket": buckets.bucket, "Key": "a b/é"}
    copy = buckets.client.copy_object
    told = copy(Bucket=buckets.bucket, Key="copy", CopySource=source)["CopyObjectResult"]
    assert buckets.get("copy") == b"data"
    assert buckets.client.head_object(Bucket=buckets.bucket, Key="copy")["ETag"] == told["ETag"]
    places = (f"{buckets.account} {buckets.bucket} folder", "999999999999 theirs folder")
    buckets.set(outside=Outside(buckets=places))
    for stranger in ("theirs", "nowhere"):
        source = {"Bucket": stranger, "Key": "a"}
        place = {"Bucket": buckets.bucket, "Key": "c", "CopySource": source}
        assert refused(lambda place=place: copy(**place)) == (404, "NoSuchBucket")
    source = {"Bucket": buckets.bucket, "Key": "a b/é"}
    guarded = {"Bucket": buckets.bucket, "Key": "c", "CopySource": source}
    assert refused(lambda: copy(**guarded, CopySourceIfMatch='"0"'))[1] == "PreconditionFailed"
    copy(**guarded, CopySourceIfMatch=told["ETag"])
    buckets.put("what?versionId=1", b"asked")
    source = {"Bucket": buckets.bucket, "Key": "what?versionId=1"}
    copy(Bucket=buckets.bucket, Key="c", CopySource=source)
    assert buckets.get("c") == b"asked"
    more = {"MetadataDirective": "REPLACE", "CopySource": {"Bucket": buckets.bucket, "Key": "copy"}}
    assert refused(lambda: copy(Bucket=buckets.bucket, Key="c", **more))[1] == "NotImplemented"


def test_objects_are_deleted_in_numbers(buckets: Buckets) -> None:
    for key in ("a", "b/c", "b/d", " e"):
        buckets.put(key)
    call = buckets.client.delete_objects
    keys = [{"Key": key} for key in ("a", "b/c", "never", " e")]
    told = call(Bucket=buckets.bucket, Delete={"Objects": keys})
    assert [each["Key"] for each in told["Deleted"]] == ["a", "b/c", "never", " e"]
    assert listed(buckets) == (["b/d"], [])
    failing = [{"Key": "b/d", "VersionId": "1"}, {"Key": "b/d", "ETag": "1"}]
    told = call(Bucket=buckets.bucket, Delete={"Objects": failing, "Quiet": True})
    assert [(each["Key"], each["Code"]) for each in told["Errors"]] == [
        ("b/d", "NotImplemented"),
        ("b/d", "NotImplemented"),
    ]
    assert "Deleted" not in told
    buckets.client.delete_object(Bucket=buckets.bucket, Key="b/d")
    assert list(buckets.folder.iterdir()) == []


def test_objects_as_resources_of_boto3(buckets: Buckets) -> None:
    for key in ("a", "b/c"):
        buckets.put(key, b"1")
    session = buckets.session()
    bucket = boto3.resource(
        "s3",
        region_name="us-east-1",
        endpoint_url=buckets.api.url,
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.session_token,
    ).Bucket(buckets.bucket)
    assert [each.key for each in bucket.objects.all()] == ["a", "b/c"]
    assert [each.key for each in bucket.objects.filter(Prefix="b/").limit(1)] == ["b/c"]
    bucket.objects.all().delete()
    assert list(bucket.objects.all()) == []


def test_times_that_are_asked_for(buckets: Buckets) -> None:
    buckets.put("a", b"1")
    os.utime(buckets.folder / "a", (1_000_000_000.5, 1_000_000_000.5))
    exact, earlier = (datetime.fromtimestamp(1_000_000_000 - each, UTC) for each in (0, 1))
    assert refused(lambda: buckets.get("a", IfModifiedSince=exact))[0] == 304
    assert buckets.get("a", IfModifiedSince=earlier) == b"1"
    assert buckets.get("a", IfUnmodifiedSince=exact) == b"1"
    assert refused(lambda: buckets.get("a", IfUnmodifiedSince=earlier))[0] == 412
    tag = buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ETag"]
    # What an ETag says goes before what a time says.
    assert buckets.get("a", IfMatch=tag, IfUnmodifiedSince=earlier) == b"1"
    assert buckets.get("a", IfNoneMatch='"other"', IfModifiedSince=exact) == b"1"


def test_if_match(buckets: Buckets) -> None:
    buckets.put("a", b"1")
    tag = buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ETag"]
    assert buckets.get("a", IfMatch=tag) == b"1"
    buckets.put("a", b"2")
    assert refused(lambda: buckets.get("a", IfMatch=tag)) == (412, "PreconditionFailed")


# --- lists ----------------------------------------------------------------------------------------


def listed(
    buckets: Buckets, call: str = "list_objects_v2", **more: Any
) -> tuple[list[str], list[str]]:
    """All keys and common prefixes, page by page."""
    keys, prefixes = [], []
    for page in buckets.client.get_paginator(call).paginate(Bucket=buckets.bucket, **more):
        told = len(page.get("Contents", ())) + len(page.get("CommonPrefixes", ()))
        assert page.get("KeyCount", told) == told <= page["MaxKeys"]
        keys += [each["Key"] for each in page.get("Contents", ())]
        prefixes += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
    return keys, prefixes


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_lists_in_pages(
    buckets: Buckets, page: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGE", 3)
    keys = ["a", "b/1", "b/2", "b/3", "c/1", "d", "é"]
    for key in keys:
        buckets.put(key)
    config: dict[str, Any] = {"PaginationConfig": {"PageSize": page}, "call": call}
    assert listed(buckets, **config) == (keys, [])
    assert listed(buckets, Prefix="b/", **config) == (["b/1", "b/2", "b/3"], [])
    start = {"StartAfter" if call.endswith("2") else "Marker": "b/2"}
    assert listed(buckets, **start, **config) == (["b/3", "c/1", "d", "é"], [])
    assert listed(buckets, Delimiter="/", **config) == (["a", "d", "é"], ["b/", "c/"])
    assert listed(buckets, Prefix="b/", Delimiter="/", **config) == (["b/1", "b/2", "b/3"], [])


def test_a_long_folder_is_passed_over_in_portions(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_PAGE", 2)
    monkeypatch.setattr(listing, "MAX_LOOKED", 1)
    for number in range(7):
        buckets.put(f"b/{number}")
    buckets.put("c")
    keys, prefixes = listed(buckets, Delimiter="/")
    assert keys == ["c"]
    assert prefixes == ["b/"]


def test_lists_that_cannot_be(buckets: Buckets) -> None:
    call = buckets.client.list_objects_v2
    assert (
        refused(lambda: call(Bucket=buckets.bucket, ContinuationToken="%%"))[1] == "InvalidArgument"
    )
    assert call(Bucket=buckets.bucket, MaxKeys=0)["KeyCount"] == 0
    assert refused(lambda: call(Bucket=buckets.bucket, MaxKeys=-1))[1] == "InvalidArgument"
    events = buckets.client.meta.events
    events.register(
        "before-call.s3.ListObjectsV2",
        lambda params, **_: params.update(url=f"{params['url']}&max-keys=%C2%B2"),
    )
    assert refused(lambda: call(Bucket=buckets.bucket)) == (400, "InvalidArgument")


# --- buckets --------------------------------------------------------------------------------------


def test_head_bucket_and_its_region(buckets: Buckets) -> None:
    assert buckets.client.head_bucket(Bucket=buckets.bucket)["BucketRegion"] == "us-east-1"
    assert buckets.client.get_bucket_location(Bucket=buckets.bucket)["LocationConstraint"] is None


def test_buckets_that_are_not_mapped_do_not_exist(buckets: Buckets) -> None:
    assert refused(lambda: buckets.client.head_bucket(Bucket="else"))[0] == 404
    call = buckets.client.get_object
    assert refused(lambda: call(Bucket="else", Key="a")) == (404, "NoSuchBucket")
    buckets.set(outside=Outside(buckets=(f"999999999999 {buckets.bucket} folder",)))
    assert refused(lambda: buckets.get("a")) == (404, "NoSuchBucket")


def test_a_bucket_at_an_s3_endpoint(buckets: Buckets, moto_server: MotoServer) -> None:
    boto3.client("s3").create_bucket(Bucket="real")
    buckets.set(outside=Outside(buckets=(f"{buckets.account} {buckets.bucket} s3 real",)))
    buckets.put("new/1", b"hello")
    assert boto3.client("s3").get_object(Bucket="real", Key="new/1")["Body"].read() == b"hello"
    assert buckets.get("new/1") == b"hello"
    assert listed(buckets, Delimiter="/") == ([], ["new/"])
    buckets.client.delete_object(Bucket=buckets.bucket, Key="new/1")
    assert refused(lambda: buckets.get("new/1")) == (404, "NoSuchKey")


def test_a_bucket_out_of_reach(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    buckets.set(outside=Outside(buckets=(f"{buckets.account} {buckets.bucket} s3 gone",)))
    assert refused(lambda: buckets.get("a")) == (503, "ServiceUnavailable")


def test_what_cannot_be_written_leaves_nothing_behind(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        assert refused(lambda: buckets.put("new/1", b"data")) == (503, "ServiceUnavailable")
    assert list(buckets.folder.rglob("*")) == []


def test_a_client_is_made_once_for_a_bucket(
    buckets: Buckets, moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def making(region: str, profile: str = "") -> Any:
        made.append(region)
        return make_client(region, profile)

    monkeypatch.setattr(uploads, "make_client", making)
    boto3.client("s3").create_bucket(Bucket="once")
    buckets.set(outside=Outside(buckets=(f"{buckets.account} {buckets.bucket} s3 once",)))
    buckets.put("a", b"1")
    assert buckets.get("a") == b"1"
    assert len(made) == 1
    buckets.set(outside=Outside(buckets=(f"{buckets.account} {buckets.bucket} folder",)))
    assert refused(lambda: buckets.get("a"))[1] == "NoSuchKey"


# --- what is not there ----------------------------------------------------------------------------


def test_what_is_not_kept_is_refused_and_not_forgotten(buckets: Buckets) -> None:
    client, place = buckets.client, {"Bucket": buckets.bucket, "Key": "a"}
    for more in (
        {"Metadata": {"a": "b"}},
        {"Tagging": "a=b"},
        {"ACL": "public-read"},
        {"IfNoneMatch": '"0"'},
        {"IfMatch": '"0", "1"'},
        {"ServerSideEncryption": "aws:kms"},
        {"SSECustomerKey": "k" * 32, "SSECustomerAlgorithm": "AES256"},
        {"ObjectLockLegalHoldStatus": "ON"},
    ):
        assert refused(lambda more=more: client.put_object(**place, Body=b"", **more)) == (
            501,
            "NotImplemented",
        )
    assert refused(lambda: client.get_object_acl(**place))[1] == "NotImplemented"
    assert refused(client.list_buckets)[1] == "NotImplemented"
    assert refused(lambda: client.put_object_tagging(**place, Tagging={"TagSet": []}))[0] == 501
    versions = {"VersioningConfiguration": {"Status": "Enabled"}}
    call = client.put_bucket_versioning
    assert refused(lambda: call(Bucket=buckets.bucket, **versions))[1] == "NotImplemented"
    assert refused(lambda: client.create_bucket(Bucket=buckets.bucket))[1] == "MethodNotAllowed"
    assert refused(lambda: client.delete_bucket(Bucket=buckets.bucket))[1] == "MethodNotAllowed"


def test_nothing_else_is_deleted_than_was_meant(buckets: Buckets) -> None:
    buckets.put("a", b"1")
    place = {"Bucket": buckets.bucket, "Key": "a"}
    call = buckets.client.delete_object
    for more in ({"VersionId": "1"}, {"IfMatch": '"0"'}, {"IfMatchSize": 5}):
        assert refused(lambda more=more: call(**place, **more))[1] == "NotImplemented"
    assert buckets.get("a") == b"1"


def test_bodies_are_bounded(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BODY", 1000)
    assert refused(lambda: buckets.put("a", b"x" * 1001)) == (400, "EntityTooLarge")
    buckets.put("a", b"x" * 1000)
    copy = {"Bucket": buckets.bucket, "Key": "b", "CopySource": f"{buckets.bucket}/a"}
    monkeypatch.setattr(limits, "MAX_OBJECT", 999)
    assert refused(lambda: buckets.client.copy_object(**copy)) == (400, "InvalidRequest")
    assert len(buckets.get("a")) == 1000
    assert buckets.client.head_object(Bucket=buckets.bucket, Key="a")["ContentLength"] == 1000


@contextmanager
def reading_nothing(buckets: Buckets) -> Iterator[None]:
    """As many clients as an account may have, that ask for a large object and take nothing."""
    buckets.put("large", bytes(32 << 20))
    client = buckets.of(buckets.session(), signature_version="s3v4")
    place = {"Bucket": buckets.bucket, "Key": "large"}
    url = urlsplit(client.generate_presigned_url("get_object", Params=place, ExpiresIn=60))
    head = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n"
    with ExitStack() as clients:
        for _ in range(threads.EACH_AT_ONCE):
            stuck = clients.enter_context(socket.create_connection((url.hostname, url.port)))
            stuck.sendall(head.encode())
            assert stuck.recv(12) == b"HTTP/1.1 200"
        yield


def test_an_answer_that_nobody_takes_has_its_room_and_keeps_no_other_account_out(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.2)
    with reading_nothing(buckets):
        assert refused(lambda: buckets.put("a", b"1")) == (503, "SlowDown")
        Buckets(buckets.api).put("a", b"1")


def test_whoever_stops_to_take_an_answer_is_left(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STALLED_SECONDS", 0.1)
    with reading_nothing(buckets):
        buckets.put("a", b"1")
        assert buckets.get("a") == b"1"


def test_buckets_have_threads_of_their_own(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    look = FolderDepot.look

    def looking(depot: FolderDepot, name: str, version: str = "") -> Entry:
        names.add(threading.current_thread().name.partition("_")[0])
        return look(depot, name, version)

    monkeypatch.setattr(FolderDepot, "look", looking)
    buckets.put("a", b"1")
    buckets.get("a")
    assert names == {"s3"}


def stall(buckets: Buckets) -> socket.socket:
    """A PUT whose body never comes."""
    client = buckets.of(buckets.session(), signature_version="s3v4")
    url = client.generate_presigned_url(
        "put_object", Params={"Bucket": buckets.bucket, "Key": "slow"}
    )
    parts = urlsplit(url)
    opened = socket.create_connection((parts.hostname, parts.port))
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    opened.sendall(f"{head}Content-Length: 9\r\n\r\n".encode())
    return opened


def put_often(buckets: Buckets) -> None:
    for _ in range(100):
        buckets.put("a")


def test_whose_bodies_do_not_come_holds_up_nobody_else(
    api_server: ApiServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_SECONDS", 0.2)
    slow = [stall(buckets) for _ in range(threads.AT_ONCE)]
    with pytest.raises(ClientError, match="SlowDown"):
        put_often(buckets)
    other = Buckets(api_server)
    other.put("a", b"of another account")
    assert other.get("a") == b"of another account"
    for each in slow:
        each.close()


def test_bodies_have_to_come_in_time(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.0)
    assert refused(lambda: buckets.put("a", b"x" * 100_000)) == (400, "RequestTimeout")
