"""Documents in XML that are sent to the S3 door: the parts of an upload, names to be deleted."""

from __future__ import annotations

from workpost.formats.xml import Element, XmlError, parse_xml
from workpost.integrations.s3.depot import Chosen
from workpost.protocols.s3.sums import sum_among

MAX_DOCUMENT = 4 << 20
"""Bytes of a document that is sent to us: 10,000 parts with checksums have 3 MB."""
MAX_DELETED = 1000


class Malformed(ValueError):
    """The document is not what was to be sent."""


def read_parts(body: bytes) -> list[Chosen]:
    """Number, ETag and checksum of each part in a CompleteMultipartUpload. Raises Malformed."""
    found = []
    for part in _children(_root(body, "CompleteMultipartUpload"), "Part"):
        number, tag = _text(part, "PartNumber"), _text(part, "ETag")
        if not (number.isascii() and number.isdecimal() and len(number) <= 5 and tag):
            raise Malformed("a part has no number or no ETag")
        texts = {_local(each): each.text.strip() for each in part.children}
        found.append(Chosen(int(number), tag.strip('"'), sum_among(texts)))
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
