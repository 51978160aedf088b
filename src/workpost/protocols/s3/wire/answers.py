"""S3's documents in XML: errors and lists of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple
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
    """The answer of ListObjectsV2."""

    bucket: str
    prefix: str
    delimiter: str
    start_after: str
    token: str
    max_keys: int
    objects: list[Listed]
    prefixes: list[str]
    following: str
    """The token of what follows, "" at the end."""
    encoded: bool
    """Names are percent-encoded: they may have characters that XML cannot."""


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_clean(text))}</{name}>"


def _clean(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(each if each >= " " or each in "\t\n\r" else "�" for each in text)


def error(code: str, message: str, resource: str, request_id: str) -> bytes:
    """An error as S3 tells it."""
    parts = [
        _element("Code", code),
        _element("Message", message),
        _element("Resource", resource),
        _element("RequestId", request_id),
    ]
    return f"{HEAD}<Error>{''.join(parts)}</Error>".encode()


def location(region: str) -> bytes:
    """GetBucketLocation."""
    text = "" if region == "us-east-1" else escape(region)
    return f'{HEAD}<LocationConstraint xmlns="{NAMESPACE}">{text}</LocationConstraint>'.encode()


def listing(page: Page) -> bytes:
    """ListObjectsV2."""
    shown: Callable[[str], str] = quote if page.encoded else str
    count = len(page.objects) + len(page.prefixes)
    parts = [
        _element("Name", page.bucket),
        _element("Prefix", shown(page.prefix)),
        _element("KeyCount", str(count)),
        _element("MaxKeys", str(page.max_keys)),
        _element("IsTruncated", "true" if page.following else "false"),
    ]
    optional = {
        "Delimiter": shown(page.delimiter),
        "StartAfter": shown(page.start_after),
        "ContinuationToken": page.token,
        "NextContinuationToken": page.following,
        "EncodingType": "url" if page.encoded else "",
    }
    parts += [_element(name, text) for name, text in optional.items() if text]
    parts += _contents(page.objects, shown)
    parts += [
        f"<CommonPrefixes>{_element('Prefix', shown(each))}</CommonPrefixes>"
        for each in page.prefixes
    ]
    return (
        f'{HEAD}<ListBucketResult xmlns="{NAMESPACE}">{"".join(parts)}</ListBucketResult>'.encode()
    )


def _contents(objects: Iterable[Listed], shown: Callable[[str], str]) -> list[str]:
    return [
        "<Contents>"
        + _element("Key", shown(each.key))
        + _element("LastModified", iso(each.modified))
        + _element("ETag", f'"{each.tag}"')
        + _element("Size", str(each.size))
        + "<StorageClass>STANDARD</StorageClass></Contents>"
        for each in objects
    ]


def iso(milliseconds: int) -> str:
    """A time as S3's documents have it."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"
