"""What the S3 door does: mapped buckets, and their objects one by one."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime

from workpost.integrations.s3.depot import Depot, Entry, Refused
from workpost.integrations.s3.mapping import Depots
from workpost.kernel.errors import TryLater
from workpost.protocols.s3.copying import copy_object, is_copy
from workpost.protocols.s3.documents import Malformed, read_deleted
from workpost.protocols.s3.errors import S3Error, translate
from workpost.protocols.s3.incoming import Body
from workpost.protocols.s3.listing import list_objects
from workpost.protocols.s3.multipart import is_multipart, list_uploads, serve_upload
from workpost.protocols.s3.putting import condition_of, put
from workpost.protocols.s3.replies import WRITE_CONDITIONS, Reply, document, refuse_unkept
from workpost.protocols.s3.request import MAX_KEY, Asked
from workpost.protocols.s3.sums import MODE, fields_of
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import answers
from workpost.store.core import Core

OBJECT = frozenset({"x-id"})
READ = OBJECT | {"versionId"}
_RANGE = re.compile(r"bytes=(?=\d|-\d)([0-9]{0,15})-([0-9]{0,15})")
CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
NO_VERSION = ("", "null")
"""The version of objects in a bucket that keeps none."""
CHANGED = "At least one of the pre-conditions you specified did not hold"


async def answer(core: Core, depots: Depots, account: str, asked: Asked, body: Body) -> Reply:
    """Do what an account's function asks. Raises S3Error, Refused, TryLater."""
    if not asked.bucket:
        raise S3Error("NotImplemented", "Buckets are not listed.")
    depot = depots.find(core.settings, account, asked.bucket)
    if depot is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist")
    if not asked.key:
        return await _bucket(core, depot, asked, body)

    def find(bucket: str) -> Depot | None:
        return depots.find(core.settings, account, bucket)

    if is_multipart(asked):
        return await serve_upload(depot, asked, body, find)
    if is_copy(asked):
        await body.whole()
        return await copy_object(find, depot, asked)
    return await _object(depot, asked, body)


# --- buckets --------------------------------------------------------------------------------------


async def _bucket(core: Core, depot: Depot, asked: Asked, body: Body) -> Reply:
    region = {"x-amz-bucket-region": core.settings.api.region}
    if asked.method == "HEAD":
        return Reply(200, region)
    if asked.method == "POST" and set(asked.query) - {"x-id"} == {"delete"}:
        return await _delete_many(depot, body)
    if asked.method != "GET" and set(asked.query) - {"x-id"}:
        raise S3Error("NotImplemented", "This is not available for buckets here.")
    if asked.method != "GET":
        raise S3Error("MethodNotAllowed", "Buckets are the operator's to make and to delete.")
    if set(asked.query) == {"location"}:
        return document(answers.location(core.settings.api.region))
    if "uploads" in asked.query:
        return await list_uploads(depot, asked)
    return await list_objects(depot, asked)


async def _delete_many(depot: Depot, body: Body) -> Reply:
    try:
        objects, quiet = await apart(read_deleted, await body.whole())
    except Malformed as error:
        raise S3Error("MalformedXML", f"The XML you provided is not right: {error}.") from None
    gone, failed = await apart(_delete_each, depot, objects)
    return document(answers.deleted(gone, failed, quiet=quiet))


def _delete_each(
    depot: Depot, objects: list[tuple[str, bool]]
) -> tuple[list[str], list[tuple[str, str, str]]]:
    gone: list[str] = []
    failed: list[tuple[str, str, str]] = []
    for key, conditional in objects:
        try:
            if conditional:
                raise S3Error("NotImplemented", "Versions and conditions are not available here.")
            if len(key.encode()) > MAX_KEY:
                raise S3Error("KeyTooLongError", "Your key is too long.")
            depot.delete(key)
            gone.append(key)
        except (S3Error, Refused, TryLater) as error:
            told = translate(error)
            failed.append((key, told.code, told.message))
    return gone, failed


# --- objects --------------------------------------------------------------------------------------


async def _object(depot: Depot, asked: Asked, body: Body) -> Reply:
    reading = asked.method in {"GET", "HEAD"}
    if set(asked.query) - (READ if reading else OBJECT):
        raise S3Error("NotImplemented", "This is not available for objects here.")
    if asked.method == "PUT":
        return await _put(depot, asked, body)
    if asked.method == "DELETE":
        refuse_unkept(asked)
        await apart(depot.delete, asked.key)
        return Reply(204, {})
    if not reading:
        raise S3Error("MethodNotAllowed", "The specified method is not allowed here.")
    return await _get(depot, asked)


async def _put(depot: Depot, asked: Asked, body: Body) -> Reply:
    refuse_unkept(asked, *WRITE_CONDITIONS)
    writing = await apart(depot.write, asked.key, body.size, condition_of(asked))
    tag, proven = await put(writing, body)
    return Reply(200, {"ETag": f'"{tag}"', **fields_of(proven)})


async def _get(depot: Depot, asked: Asked) -> Reply:
    version = asked.query.get("versionId", "")
    version = "" if version in NO_VERSION else version
    entry = await apart(depot.look, asked.key, version)
    headers = {
        "Content-Type": "binary/octet-stream",
        "ETag": f'"{entry.tag}"',
        "Last-Modified": formatdate(entry.modified / 1000, usegmt=True),
        "Accept-Ranges": "bytes",
        **({"x-amz-version-id": version} if version else {}),
    }
    if _is_known(asked, entry):
        return Reply(304, headers)
    start, end = _place(asked, entry.size)
    status = 200
    if _RANGE.fullmatch(asked.header("range")):
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry.size}"
    elif asked.header(MODE).upper() == "ENABLED":
        # Of the whole: a client would compare it with the range that it has got.
        headers |= fields_of(entry.sum)
    headers["Content-Length"] = str(end - start)
    if asked.method == "HEAD":
        return Reply(status, headers)
    return Reply(status, headers, b"", await apart(depot.open, entry, start, end))


def _is_known(asked: Asked, entry: Entry) -> bool:
    """Whether the caller has it, by what he says of his own (RFC 9110 13.2.2). Raises S3Error."""
    wanted, known, since, until = (asked.header(name) for name in CONDITIONS)
    if wanted:
        if wanted != "*" and entry.tag not in _tags(wanted):
            raise S3Error("PreconditionFailed", CHANGED)
    elif (moment := _moment(until)) is not None and entry.modified // 1000 > moment:
        raise S3Error("PreconditionFailed", CHANGED)
    if known:
        return known == "*" or entry.tag in _tags(known)
    return (moment := _moment(since)) is not None and entry.modified // 1000 <= moment


def _moment(text: str) -> float | None:
    """A date of HTTP in seconds; None for what is none, which is as if nothing was said."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _tags(text: str) -> set[str]:
    return {each.strip().removeprefix("W/").strip('"') for each in text.split(",")}


def _place(asked: Asked, size: int) -> tuple[int, int]:
    """Where what is wanted begins and ends. Raises S3Error."""
    match = _RANGE.fullmatch(asked.header("range"))
    if match is None:
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise S3Error("InvalidRange", "The requested range is not satisfiable")
    return start, end
