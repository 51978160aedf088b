"""What the S3 door answers, and what it refuses whatever is asked."""

from __future__ import annotations

from typing import NamedTuple

from workpost.integrations.s3.depot import Reading
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.request import Asked

XML = "application/xml"
_UNKEPT = (
    *("x-amz-meta-", "x-amz-tagging", "x-amz-acl", "x-amz-grant-", "x-amz-copy-source"),
    *("x-amz-server-side-encryption", "x-amz-object-lock-", "x-amz-website-redirect-"),
    *("x-amz-write-offset-bytes", "x-amz-bypass-governance-", "x-amz-mfa"),
)
_CONDITIONS = ("if-match", "if-none-match", "x-amz-if-match-")
"""Of what is written or deleted: who sends them relies on it that nothing else is lost."""


WRITE_CONDITIONS = ("if-match", "if-none-match")
"""Those of an object that is written."""


class Reply(NamedTuple):
    """What is answered."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    reading: Reading | None = None
    """What is sent in the place of a body; its length is among the headers."""


def document(body: bytes) -> Reply:
    """An answer in XML."""
    return Reply(200, {"Content-Type": XML}, body)


def refuse_unkept(asked: Asked, *allowed: str) -> None:
    """Refuse what would not be kept or minded. Raises S3Error."""
    for field in asked.headers:
        name = field.decode("latin-1")
        if name.startswith((*_UNKEPT, *_CONDITIONS)) and name not in allowed:
            raise S3Error(
                "NotImplemented",
                f"A header you provided implies functionality that is not implemented: {name}",
            )


def whole(text: str, name: str, most: int) -> int:
    """A number from 0 on; `most` where it is larger. Raises S3Error."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise S3Error("InvalidArgument", f"Argument {name} must be an integer from 0 on.")
    return min(int(text), most)
