"""S3's documents in XML: errors, lists of objects, what becomes of copies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from urllib.parse import quote
from xml.sax.saxutils import escape

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Listed(NamedTuple):
    """An object in a list; the time is in milliseconds."""

    key: str
    modified: int
    tag: str
    size: int


class Page(NamedTuple):
    """A page of a list of objects."""

    bucket: str
    prefix: str
    delimiter: str
    start_after: str
    token: str
    max_keys: int
    objects: list[Listed]
    prefixes: list[str]
    following: str
    """The token or the name behind which the next page begins, "" at the end."""
    encoded: bool
    """Names are percent-encoded: they may have characters that XML cannot."""


def element(name: str, text: str) -> str:
    """An element with nothing but text in it."""
    return f"<{name}>{escape(_clean(text))}</{name}>"


def document(root: str, parts: Iterable[str]) -> bytes:
    """A document of S3's with what stands in its root."""
    return f'{HEAD}<{root} xmlns="{NAMESPACE}">{"".join(parts)}</{root}>'.encode()


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(each if each >= " " or each in "\t\n\r" else "�" for each in text)


def error(code: str, message: str, resource: str, request_id: str) -> bytes:
    """An error as S3 tells it."""
    parts = [
        element("Code", code),
        element("Message", message),
        element("Resource", resource),
        element("RequestId", request_id),
    ]
    return f"{HEAD}<Error>{''.join(parts)}</Error>".encode()


def location(region: str) -> bytes:
    """GetBucketLocation."""
    text = "" if region == "us-east-1" else escape(region)
    return f'{HEAD}<LocationConstraint xmlns="{NAMESPACE}">{text}</LocationConstraint>'.encode()


def listing(page: Page) -> bytes:
    """ListObjectsV2."""
    count = len(page.objects) + len(page.prefixes)
    optional = {
        "StartAfter": _shown(page, page.start_after),
        "ContinuationToken": page.token,
        "NextContinuationToken": page.following,
    }
    return _list(page, [element("KeyCount", str(count))], optional)


def first_listing(page: Page, marker: str) -> bytes:
    """ListObjects; each page that is not the last names the marker of the next."""
    start = [element("Marker", _shown(page, marker))]
    return _list(page, start, {"NextMarker": _shown(page, page.following)})


def _shown(page: Page, text: str) -> str:
    return quote(text) if page.encoded else text


def _list(page: Page, parts: list[str], optional: dict[str, str]) -> bytes:
    """Either list; `parts` and, where they are not empty, `optional` are its own."""
    head = [
        element("Name", page.bucket),
        element("Prefix", _shown(page, page.prefix)),
        *parts,
        element("MaxKeys", str(page.max_keys)),
        element("IsTruncated", "true" if page.following else "false"),
    ]
    optional |= {
        "Delimiter": _shown(page, page.delimiter),
        "EncodingType": "url" if page.encoded else "",
    }
    head += [element(name, text) for name, text in optional.items() if text]
    return document("ListBucketResult", [*head, *_told(page)])


def _told(page: Page) -> list[str]:
    return [
        *_contents(page),
        *(
            f"<CommonPrefixes>{element('Prefix', _shown(page, each))}</CommonPrefixes>"
            for each in page.prefixes
        ),
    ]


def _contents(page: Page) -> list[str]:
    return [
        "<Contents>"
        + element("Key", _shown(page, each.key))
        + element("LastModified", iso(each.modified))
        + element("ETag", f'"{each.tag}"')
        + element("Size", str(each.size))
        + "<StorageClass>STANDARD</StorageClass></Contents>"
        for each in page.objects
    ]


class ToldSum(Protocol):
    """A checksum as answers tell it."""

    @property
    def algorithm(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def kind(self) -> str: ...


def checksum(sum: ToldSum | None) -> list[str]:
    """The elements that tell a checksum and its type, none where there is none."""
    if sum is None:
        return []
    return [element(f"Checksum{sum.algorithm}", sum.value), element("ChecksumType", sum.kind)]


def copied(root: str, tag: str, modified: int, sum: ToldSum | None = None) -> bytes:
    """CopyObject and UploadPartCopy, whose documents have other roots."""
    parts = [element("LastModified", iso(modified)), element("ETag", f'"{tag}"')]
    parts += checksum(sum) if root == "CopyObjectResult" else checksum(sum)[:1]
    return document(root, parts)


def deleted(keys: Iterable[str], failed: Iterable[tuple[str, str, str]], *, quiet: bool) -> bytes:
    """DeleteObjects: the names that are gone, and (name, code, message) of those that are not."""
    parts = [f"<Deleted>{element('Key', key)}</Deleted>" for key in keys if not quiet]
    parts += [
        f"<Error>{element('Key', key)}{element('Code', code)}{element('Message', text)}</Error>"
        for key, code, text in failed
    ]
    return document("DeleteResult", parts)


def iso(milliseconds: int) -> str:
    """A time as S3's documents have it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"
