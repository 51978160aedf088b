"""What is written at the S3 door: from a body or another object, and under which conditions."""

from __future__ import annotations

from workpost.formats.checksums import Sum, hasher, sum_of
from workpost.integrations.s3.depot import Condition, Reading, Writing
from workpost.protocols.s3 import limits
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.incoming import Body
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.threads import apart

MATCH, NONE_MATCH = "if-match", "if-none-match"


def condition_of(asked: Asked) -> Condition:
    """What has to be in the place of what is written. Raises S3Error."""
    match, none = asked.header(MATCH), asked.header(NONE_MATCH)
    if (none and none != "*") or (match and none) or "," in match:
        raise S3Error("NotImplemented", "One ETag can be matched, or no object at all.")
    return Condition(match.strip('"'), bool(none))


async def put(writing: Writing, body: Body) -> tuple[str, Sum | None]:
    """Write a body; returns ETag and checksum. Raises S3Error, and what the bucket raises."""
    try:
        proven = await body.into(writing)
        return await apart(writing.finish, proven), proven
    finally:
        # Its thread is had at once, also where nobody waits for it any more.
        await apart(writing.abort)


async def copy(writing: Writing, reading: Reading, algorithm: str) -> tuple[str, Sum | None]:
    """Write what is read, with a checksum where an algorithm is named; as `put`."""
    try:
        return await apart(_copy, writing, reading, algorithm)
    finally:
        await apart(writing.abort)
        await apart(reading.close)


def _copy(writing: Writing, reading: Reading, algorithm: str) -> tuple[str, Sum | None]:
    made = hasher(algorithm) if algorithm else None
    while data := reading.read(limits.PIECE):
        if made is not None:
            made.update(data)
        writing.write(data)
    whole = sum_of(algorithm, made.digest()) if made is not None else None
    return writing.finish(whole), whole
