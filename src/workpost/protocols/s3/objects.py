"""What the S3 door does: objects of a mapped bucket, one by one and in lists."""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

from workpost.integrations.s3.depot import Depot, Entry, Refused
from workpost.integrations.s3.mapping import Depots
from workpost.kernel.errors import TryLater
from workpost.protocols.s3.documents import Malformed, read_deleted
from workpost.protocols.s3.errors import S3Error, translate
from workpost.protocols.s3.multipart import is_multipart, list_uploads, serve_upload
from workpost.protocols.s3.replies import Reply, document, refuse_unkept, whole
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import answers
from workpost.store.core import Core

MAX_OBJECT = 64 << 20
"""Bytes that are put or got at once; larger objects are put in parts and got in ranges."""
MAX_PAGE = 1000
LAST = "\U0010ffff"
MAX_LOOKED = 20
"""Pages of the bucket that are read for one page of an answer with a delimiter."""
LIST = frozenset(
    {"list-type", "prefix", "delimiter", "max-keys", "start-after", "continuation-token"}
    | {"encoding-type", "fetch-owner", "x-id"}
)
OBJECT = frozenset({"x-id", "versionId"})
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
SOURCE, COPY = "x-amz-copy-source", "x-amz-metadata-directive"
CHANGED = "At least one of the pre-conditions you specified did not hold"


async def answer(core: Core, depots: Depots, account: str, asked: Asked, body: bytes) -> Reply:
    """Do what an account's function asks. Raises S3Error, Refused, TryLater."""
    if not asked.bucket:
        raise S3Error("NotImplemented", "Buckets are not listed.")
    depot = depots.find(core.settings, account, asked.bucket)
    if depot is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist")
    if asked.key:
        if SOURCE.encode() in asked.headers and not is_multipart(asked):
            return await _copy(core, depots, account, depot, asked)
        return await _object(depot, asked, body)
    return await _bucket(core, depot, asked, body)


# --- buckets --------------------------------------------------------------------------------------


async def _bucket(core: Core, depot: Depot, asked: Asked, body: bytes) -> Reply:
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
    if asked.query.get("list-type") != "2" or set(asked.query) - LIST:
        raise S3Error("NotImplemented", "Of lists only ListObjectsV2 is available.")
    return document(answers.listing(await _list(depot, asked)))


async def _delete_many(depot: Depot, body: bytes) -> Reply:
    try:
        objects, quiet = await apart(read_deleted, body)
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
            depot.delete(key)
            gone.append(key)
        except (S3Error, Refused, TryLater) as error:
            told = translate(error)
            failed.append((key, told.code, told.message))
    return gone, failed


async def _list(depot: Depot, asked: Asked) -> answers.Page:
    query = asked.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token, start = query.get("continuation-token", ""), query.get("start-after", "")
    most = whole(query.get("max-keys", str(MAX_PAGE)), "max-keys", MAX_PAGE)
    after = _place_of(token) if token else start
    # What an earlier page has told is not told again, however much of it is left.
    told = _common(after, prefix, delimiter) if token else ""
    objects: list[answers.Listed] = []
    prefixes: list[str] = []
    following = ""
    for looked in range(MAX_LOOKED + 1):
        if not most:
            break
        if looked == MAX_LOOKED:
            following = after
            break
        page = await apart(depot.entries, prefix, after, MAX_PAGE)
        for entry in page:
            common = _common(entry.name, prefix, delimiter)
            if not common or common not in {told, *prefixes[-1:]}:
                if len(objects) + len(prefixes) >= most:
                    following = after
                    break
                if common:
                    prefixes.append(common)
                else:
                    objects.append(_listed(entry))
            after = entry.name
        if following:
            break
        if len(page) < MAX_PAGE:
            break
        if common := _common(after, prefix, delimiter):
            # What else has this prefix is passed over; names with the last character, it tells.
            after = max(after, common + LAST)
    return answers.Page(
        bucket=asked.bucket,
        prefix=prefix,
        delimiter=delimiter,
        start_after=start,
        token=token,
        max_keys=most,
        objects=objects,
        prefixes=prefixes,
        following=_token_of(following) if following else "",
        encoded=query.get("encoding-type") == "url",
    )


def _listed(entry: Entry) -> answers.Listed:
    return answers.Listed(entry.name, entry.modified, entry.tag, entry.size)


