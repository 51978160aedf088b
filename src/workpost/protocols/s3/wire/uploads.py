"""S3's documents in XML: uploads in parts, and what is asked to be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from workpost.formats.xml import Element, XmlError, parse_xml
from workpost.protocols.s3.wire.answers import document, element, iso

MAX_DOCUMENT = 4 << 20
"""Bytes of a document that is sent to us: 10,000 parts with checksums have 3 MB."""
MAX_DELETED = 1000


class Malformed(ValueError):
    """The document is not what was to be sent."""


def begun(bucket: str, key: str, upload: str) -> bytes:
    """CreateMultipartUpload."""
    parts = [element("Bucket", bucket), element("Key", key), element("UploadId", upload)]
    return document("InitiateMultipartUploadResult", parts)


def completed(location: str, bucket: str, key: str, tag: str) -> bytes:
    """CompleteMultipartUpload."""
    parts = [
        element("Location", location),
        element("Bucket", bucket),
        element("Key", key),
        element("ETag", f'"{tag}"'),
    ]
    return document("CompleteMultipartUploadResult", parts)


def part_list(
    place: tuple[str, str, str],
    bounds: tuple[int, int],
    parts: Sequence[tuple[int, int, int, str]],
    *,
    more: bool,
) -> bytes:
    """ListParts: bucket, key and upload; marker and how many; number, size, time, ETag of each."""
    bucket, key, upload = place
    marker, most = bounds
    told = [
        element("Bucket", bucket),
        element("Key", key),
        element("UploadId", upload),
        element("PartNumberMarker", str(marker)),
        element("NextPartNumberMarker", str(parts[-1][0] if parts else marker)),
        element("MaxParts", str(most)),
        element("IsTruncated", "true" if more else "false"),
        "<StorageClass>STANDARD</StorageClass>",
    ]
    told += [
        "<Part>"
        + element("PartNumber", str(number))
        + element("LastModified", iso(modified))
        + element("ETag", f'"{tag}"')
        + element("Size", str(size))
        + "</Part>"
        for number, size, modified, tag in parts
    ]
    return document("ListPartsResult", told)


def upload_list(
    bucket: str,
    asked: tuple[str, str, str, int],
    uploads: Sequence[tuple[str, str, int]],
    *,
    more: bool,
    encoded: bool,
) -> bytes:
    """ListMultipartUploads: prefix, markers, how many were asked; key, id, time of each."""
    prefix, key_marker, id_marker, most = asked

    def shown(text: str) -> str:
        return quote(text) if encoded else text

    told = [
        element("Bucket", bucket),
        element("Prefix", shown(prefix)),
        element("KeyMarker", shown(key_marker)),
        element("UploadIdMarker", id_marker),
        element("MaxUploads", str(most)),
        element("IsTruncated", "true" if more else "false"),
    ]
    if more:
        told += [
            element("NextKeyMarker", shown(uploads[-1][0])),
            element("NextUploadIdMarker", uploads[-1][1]),
        ]
    if encoded:
        told.append(element("EncodingType", "url"))
    told += [
        "<Upload>"
        + element("Key", shown(key))
        + element("UploadId", upload)
        + element("Initiated", iso(began))
        + "<StorageClass>STANDARD</StorageClass></Upload>"
        for key, upload, began in uploads
    ]
    return document("ListMultipartUploadsResult", told)


def read_parts(body: bytes) -> list[tuple[int, str]]:
    """Number and ETag of each part in a CompleteMultipartUpload. Raises Malformed."""
    found = []
    for part in _children(_root(body, "CompleteMultipartUpload"), "Part"):
        number, tag = _text(part, "PartNumber"), _text(part, "ETag")
        if not (number.isascii() and number.isdecimal() and len(number) <= 5 and tag):
            raise Malformed("a part has no number or no ETag")
        found.append((int(number), tag.strip('"')))
    if not found:
        raise Malformed("there are no parts")
    return found


def read_deleted(body: bytes) -> tuple[list[tuple[str, bool]], bool]:
    """The names that DeleteObjects asks for, each with whether more is said; and if it is quiet.

    Raises Malformed.
    """
    root = _root(body, "Delete")
    objects = _children(root, "Object")
    if not 1 <= len(objects) <= MAX_DELETED:
        raise Malformed("there are no objects, or too many")
    keys = []
    for each in objects:
        key = _key(each)
        if not key:
            raise Malformed("an object has no key")
        keys.append((key, len(each.children) > 1))
    return keys, _text(root, "Quiet") == "true"


def _root(body: bytes, name: str) -> Element:
    try:
        root = parse_xml(body, limit=MAX_DOCUMENT)
    except XmlError as error:
        raise Malformed(str(error)) from None
    if _local(root) != name:
        raise Malformed(f"it is no {name}")
    return root


def _local(element: Element) -> str:
    """Its name without the namespace, which not all clients send."""
    return element.name.rpartition("}")[2]


def _children(parent: Element, name: str) -> list[Element]:
    return [each for each in parent.children if _local(each) == name]


def _text(parent: Element, name: str) -> str:
    return next((each.text.strip() for each in _children(parent, name)), "")


def _key(parent: Element) -> str:
    """Blanks around a name belong to it."""
    return next((each.text for each in _children(parent, "Key")), "")
