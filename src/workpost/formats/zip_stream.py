"""A zip file written from front to back, never looking back (PKWARE APPNOTE 6.3.10).

Sizes and checksum of a file follow its data in a data descriptor; the central directory comes out
in pieces that the caller keeps until the end, so that memory does not grow with the number of
files. Files are deflated: unlike stored ones they can be read by programs that stream, too. Numbers
over 32 bits and more than 65,535 files use zip64.
"""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime

LEVEL = 1
"""Mail is mostly base64, which gains the same quarter at every level."""
MAX_NAME = 0xFFFF
TOP16 = 0xFFFF
TOP32 = 0xFFFFFFFF
LARGE = 0xF0000000
"""From this size on a file is given 64-bit sizes: deflate may make it a little larger."""

PLAIN_VERSION = 20
ZIP64_VERSION = 45
UNIX = 3 << 8
DESCRIPTOR_FLAG = 1 << 3
UTF8_FLAG = 1 << 11
STORED = 0
DEFLATED = 8
FILE_MODE = 0o100600 << 16
FOLDER_MODE = (0o40700 << 16) | 0x10
ZIP64_EXTRA = 0x0001
TIME_EXTRA = 0x5455

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_DESCRIPTOR = struct.Struct("<4s3L")
_LARGE_DESCRIPTOR = struct.Struct("<4sLQQ")
_END = struct.Struct("<4s4H2LH")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")


class _Member:
    """The file that is being written."""

    def __init__(self, name: bytes, modified: int, size: int, offset: int) -> None:
        self.name = name
        self.modified = modified
        self.declared = size
        self.offset = offset
        self.large = size >= LARGE
        self.deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.crc = 0
        self.size = 0
        self.packed = 0


class ZipStream:
    """One zip file. Each method returns the bytes that come next; `offset` counts them.

    Names are relative, joined by `/`, at most 65,535 bytes of UTF-8; whether they are safe and
    unique is the caller's business (`file_names.py`). Times are milliseconds since the epoch.
    """

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self.count = 0
        self._member: _Member | None = None
        self._directory = bytearray()

    def folder(self, name: str, modified: int) -> bytes:
        """An entry for a folder; `name` ends in a slash."""
        packed = _name(name)
        date, time = _dos(modified)
        extra = _time_extra(modified)
        local = _LOCAL.pack(
            *(b"PK\3\4", PLAIN_VERSION, UTF8_FLAG, STORED, time, date, 0, 0, 0),
            *(len(packed), len(extra)),
        )
        member = _Member(packed, modified, 0, self.offset)
        self._note(member, UTF8_FLAG, STORED, FOLDER_MODE)
        return self._given(local + packed + extra)

    def begin(self, name: str, modified: int, size: int) -> bytes:
        """The head of a file whose data will be `size` bytes."""
        packed = _name(name)
        member = self._member = _Member(packed, modified, size, self.offset)
        date, time = _dos(modified)
        extra = _time_extra(modified)
        version, sizes = PLAIN_VERSION, 0
        if member.large:
            # With a descriptor the sizes here are zero, in 64 bits (APPNOTE 4.3.9.2).
            extra += struct.pack("<2H2Q", ZIP64_EXTRA, 16, 0, 0)
            version, sizes = ZIP64_VERSION, TOP32
        local = _LOCAL.pack(
            *(b"PK\3\4", version, DESCRIPTOR_FLAG | UTF8_FLAG, DEFLATED, time, date),
            *(0, sizes, sizes, len(packed), len(extra)),
        )
        return self._given(local + packed + extra)

    def data(self, piece: bytes) -> bytes:
        """The next bytes of the file, deflated; often none yet."""
        member = self._open()
        member.crc = zlib.crc32(piece, member.crc)
        member.size += len(piece)
        packed = member.deflate.compress(piece)
        member.packed += len(packed)
        return self._given(packed)

    def end(self) -> bytes:
        """The rest of the file and its descriptor. Raises ValueError for another size than told."""
        member = self._open()
        if member.size != member.declared:
            raise ValueError(f"{member.declared} bytes were announced, {member.size} came")
        rest = member.deflate.flush()
        member.packed += len(rest)
        form = _LARGE_DESCRIPTOR if member.large else _DESCRIPTOR
        descriptor = form.pack(b"PK\7\x08", member.crc, member.packed, member.size)
        self._note(member, DESCRIPTOR_FLAG | UTF8_FLAG, DEFLATED, FILE_MODE)
        self._member = None
        return self._given(rest + descriptor)

    def take_directory(self) -> bytes:
        """The entries of the central directory since the last call, for the caller to keep."""
        taken = bytes(self._directory)
        self._directory.clear()
        return taken

    def finish(self, directory: int) -> bytes:
        """What follows the `directory` bytes of the central directory, itself after `offset`."""
        start = self.offset
        after = start + directory
        records = b""
        if self.count >= TOP16 or directory >= TOP32 or start >= TOP32:
            records = _ZIP64_END.pack(
                *(b"PK\6\6", _ZIP64_END.size - 12, UNIX | ZIP64_VERSION, ZIP64_VERSION, 0, 0),
                *(self.count, self.count, directory, start),
            )
            records += _ZIP64_LOCATOR.pack(b"PK\6\7", 0, after, 1)
        count = min(self.count, TOP16)
        records += _END.pack(
            *(b"PK\5\6", 0, 0, count, count, min(directory, TOP32), min(start, TOP32), 0)
        )
        self.offset = after + len(records)
        return records

    def _open(self) -> _Member:
        if self._member is None:
            raise ValueError("no file has begun")
        return self._member

    def _given(self, data: bytes) -> bytes:
        self.offset += len(data)
        return data

    def _note(self, member: _Member, flags: int, method: int, mode: int) -> None:
        large = [
            number for number in (member.size, member.packed, member.offset) if number >= TOP32
        ]
        extra = _time_extra(member.modified)
        if large:
            extra += struct.pack(f"<2H{len(large)}Q", ZIP64_EXTRA, 8 * len(large), *large)
        version = ZIP64_VERSION if large or member.large else PLAIN_VERSION
        date, time = _dos(member.modified)
        self._directory += _CENTRAL.pack(
            *(b"PK\1\2", UNIX | version, version, flags, method, time, date, member.crc),
            *(min(member.packed, TOP32), min(member.size, TOP32)),
            *(len(member.name), len(extra), 0, 0, 0, mode, min(member.offset, TOP32)),
        )
        self._directory += member.name + extra
        self.count += 1


def _name(name: str) -> bytes:
    packed = name.encode()
    if not packed or len(packed) > MAX_NAME:
        raise ValueError("a name has 1 to 65535 bytes")
    return packed


def _dos(modified: int) -> tuple[int, int]:
    """Date and time of MS-DOS: two seconds are one, from 1980 to 2107; here in UTC."""
    seconds = min(max(modified // 1000, 315_532_800), 4_354_819_198)
    at = datetime.fromtimestamp(seconds, UTC)
    date = (at.year - 1980) << 9 | at.month << 5 | at.day
    return date, at.hour << 11 | at.minute << 5 | at.second // 2


def _time_extra(modified: int) -> bytes:
    """The time in UTC, which MS-DOS leaves open (Info-ZIP's extended timestamp)."""
    seconds = min(max(modified // 1000, -(2**31)), 2**31 - 1)
    return struct.pack("<2HBl", TIME_EXTRA, 5, 1, seconds)
