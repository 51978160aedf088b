"""The body of a request to the S3 door: taken in piece by piece, and proven before it counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from workpost.formats.checksums import Sum
from workpost.integrations.s3.depot import Writing
from workpost.protocols.s3 import limits
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.request import UNSIGNED, Asked, Proven
from workpost.protocols.s3.sums import Verifier
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import chunked

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
HASH = "x-amz-content-sha256"
_MAX_DIGITS = 12


class Body(Protocol):
    """What a request brings beside its head."""

    @property
    def size(self) -> int:
        """Bytes of the data."""
        ...

    async def into(self, writing: Writing) -> Sum | None:
        """Write the data; returns the checksum that the client told of them, once all is proven.

        Raises S3Error, and what writing raises.
        """
        ...

    async def whole(self) -> bytes:
        """The data of a document. Raises S3Error."""
        ...


class NoBody:
    """That of a request which has none; implements `Body`."""

    size = 0

    async def into(self, writing: Writing) -> Sum | None:
        return None

    async def whole(self) -> bytes:
        return b""


class Incoming:
    """Data that are sent; implements `Body`. Nobody sees what is made of them before they end."""

    def __init__(
        self, asked: Asked, proven: Proven, receive: Receive, most: int, *, of_body: bool = True
    ) -> None:
        """`most` bytes are taken; `of_body`: sums in the head are the body's. Raises S3Error."""
        self._receive = receive
        length = _length(asked, "content-length")
        if length > most:
            raise _too_large()
        self._length = length
        self._waited = 0.0
        streaming = proven.hashed in chunked.STREAMING
        trailing = streaming and proven.hashed != chunked.SIGNED
        self.size = _length(asked, "x-amz-decoded-content-length") if streaming else length
        """Bytes of the data."""
        if self.size > length:
            raise S3Error("IncompleteBody", "The body is smaller than what was announced.")
        self._decoder = None
        if streaming:
            seal = None if proven.hashed == chunked.UNSIGNED_TRAILER else proven.seal
            self._decoder = chunked.Decoder(self.size, seal, trailing=trailing)
        # A presigned request may bring the hash in a field that is signed, too.
        told = asked.header(HASH) if proven.hashed == UNSIGNED else proven.hashed
        self._hashed = "" if streaming or told in {"", UNSIGNED} else told
        self._hash = hashlib.sha256()
        self._announced = {
            each.strip().lower() for each in asked.header("x-amz-trailer").split(",")
        } - {""}
        self._trailing = trailing
        self._verifier = Verifier(asked, trailing=trailing, of_body=of_body)

    async def into(self, writing: Writing) -> Sum | None:
        more = True
        while more:
            piece, more = await self._gather()
            await apart(self._take, piece, writing.write)
        return await apart(self._prove)

    async def whole(self) -> bytes:
        data = bytearray()
        more = True
        while more:
            piece, more = await self._gather()
            await apart(self._take, piece, data.extend)
        await apart(self._prove)
        return bytes(data)

    def _take(self, piece: bytes, put: Callable[[bytes], object]) -> None:
        try:
            for data in [piece] if self._decoder is None else self._decoder.feed(piece):
                if self._hashed:
                    self._hash.update(data)
                self._verifier.update(data)
                put(data)
        except chunked.ChunkUnsigned:
            raise _unsigned() from None
        except chunked.ChunksMalformed as error:
            raise _malformed(error) from None

    def _prove(self) -> Sum | None:
        fields: dict[str, str] = {}
        try:
            if self._decoder is not None:
                fields = self._decoder.finish()
        except chunked.ChunkUnsigned:
            raise _unsigned() from None
        except chunked.ChunksMalformed as error:
            raise _malformed(error) from None
        if self._trailing and self._announced - fields.keys():
            raise S3Error(
                "MalformedTrailerError", "A trailing field that was announced did not come."
            )
        if self._hashed and self._hashed != self._hash.hexdigest():
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        return self._verifier.finish(fields)

    async def _gather(self) -> tuple[bytes, bool]:
        """A piece of the body as it was sent, and whether more follows. Raises S3Error."""
        loop = asyncio.get_running_loop()
        piece = bytearray()
        began = loop.time()
        try:
            async with asyncio.timeout(limits.BODY_SECONDS - self._waited):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise S3Error("IncompleteBody", "The body did not come to its end.")
                    piece += message.get("body", b"")
                    self._length -= len(message.get("body", b""))
                    if self._length < 0:
                        raise _too_large()
                    more = bool(message.get("more_body", False))
                    if not more or len(piece) >= limits.PIECE:
                        self._waited += loop.time() - began
                        return bytes(piece), more
        except TimeoutError:
            raise S3Error("RequestTimeout", "The body did not arrive in time.") from None


def _length(asked: Asked, name: str) -> int:
    text = asked.header(name)
    if not (text.isascii() and text.isdecimal()):
        raise S3Error("MissingContentLength", f"You must provide {name}.")
    if len(text) > _MAX_DIGITS:
        raise _too_large()
    return int(text)


def _too_large() -> S3Error:
    return S3Error(
        "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
    )


def _unsigned() -> S3Error:
    return S3Error("SignatureDoesNotMatch", "The signature of a chunk does not match its data.")


def _malformed(error: Exception) -> S3Error:
    return S3Error("IncompleteBody", f"The body cannot be read: {error}.")
