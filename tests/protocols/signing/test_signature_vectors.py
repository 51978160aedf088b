"""AWS Signature Version 4 test suite (tests/vectors/aws4_testsuite, see LICENSE and NOTICE there).

Every case runs, also the four that botocore's own run leaves out: they are signing clients' limits
(one value per query name, no space in a request line), not a verifier's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from workpost.protocols.signing import canonical, signature
from workpost.protocols.signing.authorization import parse_authorization
from workpost.protocols.signing.messages import ApiRequest, index_headers

VECTORS = Path(__file__).parents[2] / "vectors" / "aws4_testsuite"
SECRET = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CASES = sorted(path.parent.relative_to(VECTORS) for path in VECTORS.rglob("*.req"))


class Case(NamedTuple):
    request: ApiRequest
    canonical: bytes
    to_sign: bytes
    authorization: bytes


def parse_raw(raw: bytes) -> ApiRequest:
    """A request as the vectors write it: folded headers, spaces in targets, raw UTF-8."""
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    line, *rest = head.split(b"\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.rpartition(b" ")[0].partition(b"?")
    headers: list[tuple[bytes, bytes]] = []
    for header in filter(None, rest):
        if header[:1].isspace():
            name, value = headers.pop()
            headers.append((name, value + b"\n" + header))
        else:
            name, _, value = header.partition(b":")
            headers.append((name.lower(), value))
    return ApiRequest(method, path, query, headers, body)


def load(name: Path) -> Case:
    def read(suffix: str) -> bytes:
        return (VECTORS / name / f"{name.name}.{suffix}").read_bytes().replace(b"\r", b"")

    request = parse_raw(read("req"))
    token = re.search(rb"^x-amz-security-token:(.*)$", read("creq"), re.MULTILINE)
    if token and b"x-amz-security-token" not in dict(request.headers):
        # One case has the signer add the token of its credentials.
        request.headers.append((b"x-amz-security-token", token[1]))
    return Case(request, read("creq"), read("sts"), read("authz"))


def test_the_suite_is_complete() -> None:
    assert len(CASES) == 34


@pytest.mark.parametrize("name", CASES, ids=str)
def test_signature_version_4(name: Path) -> None:
    case = load(name)
    headers = [*case.request.headers, (b"authorization", case.authorization)]
    request = ApiRequest(
        case.request.method, case.request.path, case.request.query, headers, case.request.body
    )
    index = index_headers(headers)
    claims = parse_authorization(request, index)

    creq = canonical.canonical_request(
        request.method,
        request.path,
        request.query,
        index,
        signed=claims.signed_headers,
        payload_hash=signature.payload_hash(request.body, index),
    )
    assert creq == case.canonical
    assert canonical.string_to_sign(claims.timestamp, claims.scope, creq) == case.to_sign
    signature.check_scope(claims, service="service", region="us-east-1")
    signature.check_clock(claims, claims.instant)
    signature.verify(claims, request, index, SECRET, signature.SigningKeys())


@pytest.mark.parametrize("name", CASES, ids=str)
def test_another_secret_never_verifies(name: Path) -> None:
    case = load(name)
    headers = [*case.request.headers, (b"authorization", case.authorization)]
    index = index_headers(headers)
    claims = parse_authorization(case.request, index)
    with pytest.raises(signature.SignatureInvalid):
        signature.verify(claims, case.request, index, SECRET + b"x", signature.SigningKeys())
