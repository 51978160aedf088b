"""The canonical request of AWS Signature Version 4: the bytes that client and server both hash.

Source: "Create a signed AWS API request" of the IAM user guide. S3 takes paths as they are: its
keys may have dots and double slashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

EMPTY_HASH = hashlib.sha256(b"").hexdigest()
UNRESERVED = "-_.~"
SIGNATURE_PARAMETER = b"X-Amz-Signature"


def canonical_path(path: bytes) -> bytes:
    """Resolve dot segments and double slashes, then percent-encode the bytes of the wire again."""
    if path == b"/":
        return path
    kept: list[bytes] = []
    segments = path.split(b"/")
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in {b"", b"."}:
            kept.append(segment)
    plain = b"/" + b"/".join(kept)
    if kept and segments[-1] in {b"", b".", b".."}:
        plain += b"/"
    return quote_from_bytes(plain, safe="/" + UNRESERVED).encode("ascii")


def verbatim_path(path: bytes) -> bytes:
    """The path as S3 signs it: nothing resolved, each byte encoded once."""
    return quote_from_bytes(unquote_to_bytes(path), safe="/" + UNRESERVED).encode("ascii")


def split_query(query: bytes) -> list[tuple[bytes, bytes]]:
    """Decoded pairs in order of arrival; a name without `=` has an empty value."""
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def canonical_query(query: bytes, *, presigned: bool = False) -> bytes:
    """Encode, sort by name then value, join; a presigned query is without its signature."""
    if not query:
        return b""
    encoded = sorted(
        (quote_from_bytes(name, safe=UNRESERVED), quote_from_bytes(value, safe=UNRESERVED))
        for name, value in split_query(query)
        if not (presigned and name == SIGNATURE_PARAMETER)
    )
    return "&".join(f"{name}={value}" for name, value in encoded).encode("ascii")


def canonical_headers(headers: Mapping[bytes, list[bytes]], signed: Iterable[bytes]) -> bytes:
    """One line per signed header, values trimmed and folded, repeated ones joined by a comma.

    Raises KeyError when a signed header is absent.
    """
    lines = []
    for name in signed:
        values = headers[name]
        if len(values) == 1:
            folded = b" ".join(values[0].split())
        else:
            folded = b",".join([b" ".join(value.split()) for value in values])
        lines.append(b"%b:%b\n" % (name, folded))
    return b"".join(lines)


def canonical_request(
    method: bytes,
    path: bytes,
    query: bytes,
    headers: Mapping[bytes, list[bytes]],
    *,
    signed: tuple[bytes, ...],
    payload_hash: bytes,
    presigned: bool = False,
    verbatim: bool = False,
) -> bytes:
    """The six parts joined by line feeds; raises KeyError when a signed header is absent.

    `verbatim` is for S3's paths.
    """
    return b"%b\n%b\n%b\n%b\n%b\n%b" % (
        method,
        verbatim_path(path) if verbatim else canonical_path(path),
        canonical_query(query, presigned=presigned),
        canonical_headers(headers, signed),
        b";".join(signed),
        payload_hash,
    )


def string_to_sign(timestamp: str, scope: str, request: bytes) -> bytes:
    """What the derived key signs: algorithm, time, credential scope, hash of the request."""
    digest = hashlib.sha256(request).hexdigest()
    return f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}".encode("ascii")
