"""Checksums that clients send and ask for, with boto3 (checking object integrity in Amazon S3)."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest

from tests.protocols.s3.test_multipart import beside
from tests.protocols.s3.test_who import Put, chunks
from tests.support.buckets import Buckets, refused
from workpost.formats.checksums import SIZES, combine, composite, hasher, sum_of
from workpost.protocols.s3.wire import chunked

MIB = 1 << 20
ALGORITHMS = sorted(SIZES)


def sum_text(algorithm: str, data: bytes) -> str:
    made = hasher(algorithm)
    made.update(data)
    return base64.b64encode(made.digest()).decode()


def asking(buckets: Buckets, key: str, **more: Any) -> Any:
    return buckets.client.get_object(Bucket=buckets.bucket, Key=key, ChecksumMode="ENABLED", **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_object_has_the_checksum_that_it_was_put_with(buckets: Buckets, algorithm: str) -> None:
    place, name = {"Bucket": buckets.bucket, "Key": "a"}, f"Checksum{algorithm}"
    right, wrong = sum_text(algorithm, b"hello"), sum_text(algorithm, b"hallo")
    put = buckets.client.put_object
    assert refused(lambda: put(**place, Body=b"hello", **{name: wrong})) == (400, "BadDigest")
    assert refused(lambda: put(**place, Body=b"hello", **{name: "AAA="})) == (400, "InvalidRequest")
    assert refused(lambda: buckets.get("a"))[1] == "NoSuchKey"
    assert list(buckets.folder.iterdir()) == []
    assert put(**place, Body=b"hello", **{name: right})[name] == right
    told = asking(buckets, "a")
    assert (told[name], told["ChecksumType"]) == (right, "FULL_OBJECT")
    assert told["Body"].read() == b"hello"
    head = buckets.client.head_object(**place, ChecksumMode="ENABLED")
    assert head[name] == right
    assert name not in buckets.client.head_object(**place)
    # A range is not what the checksum is of.
    assert name not in asking(buckets, "a", Range="bytes=1-2")
    copied = buckets.client.copy_object(
        Bucket=buckets.bucket, Key="b", CopySource={"Bucket": buckets.bucket, "Key": "a"}
    )
    assert copied["CopyObjectResult"][name] == asking(buckets, "b")[name] == right
    # Whoever writes to the file makes another object of it.
    (buckets.folder / "a").write_bytes(b"hallo")
    assert name not in asking(buckets, "a")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_behind_the_body(buckets: Buckets, algorithm: str) -> None:
    field = f"x-amz-checksum-{algorithm.lower()}"
    fields = {"x-amz-decoded-content-length": "5", "x-amz-trailer": field}
    put = Put(buckets, chunked.UNSIGNED_TRAILER, **fields)

    def body(data: bytes) -> bytes:
        told = sum_text(algorithm, data).encode()
        return b"5\r\nhello\r\n0\r\n%b:%b\r\n\r\n" % (field.encode(), told)

    status, told = put.send(body(b"hallo"))
    assert (status, b"BadDigest" in told) == (400, True)
    assert list(buckets.folder.iterdir()) == []
    assert put.send(body(b"hello"))[0] == 200
    assert asking(buckets, "object")[f"Checksum{algorithm}"] == sum_text(algorithm, b"hello")


def test_checksums_that_are_not_known_or_too_many(buckets: Buckets) -> None:
    crc, sha = (sum_text(each, b"a") for each in ("CRC32", "SHA1"))
    for fields in (
        {"x-amz-checksum-crc32": crc, "x-amz-checksum-sha1": sha},
        {"x-amz-checksum-crc16": "AAA="},
    ):
        status, told = Put(buckets, "UNSIGNED-PAYLOAD", **fields).send(b"a")
        assert (status, b"InvalidRequest" in told) == (400, True)
    assert list(buckets.folder.iterdir()) == []


def test_chunks_that_are_not_what_was_announced(buckets: Buckets) -> None:
    for length, wanted in (("10", b"IncompleteBody"), ("12", b"IncompleteBody")):
        put = Put(buckets, chunked.SIGNED, **{"x-amz-decoded-content-length": length})
        status, told = put.send(chunks(put.seal(), b"hello ", b"world"))
        assert (status, wanted in told) == (400, True)
    assert list(buckets.folder.iterdir()) == []


def upload(buckets: Buckets, algorithm: str, kind: str, datas: list[bytes]) -> tuple[Any, Any]:
    """Parameters that complete an upload of these parts, and those of the upload."""
    client, place = buckets.client, {"Bucket": buckets.bucket, "Key": "a"}
    begun = client.create_multipart_upload(**place, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, kind)
    place["UploadId"] = begun["UploadId"]
    name, parts = f"Checksum{algorithm}", []
    for number, data in enumerate(datas, 1):
        more = {"PartNumber": number, "Body": data, name: sum_text(algorithm, data)}
        told = client.upload_part(**place, **more)
        assert told[name] == more[name]
        parts.append({"PartNumber": number, "ETag": told["ETag"], name: more[name]})
    listed = client.list_parts(**place)["Parts"]
    assert [each[name] for each in listed] == [each[name] for each in parts]
    return {**place, "MultipartUpload": {"Parts": parts}}, place


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_parts_with_a_checksum_of_the_whole(buckets: Buckets, algorithm: str) -> None:
    datas = [os.urandom(5 * MIB), b"end"]
    complete, _ = upload(buckets, algorithm, "FULL_OBJECT", datas)
    name, call = f"Checksum{algorithm}", buckets.client.complete_multipart_upload
    wrong = {name: sum_text(algorithm, b""), "ChecksumType": "FULL_OBJECT"}
    assert refused(lambda: call(**complete, **wrong)) == (400, "BadDigest")
    right = sum_text(algorithm, b"".join(datas))
    told = call(**complete, **{name: right, "ChecksumType": "FULL_OBJECT"})
    assert (told[name], told["ChecksumType"]) == (right, "FULL_OBJECT")
    found = asking(buckets, "a")
    assert (found[name], found["Body"].read()) == (right, b"".join(datas))
    pairs = [(base64.b64decode(sum_text(algorithm, each)), len(each)) for each in datas]
    assert combine(algorithm, pairs).value == right


@pytest.mark.parametrize("algorithm", ["CRC32C", "SHA256"])
def test_parts_with_a_checksum_of_checksums(buckets: Buckets, algorithm: str) -> None:
    datas = [os.urandom(5 * MIB), b"end"]
    complete, _ = upload(buckets, algorithm, "COMPOSITE", datas)
    name, call = f"Checksum{algorithm}", buckets.client.complete_multipart_upload
    parts = complete["MultipartUpload"]["Parts"]
    without = [{key: part[key] for key in ("PartNumber", "ETag")} for part in parts]
    less = {**complete, "MultipartUpload": {"Parts": without}}
    assert refused(lambda: call(**less)) == (400, "InvalidRequest")
    other = [parts[0], {**parts[1], name: sum_text(algorithm, b"")}]
    less = {**complete, "MultipartUpload": {"Parts": other}}
    assert refused(lambda: call(**less)) == (400, "InvalidPart")
    sums = [base64.b64decode(sum_text(algorithm, each)) for each in datas]
    told = call(**complete)
    assert (told[name], told["ChecksumType"]) == (composite(algorithm, sums).value, "COMPOSITE")
    assert asking(buckets, "a")[name] == told[name]
    assert list(beside(buckets).iterdir()) == []


def test_parts_have_the_checksum_of_their_upload(buckets: Buckets) -> None:
    client, place = buckets.client, {"Bucket": buckets.bucket, "Key": "a"}
    call = client.create_multipart_upload
    for algorithm, kind in (("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        more = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        assert refused(lambda more=more: call(**place, **more)) == (400, "InvalidRequest")
    place["UploadId"] = call(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    part = {**place, "PartNumber": 1, "Body": b"x"}
    other = {"ChecksumCRC32C": sum_text("CRC32C", b"x")}
    assert refused(lambda: client.upload_part(**part, **other)) == (400, "InvalidRequest")
    wrong = {"ChecksumSHA256": sum_of("SHA256", bytes(32)).value}
    assert refused(lambda: client.upload_part(**part, **wrong)) == (400, "BadDigest")
    assert client.list_parts(**place).get("Parts", []) == []
    client.put_object(Bucket=buckets.bucket, Key="source", Body=b"x")
    place["CopySource"] = {"Bucket": buckets.bucket, "Key": "source"}
    told = client.upload_part_copy(**place, PartNumber=1)["CopyPartResult"]
    assert told["ChecksumSHA256"] == sum_text("SHA256", b"x")
