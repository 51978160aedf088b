"""How a personal access token is written: `wppat_`, 33 digits of randomness, 6 of a checksum.

Digits are those of base 62, so that a token is one word in every client, shell and URL. Prefix and
checksum let scanners of source code and logs find real tokens, and only those, by
`wppat_[0-9A-Za-z]{39}`. The checksum is CRC-32 of what stands before it, in base 62.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string
import zlib

PREFIX = "wppat_"
RANDOM_BYTES = 24
_RANDOM_DIGITS = 33
_CHECK_DIGITS = 6
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(rb"wppat_[0-9A-Za-z]{39}")


def write_token(random: bytes) -> str:
    """The text of a token of 24 random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a token is made of {RANDOM_BYTES} random bytes")
    body = PREFIX + _base62(int.from_bytes(random, "big"), _RANDOM_DIGITS)
    return body + _checksum(body.encode())


def token_digest(text: bytes) -> bytes | None:
    """The SHA-256 of a token, by which it is known; None for what is no token."""
    if not _SHAPE.fullmatch(text):
        return None
    body, check = text[:-_CHECK_DIGITS], text[-_CHECK_DIGITS:]
    if not hmac.compare_digest(_checksum(body).encode(), check):
        return None
    return hashlib.sha256(text).digest()


def _checksum(body: bytes) -> str:
    return _base62(zlib.crc32(body), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
