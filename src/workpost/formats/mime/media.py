"""A Content-Type, read once: as the scanner, BODYSTRUCTURE and the table of parts want it."""

from __future__ import annotations

from functools import lru_cache

from workpost.formats.charsets import decode
from workpost.formats.mime.headers import (
    Parameters,
    decoded_parameter,
    media_type,
    parameter,
    parameters,
)
from workpost.formats.mime.wire import parameter_list

REMEMBERED = 1_024
REMEMBERED_LENGTH = 100
"""This many Content-Types up to this long are kept read."""


class MediaType:
    """Type, subtype and parameters of an entity; nobody changes one, many entities share it.

    `major` and `minor` are lower case. `name` is `major/minor`, `charset` lower case and
    "us-ascii" for text that does not say, `filename` the decoded parameter `name`, `wire` the
    beginning of a BODYSTRUCTURE.
    """

    __slots__ = (
        "charset",
        "filename",
        "is_message",
        "is_multipart",
        "major",
        "minor",
        "name",
        "params",
        "wire",
    )

    def __init__(self, major: bytes, minor: bytes, params: Parameters) -> None:
        self.major = major
        self.minor = minor
        self.params = params
        self.is_multipart = major == b"multipart"
        self.is_message = major == b"message" and minor == b"rfc822"
        self.name = f"{major.decode()}/{minor.decode()}"
        charset = decode(parameter(params, b"charset")[:64]).lower()
        self.charset = charset or ("us-ascii" if major == b"text" else "")
        self.filename = decoded_parameter(params, b"name")
        self.wire = b'("%b" "%b" %b' % (major.upper(), minor.upper(), parameter_list(params))


PLAIN = MediaType(b"text", b"plain", [(b"charset", b"US-ASCII")])
"""What an entity is that does not say (RFC 2045 5.2)."""
MESSAGE = MediaType(b"message", b"rfc822", [])
"""What an entity of a digest is that does not say (RFC 2046 5.1.5)."""
OPAQUE = MediaType(b"text", b"plain", [])
"""What cannot be taken apart, presented as the plain text it is to a reader."""


def read_type(value: bytes) -> MediaType | None:
    """Return what a Content-Type says; None where it is malformed."""
    return _remembered(value) if len(value) <= REMEMBERED_LENGTH else _read(value)


def _read(value: bytes) -> MediaType | None:
    found = media_type(value)
    return MediaType(*found, parameters(value)) if found is not None else None


# Nearly all messages have one of a few types.
_remembered = lru_cache(REMEMBERED)(_read)
