"""What the S3 door does: objects of a mapped bucket, one by one and in lists."""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import formatdate
from typing import NamedTuple

from workpost.integrations.s3.depot import Depot, Entry
from workpost.integrations.s3.mapping import Depots
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import answers
from workpost.store.core import Core

MAX_OBJECT = 64 << 20
"""Bytes of an object that is put or got."""
MAX_PAGE = 1000
MAX_LOOKED = 20
"""Pages of the bucket that are read for one page of an answer with a delimiter."""
XML = "application/xml"
LIST = frozenset(
    {"list-type", "prefix", "delimiter", "max-keys", "start-after", "continuation-token"}
    | {"encoding-type", "fetch-owner", "x-id"}
)
OBJECT = frozenset({"x-id", "versionId"})
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_UNKEPT = ("x-amz-meta-", "x-amz-tagging", "x-amz-acl", "x-amz-grant-", "x-amz-copy-source")
_CONDITIONS = ("if-match", "if-none-match")
"""Of a PUT: who sends them relies on it that nothing is overwritten."""


class Reply(NamedTuple):
    """What is answered."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


async def answer(core: Core, depots: Depots, account: str, asked: Asked, body: bytes) -> Reply:
    """Do what an account's function asks. Raises S3Error, Refused, TryLater."""
    if not asked.bucket:
        raise S3Error("NotImplemented", "Buckets are not listed.")
    depot = depots.find(core.settings, account, asked.bucket)
    if depot is None:
        raise S3Error("NoSuchBucket", "The specified bucket does not exist")
    if asked.key:
        return await _object(depot, asked, body)
    return await _bucket(core, depot, asked)


# --- buckets --------------------------------------------------------------------------------------


async def _bucket(core: Core, depot: Depot, asked: Asked) -> Reply:
    region = {"x-amz-bucket-region": core.settings.api.region}
    if asked.method == "HEAD":
        return Reply(200, region)
    if asked.method != "GET":
        raise S3Error("MethodNotAllowed", "Buckets are the operator's to make and to delete.")
    if set(asked.query) == {"location"}:
        return _document(answers.location(core.settings.api.region))
    if asked.query.get("list-type") != "2" or set(asked.query) - LIST:
        raise S3Error("NotImplemented", "Of buckets only ListObjectsV2 is available.")
    return _document(answers.listing(await _list(depot, asked)))


def _document(body: bytes) -> Reply:
    return Reply(200, {"Content-Type": XML}, body)


async def _list(depot: Depot, asked: Asked) -> answers.Page:
    query = asked.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token, start = query.get("continuation-token", ""), query.get("start-after", "")
    most = _count(query.get("max-keys", str(MAX_PAGE)))
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


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise S3Error("InvalidArgument", "Argument maxKeys must be an integer from 0 on.")
    return min(int(text), MAX_PAGE)


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _place_of(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


# --- objects --------------------------------------------------------------------------------------


async def _object(depot: Depot, asked: Asked, body: bytes) -> Reply:
    if set(asked.query) - OBJECT - _signing(asked):
        raise S3Error("NotImplemented", "This is not available for objects here.")
    if asked.method == "PUT":
        return await _put(depot, asked, body)
    if asked.method == "DELETE":
        await apart(depot.delete, asked.key)
        return Reply(204, {})
    if asked.method not in {"GET", "HEAD"}:
        raise S3Error("MethodNotAllowed", "The specified method is not allowed here.")
    version = asked.query.get("versionId", "")
    entry = await apart(depot.look, asked.key)
    _check_conditions(asked, entry)
    headers = {
        "Content-Type": "binary/octet-stream",
        "ETag": f'"{entry.tag}"',
        "Last-Modified": formatdate(entry.modified / 1000, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if asked.method == "HEAD":
        return Reply(200, {**headers, "Content-Length": str(entry.size)})
    data = await apart(depot.fetch, asked.key, version, MAX_OBJECT)
    return _part(asked, headers, data)


def _signing(asked: Asked) -> set[str]:
    """Parameters of a presigned request."""
    return {name for name in asked.query if name.startswith("X-Amz-")}


async def _put(depot: Depot, asked: Asked, body: bytes) -> Reply:
    for name in asked.headers:
        if name.decode("latin-1").startswith((*_UNKEPT, *_CONDITIONS)):
            raise S3Error(
                "NotImplemented",
                f"A header you provided implies functionality that is not implemented: "
                f"{name.decode('latin-1')}",
            )
    await apart(depot.put, asked.key, body)
    entry = await apart(depot.look, asked.key)
    return Reply(200, {"ETag": f'"{entry.tag}"'})


def _check_conditions(asked: Asked, entry: Entry) -> None:
    wanted = asked.header("if-match")
    if wanted and wanted != "*" and entry.tag not in _tags(wanted):
        raise S3Error(
            "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
        )


def _tags(text: str) -> set[str]:
    return {each.strip().strip('"') for each in text.split(",")}


def _part(asked: Asked, headers: dict[str, str], data: bytes) -> Reply:
    """The whole object, or the range that was asked for."""
    match = _RANGE.fullmatch(asked.header("range"))
    if match is None or not any(match.groups()):
        return Reply(200, headers, data)
    first, last = match.groups()
    size = len(data)
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise S3Error("InvalidRange", "The requested range is not satisfiable")
    place = {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
    return Reply(206, {**headers, **place}, data[start:end])
