"""Lines of audit logs as the store holds them: packed, and sealed under the organization's key."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from workpost.integrations.logs.base import Line
from workpost.kernel.errors import Fault
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.service_logs import LogChunk

CHUNK_LINES = 500

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Line]).decode


def _place(organization: str, chunk: int) -> bytes:
    return sealing.place("service_log", "sealed", organization, "service_log", chunk)


async def seal_chunk(core: Core, organization: str, kind: str, lines: Sequence[Line]) -> LogChunk:
    """Lines as a row. Raises KeyDestroyed, TryLater."""
    chunk = core.env.new_id()
    packed = zlib.compress(_encode(lines), 1)
    sealed, gen = await core.keys.seal(organization, packed, _place(organization, chunk))
    return LogChunk(organization, lines[0][0], chunk, kind, len(lines), gen, sealed)


async def open_chunk(core: Core, chunk: LogChunk) -> list[Line]:
    """The lines of a row. Raises Fault for one that does not open, KeyDestroyed, TryLater."""
    place = _place(chunk.org, chunk.id)
    packed = await core.keys.unseal(chunk.org, chunk.gen, chunk.sealed, place)
    try:
        return _decode(zlib.decompress(packed))
    except (zlib.error, msgspec.DecodeError) as error:
        raise Fault(f"the service log {chunk.id} is damaged") from error
