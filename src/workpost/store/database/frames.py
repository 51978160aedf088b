"""Frames between front ends and the writer process: pure bytes <-> values.

Every frame is a length (4 bytes, little endian) and so many bytes. To the writer: flags, command
id, length of the name, name, packed arguments. From the writer: a kind and either command id and
result, command id, error name and message, or hints.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import msgspec

from workpost.store.database.batch import Done
from workpost.store.database.unit import Hint

MOST = 64 * 1024 * 1024
"""Bytes in one frame."""

LANE = 1
AGAIN = 2

RESULT = 0
ERROR = 1
HINTS = 2

_COMMAND = struct.Struct("<IB16sH")
_PARSE_COMMAND = struct.Struct("<B16sH")
_REPLY = struct.Struct("<IB16s")
_LENGTH = struct.Struct("<I")
_HINTS = struct.Struct("<IB")
_COMMAND_REST = _COMMAND.size - 4
_REPLY_REST = _REPLY.size - 4

_pack_hints = msgspec.msgpack.Encoder().encode
_unpack_hints = msgspec.msgpack.Decoder(list[Hint]).decode


class FrameError(ValueError):
    """The bytes are no frame of ours; the connection is closed."""


class Splitter:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every frame that is complete now. Raises FrameError."""
        data = self._rest + data if self._rest else data
        start, end = 0, len(data)
        self._rest = b""
        while end - start >= 4:
            (length,) = _LENGTH.unpack_from(data, start)
            if length > MOST:
                raise FrameError(f"a frame of {length} bytes")
            if end - start - 4 < length:
                break
            start += 4 + length
            yield data[start - length : start]
        self._rest = data[start:]


def command_head(id: bytes, name: str, size: int, *, lane: int, again: bool) -> bytes:
    """What goes before `size` bytes of packed arguments."""
    encoded = name.encode()
    flags = (LANE if lane else 0) | (AGAIN if again else 0)
    return _COMMAND.pack(_COMMAND_REST + len(encoded) + size, flags, id, len(encoded)) + encoded


def parse_command(frame: bytes) -> tuple[bytes, str, bytes, int, bool]:
    """(id, name, arguments, lane, again). Raises FrameError."""
    try:
        flags, command_id, length = _PARSE_COMMAND.unpack_from(frame)
        name = frame[_COMMAND_REST : _COMMAND_REST + length].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None
    return command_id, name, frame[_COMMAND_REST + length :], flags & LANE, bool(flags & AGAIN)


def reply(done: Done) -> bytes:
    """The frame that tells a front end what became of its command."""
    if not done.error:
        return _REPLY.pack(_REPLY_REST + len(done.body), RESULT, done.waiting.id) + done.body
    name = done.error.encode()
    rest = bytes((len(name),)) + name + done.body
    return _REPLY.pack(_REPLY_REST + len(rest), ERROR, done.waiting.id) + rest


def hints_frame(hints: Sequence[Hint]) -> bytes:
    """The frame that carries hints."""
    packed = _pack_hints(hints)
    return _HINTS.pack(1 + len(packed), HINTS) + packed


def parse_reply(frame: bytes) -> tuple[bytes, str, bytes] | list[Hint]:
    """(command id, error name or empty, result or message), or hints. Raises FrameError."""
    try:
        kind = frame[0]
        if kind == HINTS:
            return _unpack_hints(frame[1:])
        if len(frame) >= _REPLY_REST and kind == RESULT:
            return frame[1:17], "", frame[17:]
        if len(frame) > _REPLY_REST and kind == ERROR:
            end = 18 + frame[17]
            return frame[1:17], frame[18:end].decode(), frame[end:]
    except (IndexError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise FrameError(str(error)) from None
    raise FrameError("a reply of unknown kind")
