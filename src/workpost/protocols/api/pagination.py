"""NextToken: where a listing goes on, sealed, so that clients can neither read nor make one."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workpost.kernel.clock import Environment
from workpost.kernel.errors import InvalidParameter

LIFETIME_MS = 24 * 60 * 60 * 1000
MAX_TOKEN = 1024
NONCE = 12

Position = tuple[str | int | bytes | None, ...]
"""The key of the last row that was returned."""


class PageTokens:
    """Seals and opens positions; a token is good for its listing only, and for 24 hours.

    `key` is 32 bytes and the same on every node.
    """

    def __init__(self, key: bytes, environment: Environment) -> None:
        self._cipher = AESGCM(key)
        self._environment = environment

    def seal(
        self,
        position: Position,
        *,
        operation: str,
        account: str,
        organization: str = "",
        filters: object = None,
    ) -> str:
        """The token for what follows `position`, at most 1,024 characters of base64.

        `filters` is anything that JSON can say; MaxResults is not part of it, pages may change
        in size. Raises ValueError for a position that does not fit.
        """
        expires = self._environment.now() + LIFETIME_MS
        plain = expires.to_bytes(8, "big") + msgspec.msgpack.encode(position)
        nonce = self._environment.random_bytes(NONCE)
        bound = _binding(operation, account, organization, filters)
        token = base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, bound)).decode()
        if len(token) > MAX_TOKEN:
            raise ValueError(f"a page token of {len(token)} characters is over the limit")
        return token

    def open(
        self,
        token: str,
        *,
        operation: str,
        account: str,
        organization: str = "",
        filters: object = None,
    ) -> Position:
        """The position of a token sealed for the same listing.

        Raises InvalidParameter for a token that is foreign, altered or older than 24 hours.
        """
        try:
            sealed = base64.b64decode(token, validate=True)
            bound = _binding(operation, account, organization, filters)
            plain = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], bound)
        except (binascii.Error, ValueError, InvalidTag):
            raise InvalidParameter("The NextToken does not belong to this request.") from None
        if int.from_bytes(plain[:8], "big") < self._environment.now():
            raise InvalidParameter("The NextToken has expired.")
        return tuple(msgspec.msgpack.decode(plain[8:]))


def _binding(operation: str, account: str, organization: str, filters: object) -> bytes:
    listing = orjson.dumps([operation, account, organization, filters], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(listing).digest()
