"""Uploads in parts at the S3 door, as transfer managers of SDKs make them of large files."""

from __future__ import annotations

from workpost.integrations.s3.depot import MAX_PARTS, Depot
from workpost.protocols.s3.copying import Find, copy_part, is_copy
from workpost.protocols.s3.documents import Malformed, read_parts
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.incoming import Body
from workpost.protocols.s3.putting import condition_of, put
from workpost.protocols.s3.replies import (
    WRITE_CONDITIONS,
    Reply,
    document,
    refuse_unkept,
    whole,
)
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.sums import (
    ALGORITHM,
    TYPE,
    fields_of,
    named_algorithm,
    named_kind,
    object_sum,
)
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import uploads

MAX_PAGE = 500
"""One more is asked for to see whether there are more, and no endpoint gives above a thousand."""
BEGIN = frozenset({"uploads", "x-id"})
PART = frozenset({"uploadId", "partNumber", "x-id"})
WHOLE = frozenset({"uploadId", "x-id"})
PARTS = WHOLE | {"max-parts", "part-number-marker"}
LIST = frozenset(
    {"uploads", "prefix", "max-uploads", "key-marker", "upload-id-marker", "encoding-type", "x-id"}
)
METHODS = frozenset({"POST", "PUT", "GET", "DELETE"})


def is_multipart(asked: Asked) -> bool:
    """Whether a request is about an upload of an object."""
    return "uploads" in asked.query or "uploadId" in asked.query


async def serve_upload(depot: Depot, asked: Asked, body: Body, source: Find) -> Reply:
    """Do what is asked of an object's upload; `source` finds the bucket that a part comes from.

    Raises S3Error, Refused, TryLater.
    """
    query = set(asked.query)
    upload = asked.query.get("uploadId", "")
    if asked.method == "POST" and query <= BEGIN:
        return await _begin(depot, asked)
    if upload and asked.method == "PUT" and query <= PART:
        return await _put_part(depot, asked, upload, body, source)
    if upload and asked.method == "POST" and query <= WHOLE:
        return await _complete(depot, asked, upload, body)
    if upload and asked.method == "DELETE" and query <= WHOLE:
        refuse_unkept(asked)
        await apart(depot.uploads.abort, asked.key, upload)
        return Reply(204, {})
    if upload and asked.method == "GET" and query <= PARTS:
        return await _list_parts(depot, asked, upload)
    raise S3Error("NotImplemented", "This is not available for uploads here.")


async def _begin(depot: Depot, asked: Asked) -> Reply:
    refuse_unkept(asked)
    algorithm = named_algorithm(asked)
    kind = named_kind(asked, algorithm)
    begun = await apart(depot.uploads.begin, asked.key, algorithm, kind)
    fields = {ALGORITHM: algorithm, TYPE: kind} if algorithm else {}
    reply = document(uploads.begun(asked.bucket, asked.key, begun))
    return reply._replace(headers=reply.headers | fields)


async def _put_part(depot: Depot, asked: Asked, upload: str, body: Body, source: Find) -> Reply:
    number = whole(asked.query.get("partNumber", ""), "partNumber", MAX_PARTS + 1)
    if not 1 <= number <= MAX_PARTS:
        raise S3Error(
            "InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}."
        )
    if is_copy(asked):
        return await copy_part(source, depot, asked, upload, number)
    refuse_unkept(asked)
    writing = await apart(depot.uploads.write_part, asked.key, upload, number, body.size)
    tag, proven = await put(writing, body)
    return Reply(200, {"ETag": f'"{tag}"', **fields_of(proven)})


async def _complete(depot: Depot, asked: Asked, upload: str, body: Body) -> Reply:
    refuse_unkept(asked, *WRITE_CONDITIONS)
    try:
        chosen = await apart(read_parts, await body.whole())
    except Malformed as error:
        raise S3Error("MalformedXML", f"The XML you provided is not right: {error}.") from None
    if len(chosen) > MAX_PARTS:
        raise S3Error("InvalidArgument", f"An object has at most {MAX_PARTS} parts.")
    wanted, condition = object_sum(asked), condition_of(asked)
    done = await apart(depot.uploads.complete, asked.key, upload, chosen, wanted, condition)
    location = f"/{asked.bucket}/{asked.key}"
    return document(uploads.completed(location, asked.bucket, asked.key, *done))


async def _list_parts(depot: Depot, asked: Asked, upload: str) -> Reply:
    marker = whole(asked.query.get("part-number-marker", "0"), "part-number-marker", MAX_PARTS)
    most = whole(asked.query.get("max-parts", str(MAX_PAGE)), "max-parts", MAX_PAGE)
    found = await apart(depot.uploads.parts, asked.key, upload, marker, most + 1)
    place = (asked.bucket, asked.key, upload)
    return document(
        uploads.part_list(place, (marker, most), found[:most], more=len(found) > most > 0)
    )


async def list_uploads(depot: Depot, asked: Asked) -> Reply:
    """ListMultipartUploads. Raises S3Error, Refused, TryLater."""
    query = asked.query
    if set(query) - LIST:
        raise S3Error("NotImplemented", "Uploads are listed by prefix only.")
    prefix, key = query.get("prefix", ""), query.get("key-marker", "")
    id = query.get("upload-id-marker", "") if key else ""
    most = whole(query.get("max-uploads", str(MAX_PAGE)), "max-uploads", MAX_PAGE)
    found = await apart(depot.uploads.begun, prefix, (key, id), most + 1)
    return document(
        uploads.upload_list(
            asked.bucket,
            (prefix, key, id, most),
            found[:most],
            more=len(found) > most > 0,
            encoded=query.get("encoding-type") == "url",
        )
    )
