"""What daemons say of a message, and one exchange with one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

import msgspec

ANSWER_BYTES = 1 << 20
"""Largest answer that is read."""
NAMES = 100
"""Names of rules that are kept of one answer."""
NAME_LENGTH = 100


class ScanFailed(Exception):
    """The daemon gave no answer that can be used; the message says why, without content."""


class Unreached(ScanFailed):
    """Nobody is there, or gave no answer in time."""


class Delivery(msgspec.Struct, frozen=True):
    """What a daemon is told of how a message came."""

    sender: str = ""
    recipients: Sequence[str] = ()
    peer: str = ""
    helo: str = ""


class Judged(msgspec.Struct, frozen=True):
    """A judgement on spam: `score` of `required`; `verdict` where the daemon has one of its own."""

    score: float
    required: float
    verdict: Literal["junk", "gray", "pass"]
    names: tuple[str, ...] = ()
    """Of the rules that fit."""


def printable(text: str) -> str:
    """A name from outside as it may stand in a field, a log or an event: short, of one line."""
    return "".join(letter for letter in text if "!" <= letter <= "~")[:NAME_LENGTH]


async def exchange(
    daemon: str, seconds: float, pieces: Sequence[bytes], *, end: bool = False
) -> bytes:
    """Send `pieces` to `host:port` or `unix:/path` and read what comes until it closes.

    `end` closes our side after the last piece. Raises Unreached, and ScanFailed for an answer that
    is too long.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await _connect(daemon)
            try:
                return await _converse(reader, writer, pieces, end)
            finally:
                writer.close()
    except TimeoutError:
        raise Unreached(f"{daemon} gave no answer in {seconds:g} s") from None
    except OSError as error:
        raise Unreached(f"{daemon}: {error.strerror or error}") from error


async def _connect(daemon: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if daemon.startswith("unix:"):
        return await asyncio.open_unix_connection(daemon.removeprefix("unix:"))
    host, _, port = daemon.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: Sequence[bytes], end: bool
) -> bytes:
    sending = asyncio.create_task(_send(writer, pieces, end))
    answer = bytearray()
    try:
        # A daemon may answer, and close, before it has heard all: what it said counts.
        while data := await _read(reader, answer):
            answer += data
            if len(answer) > ANSWER_BYTES:
                raise ScanFailed("the answer is too long")
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending
    return bytes(answer)


async def _read(reader: asyncio.StreamReader, answer: bytearray) -> bytes:
    try:
        return await reader.read(64 * 1024)
    except ConnectionError:
        if answer:
            return b""
        raise


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes], end: bool) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    if end:
        writer.write_eof()