def _common(name: str, prefix: str, delimiter: str) -> str:
    """A name up to the first delimiter behind the prefix, "" where there is none."""
    if not delimiter:
        return ""
    head, found, _ = name[len(prefix) :].partition(delimiter)
    return f"{prefix}{head}{delimiter}" if found else ""


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _place_of(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


# --- objects --------------------------------------------------------------------------------------


async def _object(depot: Depot, asked: Asked, body: bytes) -> Reply:
    if is_multipart(asked):
        return await serve_upload(depot, asked, body, _signing(asked))
    if set(asked.query) - OBJECT - _signing(asked):
        raise S3Error("NotImplemented", "This is not available for objects here.")
    if asked.method == "PUT":
        return await _put(depot, asked, body)
    if asked.method == "DELETE":
        await apart(depot.delete, asked.key)
        return Reply(204, {})
    if asked.method not in {"GET", "HEAD"}:
        raise S3Error("MethodNotAllowed", "The specified method is not allowed here.")
    return await _get(depot, asked)


def _signing(asked: Asked) -> set[str]:
    """Parameters of a presigned request."""
    return {name for name in asked.query if name.startswith("X-Amz-")}


async def _put(depot: Depot, asked: Asked, body: bytes) -> Reply:
    refuse_unkept(asked)
    await apart(depot.put, asked.key, body)
    entry = await apart(depot.look, asked.key)
    return Reply(200, {"ETag": f'"{entry.tag}"'})


async def _copy(core: Core, depots: Depots, account: str, depot: Depot, asked: Asked) -> Reply:
    """CopyObject, from any bucket of the account."""
    refuse_unkept(asked, SOURCE)
    directive = asked.header(COPY) or "COPY"
    if asked.method != "PUT" or set(asked.query) - {"x-id"} or directive != "COPY":
        raise S3Error("NotImplemented", "Objects are copied as they are.")
    try:
        named = unquote_to_bytes(asked.header(SOURCE)).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidArgument", "The copy source is not valid.") from None
    bucket, _, key = named.removeprefix("/").partition("/")
    source = depots.find(core.settings, account, bucket)
    if source is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist")
    if not key or "?" in key:
        raise S3Error("NotImplemented", "Versions are not copied here.")
    data = await apart(source.fetch, key, "", MAX_OBJECT)
    await apart(depot.put, asked.key, data)
    entry = await apart(depot.look, asked.key)
    return document(answers.copied(entry.tag, entry.modified))


async def _get(depot: Depot, asked: Asked) -> Reply:
    version = asked.query.get("versionId", "")
    entry = await apart(depot.look, asked.key)
    headers = {
        "Content-Type": "binary/octet-stream",
        "ETag": f'"{entry.tag}"',
        "Last-Modified": formatdate(entry.modified / 1000, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    wanted, known = asked.header("if-match"), asked.header("if-none-match")
    if wanted and wanted != "*" and entry.tag not in _tags(wanted):
        raise S3Error("PreconditionFailed", CHANGED)
    if known and (known == "*" or entry.tag in _tags(known)):
        return Reply(304, headers)
    if version:
        data = await apart(depot.fetch, asked.key, version, MAX_OBJECT)
        start, end, size = _place(asked, len(data))
        data = data[start:end]
    else:
        start, end, size = _place(asked, entry.size)
        if asked.method == "GET":
            if end - start > MAX_OBJECT:
                raise S3Error(
                    "EntityTooLarge", f"Ask for at most {MAX_OBJECT} bytes at once, with Range."
                )
            data = await apart(depot.read, entry, start, end)
    if end - start < size:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if "Content-Range" in headers else 200
    if asked.method == "HEAD":
        return Reply(status, {**headers, "Content-Length": str(end - start)})
    return Reply(status, headers, data)


def _tags(text: str) -> set[str]:
    return {each.strip().strip('"') for each in text.split(",")}


def _place(asked: Asked, size: int) -> tuple[int, int, int]:
    """Where what is wanted begins and ends, and how large all is. Raises S3Error."""
    match = _RANGE.fullmatch(asked.header("range"))
    if match is None or not any(match.groups()):
        return 0, size, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise S3Error("InvalidRange", "The requested range is not satisfiable")
    return start, end, size
