"""Which tables a dump holds, and how rows travel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from workpost.store.schema.migrate import migrations

LEFT_OUT = {"command_done", "schema_version"}
"""Commits in doubt are settled long before anybody restores; the loader makes its own schema."""
CHUNK_BYTES = 4 * 1024 * 1024
CHUNK_ROWS = 10_000

_STATEMENT = re.compile(
    r"\b(CREATE|DROP)\s+TABLE\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(\w+)", re.IGNORECASE
)

Row = Sequence[Any]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[list[Any]]).decode


def tables_of(schema: int) -> list[str]:
    """The tables of a schema in the order of their making."""
    found: dict[str, None] = {}
    for step in migrations():
        if step.number > schema:
            break
        for verb, table in _STATEMENT.findall(step.sql):
            if verb == "DROP":
                found.pop(table, None)
            elif table not in LEFT_OUT:
                found[table] = None
    return list(found)


def pack_rows(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows in packed chunks of about 4 MB."""
    waiting: list[Row] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in row)
        if size >= CHUNK_BYTES or len(waiting) >= CHUNK_ROWS:
            yield _encode(waiting)
            waiting, size = [], 0
    if waiting:
        yield _encode(waiting)


def unpack_rows(chunk: bytes) -> list[list[Any]]:
    """The rows of a chunk. Raises msgspec.MsgspecError for anything else."""
    return _decode(chunk)
