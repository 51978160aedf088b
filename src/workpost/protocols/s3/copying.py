"""Copies at the S3 door: of whole objects, and of ranges as parts of an upload."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from workpost.formats.checksums import Sum
from workpost.integrations.s3.depot import Depot, Entry, Writing
from workpost.protocols.s3 import limits
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.putting import condition_of, copy
from workpost.protocols.s3.replies import WRITE_CONDITIONS, Reply, document, refuse_unkept
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.sums import named_algorithm
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import answers

SOURCE, COPY = "x-amz-copy-source", "x-amz-metadata-directive"
RANGE, MATCH = "x-amz-copy-source-range", "x-amz-copy-source-if-match"
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")

Find = Callable[[str], Depot | None]
"""The bucket of the account that has a name."""


def is_copy(asked: Asked) -> bool:
    """Whether what is written comes from another object."""
    return SOURCE.encode() in asked.headers


async def copy_object(find: Find, depot: Depot, asked: Asked) -> Reply:
    """CopyObject, from any bucket of the account. Raises S3Error, Refused, TryLater."""
    refuse_unkept(asked, SOURCE, MATCH, *WRITE_CONDITIONS)
    directive = asked.header(COPY) or "COPY"
    if asked.method != "PUT" or set(asked.query) - {"x-id"} or directive != "COPY":
        raise S3Error("NotImplemented", "Objects are copied as they are.")
    source, entry, (start, end) = await _find(find, asked)
    algorithm = named_algorithm(asked) or (entry.sum.algorithm if entry.sum else "")
    writing = await apart(depot.write, asked.key, end - start, condition_of(asked))
    tag, made_sum = await _bring(source, entry, (start, end), writing, algorithm)
    made = await apart(depot.look, asked.key)
    return document(answers.copied("CopyObjectResult", tag, made.modified, made_sum))


async def copy_part(find: Find, depot: Depot, asked: Asked, upload: str, number: int) -> Reply:
    """UploadPartCopy, from any bucket of the account. Raises S3Error, Refused, TryLater."""
    refuse_unkept(asked, SOURCE, RANGE, MATCH)
    source, entry, (start, end) = await _find(find, asked)
    algorithm = await apart(depot.uploads.algorithm, asked.key, upload)
    writing = await apart(depot.uploads.write_part, asked.key, upload, number, end - start)
    tag, made_sum = await _bring(source, entry, (start, end), writing, algorithm)
    parts = await apart(depot.uploads.parts, asked.key, upload, number - 1, 1)
    modified = parts[0].modified if parts else 0
    return document(answers.copied("CopyPartResult", tag, modified, made_sum))


async def _bring(
    source: Depot, entry: Entry, place: tuple[int, int], writing: Writing, algorithm: str
) -> tuple[str, Sum | None]:
    try:
        reading = await apart(source.open, entry, *place)
    except BaseException:
        await apart(writing.abort)
        raise
    return await copy(writing, reading, algorithm)


async def _find(find: Find, asked: Asked) -> tuple[Depot, Entry, tuple[int, int]]:
    """The object that is to be copied, and the range of it that was named."""
    source, key = _source(find, asked)
    entry = await apart(source.look, key)
    wanted = asked.header(MATCH)
    if wanted and wanted.strip('"') != entry.tag:
        raise S3Error(
            "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
        )
    start, end = 0, entry.size
    if named := asked.header(RANGE):
        match = _RANGE.fullmatch(named)
        if match is None or not int(match[1]) <= int(match[2]) < entry.size:
            raise S3Error("InvalidArgument", "The copy source range is not valid for the object.")
        start, end = int(match[1]), int(match[2]) + 1
    if end - start > limits.MAX_OBJECT:
        raise S3Error("InvalidRequest", f"At most {limits.MAX_OBJECT} bytes are copied at once.")
    return source, entry, (start, end)


def _source(find: Find, asked: Asked) -> tuple[Depot, str]:
    """The bucket and the name of what is to be copied. Raises S3Error."""
    path, _, version = asked.header(SOURCE).partition("?")
    if version not in {"", "versionId=null"}:
        raise S3Error("NotImplemented", "Versions are not copied here.")
    try:
        named = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The copy source is not valid.") from None
    bucket, _, key = named.removeprefix("/").partition("/")
    if not key:
        raise S3Error("InvalidArgument", "The copy source has to name a bucket and a key.")
    source = find(bucket)
    if source is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist")
    return source, key
