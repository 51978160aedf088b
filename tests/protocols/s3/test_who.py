"""Who is let in at the S3 door: sessions of functions, with good signatures over all they send."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.buckets import Buckets, refused
from workpost.domain.access.accounts import create_access_key
from workpost.kernel.outside_settings import Lambda
from workpost.protocols.s3.wire import chunked
from workpost.protocols.signing import signature

HASH = "x-amz-content-sha256"


def test_lasting_keys_are_not_let_in(buckets: Buckets) -> None:
    key = buckets.api.run(create_access_key(buckets.api.core, buckets.account))
    client = buckets.signed(key.access_key_id, key.secret_access_key)
    assert refused(lambda: client.list_objects_v2(Bucket=buckets.bucket)) == (403, "AccessDenied")
    assert refused(lambda: client.put_object(Bucket=buckets.bucket, Key="a")) == (
        403,
        "AccessDenied",
    )


def test_keys_that_do_not_exist_and_tokens_of_others(buckets: Buckets) -> None:
    one, two = buckets.session(), buckets.session()
    for key, secret, token in (
        ("AKIANOBODYNOBODY1234", "secret", None),
        (one.access_key_id, one.secret_access_key, two.session_token),
        (one.access_key_id, one.secret_access_key, None),
        (one.access_key_id, one.secret_access_key, "garbage"),
    ):
        client = buckets.signed(key, secret, token)
        assert refused(lambda client=client: client.list_objects_v2(Bucket=buckets.bucket)) == (
            403,
            "InvalidAccessKeyId",
        )
    client = buckets.signed(one.access_key_id, "wrong", one.session_token)
    assert refused(lambda: client.list_objects_v2(Bucket=buckets.bucket)) == (
        403,
        "SignatureDoesNotMatch",
    )


def test_a_session_ends_by_time_and_with_its_mapping(buckets: Buckets) -> None:
    over = buckets.of(buckets.session(seconds=-1))
    assert refused(lambda: over.list_objects_v2(Bucket=buckets.bucket)) == (400, "ExpiredToken")
    buckets.set(lambda_=Lambda())
    assert refused(lambda: buckets.get("a")) == (403, "InvalidAccessKeyId")


def test_a_mapping_for_another_account_opens_nothing(buckets: Buckets) -> None:
    stranger = buckets.of(buckets.session(account="999999999999"))
    assert refused(lambda: stranger.list_objects_v2(Bucket=buckets.bucket))[0] == 403


def test_requests_without_a_signature_are_the_apis(buckets: Buckets) -> None:
    status, body = send(buckets, "GET", f"/{buckets.bucket}/a", {}, b"")
    assert status == 404
    assert b"<Error>" not in body


def test_presigned_urls(buckets: Buckets) -> None:
    buckets.put("a", b"hello")
    client = buckets.of(buckets.session(), signature_version="s3v4")
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": buckets.bucket, "Key": "a"}, ExpiresIn=60
    )
    parts = urlsplit(url)
    assert send(buckets, "GET", f"{parts.path}?{parts.query}", {}, b"") == (200, b"hello")
    place = {"Bucket": buckets.bucket}
    url = client.generate_presigned_url("list_objects_v2", Params={**place, "Prefix": "a"})
    parts = urlsplit(url)
    assert b"<Key>a</Key>" in send(buckets, "GET", f"{parts.path}?{parts.query}", {}, b"")[1]


def test_nobody_adds_to_what_was_signed(buckets: Buckets) -> None:
    """Whoever is given a URL to put an object must not copy another one there."""
    buckets.put("secret", b"hello")
    client = buckets.of(buckets.session(), signature_version="s3v4")
    place = {"Bucket": buckets.bucket, "Key": "given"}
    parts = urlsplit(client.generate_presigned_url("put_object", Params=place))
    header = {"x-amz-copy-source": f"{buckets.bucket}/secret"}
    status, told = send(buckets, "PUT", f"{parts.path}?{parts.query}", header, b"")
    assert (status, b"AccessDenied" in told) == (403, True)
    assert refused(lambda: buckets.get("given"))[1] == "NoSuchKey"
    assert send(buckets, "PUT", f"{parts.path}?{parts.query}", {}, b"mine")[0] == 200
    assert buckets.get("given") == b"mine"


def test_the_owner_that_is_expected(buckets: Buckets) -> None:
    buckets.put("a", b"hello")
    assert buckets.get("a", ExpectedBucketOwner=buckets.account) == b"hello"
    other = {"ExpectedBucketOwner": "999999999999"}
    assert refused(lambda: buckets.get("a", **other)) == (403, "AccessDenied")


# --- bodies ---------------------------------------------------------------------------------------


def send(
    buckets: Buckets, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(buckets.api.url).netloc, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


class Put:
    """A PUT that is signed by hand."""

    def __init__(self, buckets: Buckets, hashed: str, **fields: str) -> None:
        self.buckets = buckets
        session = buckets.session()
        self.secret = session.secret_access_key
        credentials = Credentials(
            session.access_key_id, session.secret_access_key, session.session_token
        )
        self.path = f"/{buckets.bucket}/object"
        headers = {"x-amz-content-sha256": hashed, **fields}
        request = AWSRequest("PUT", buckets.api.url + self.path, headers=headers, data=b"")
        signer = S3SigV4Auth(credentials, "s3", "us-east-1")
        signer.payload = lambda request: hashed  # type: ignore[method-assign, assignment]
        signer.add_auth(request)
        self.headers = dict(request.headers.items())
        self.seed = self.headers["Authorization"].rpartition("Signature=")[2]

    def send(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        return send(self.buckets, "PUT", self.path, {**self.headers, **headers}, body)

    def seal(self) -> chunked.Seal:
        stamp = self.headers["X-Amz-Date"]
        key = signature.derive_key(self.secret.encode(), stamp[:8], "us-east-1", "s3")
        return chunked.Seal(key, stamp, f"{stamp[:8]}/us-east-1/s3/aws4_request", self.seed)


def chunks(seal: chunked.Seal, *data: bytes) -> bytes:
    """A body of signed chunks."""
    previous, body = seal.seed, b""
    for piece in (*data, b""):
        lines = [
            "AWS4-HMAC-SHA256-PAYLOAD",
            seal.timestamp,
            seal.scope,
            previous,
            hashlib.sha256(b"").hexdigest(),
            hashlib.sha256(piece).hexdigest(),
        ]
        previous = hmac.digest(seal.key, "\n".join(lines).encode(), "sha256").hex()
        head = f"{len(piece):x};chunk-signature={previous}".encode()
        body += head + b"\r\n" + piece + b"\r\n"
    return body


def test_signed_chunks(buckets: Buckets) -> None:
    put = Put(buckets, chunked.SIGNED, **{"x-amz-decoded-content-length": "11"})
    body = chunks(put.seal(), b"hello ", b"world")
    assert put.send(body)[0] == 200
    assert buckets.get("object") == b"hello world"
    status, told = put.send(body.replace(b"world", b"World"))
    assert (status, b"SignatureDoesNotMatch" in told) == (403, True)
    assert buckets.get("object") == b"hello world"
    assert put.send(body[:-8])[0] == 400


def test_unsigned_chunks_with_a_checksum_behind(buckets: Buckets) -> None:
    put = Put(
        buckets,
        chunked.UNSIGNED_TRAILER,
        **{"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"},
    )
    sum_ = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big"))
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + sum_ + b"\r\n\r\n"
    assert put.send(body)[0] == 200
    assert buckets.get("object") == b"hello"
    status, told = put.send(body.replace(b"hello", b"hallo"))
    assert (status, b"BadDigest" in told) == (400, True)
    assert b"InvalidRequest" in put.send(body.replace(sum_, b"&&&"))[1]
    assert b"IncompleteBody" in put.send(body.replace(b"5\r\nhello", b"4\r\nhell"))[1]


def test_a_body_that_is_not_the_one_that_was_signed(buckets: Buckets) -> None:
    put = Put(buckets, hashlib.sha256(b"hello").hexdigest())
    assert b"XAmzContentSHA256Mismatch" in put.send(b"hallo")[1]
    assert put.send(b"hello")[0] == 200


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_boto3(buckets: Buckets, algorithm: str) -> None:
    buckets.client.put_object(
        Bucket=buckets.bucket, Key="a", Body=b"hello", ChecksumAlgorithm=algorithm
    )
    assert buckets.get("a") == b"hello"


def test_requests_that_are_malformed(buckets: Buckets) -> None:
    put = Put(buckets, "UNSIGNED-PAYLOAD")
    assert put.send(b"hello")[0] == 200
    without = {name: v for name, v in put.headers.items() if name.lower() != HASH}
    assert b"InvalidRequest" in send(buckets, "PUT", put.path, without, b"")[1]
    assert b"SignatureDoesNotMatch" in put.send(b"", Host="else.test")[1]
    bad = {**put.headers, "Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request"}
    assert b"AuthorizationHeaderMalformed" in send(buckets, "PUT", put.path, bad, b"")[1]
    assert b"InvalidURI" in send(buckets, "PUT", "/%ff/a", put.headers, b"")[1]
    for odd in ({"x-amz-decoded-content-length": "-0"}, {}):
        streamed = Put(buckets, chunked.UNSIGNED_TRAILER, **odd)
        assert b"MissingContentLength" in streamed.send(b"0\r\n\r\n")[1]
    announced = {"x-amz-decoded-content-length": "0", "x-amz-trailer": "x-amz-checksum-crc32"}
    streamed = Put(buckets, chunked.UNSIGNED_TRAILER, **announced)
    assert b"MalformedTrailerError" in streamed.send(b"0\r\n\r\n")[1]
    late = Put(buckets, "UNSIGNED-PAYLOAD")
    late.headers["X-Amz-Date"] = "20200101T000000Z"
    assert late.send(b"")[0] == 403


def test_numbers_and_checksums_are_ascii(buckets: Buckets) -> None:
    plain = Put(buckets, "UNSIGNED-PAYLOAD")
    status, told = plain.send(b"hello", **{"Content-MD5": "\xe9"})
    assert (status, b"InvalidDigest" in told) == (400, True)
    announced = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
    trailing = Put(buckets, chunked.UNSIGNED_TRAILER, **announced)
    status, told = trailing.send(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:\xe9\r\n\r\n")
    assert (status, b"InvalidRequest" in told) == (400, True)
    plain.headers["Content-Length"] = "\xb2"
    assert plain.send(b"hello")[0] in {400, 411}


def test_an_unforeseen_error_tells_nothing(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*arguments: Any) -> None:
        raise ValueError("secret")

    monkeypatch.setattr("workpost.protocols.s3.server.answer", broken)
    put = Put(buckets, "UNSIGNED-PAYLOAD")
    status, told = put.send(b"")
    assert status == 500
    assert b"secret" not in told
