"""Lists of objects at the S3 door, in the form of today (ListObjectsV2) and in the first one."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from workpost.integrations.s3.depot import Depot, Entry
from workpost.protocols.s3.errors import S3Error
from workpost.protocols.s3.replies import Reply, document, whole
from workpost.protocols.s3.request import Asked
from workpost.protocols.s3.threads import apart
from workpost.protocols.s3.wire import answers

MAX_PAGE = 1000
LAST = "\U0010ffff"
MAX_LOOKED = 20
"""Pages of the bucket that are read for one page of an answer with a delimiter."""
BOTH = frozenset({"prefix", "delimiter", "max-keys", "encoding-type", "x-id"})
LIST = BOTH | {"list-type", "start-after", "continuation-token", "fetch-owner"}
FIRST_LIST = BOTH | {"marker"}


async def list_objects(depot: Depot, asked: Asked) -> Reply:
    """ListObjectsV2 and ListObjects. Raises S3Error, Refused, TryLater."""
    query = asked.query
    newer = query.get("list-type") == "2"
    if set(query) - (LIST if newer else FIRST_LIST):
        raise S3Error("NotImplemented", "This is not available for buckets here.")
    token, start = query.get("continuation-token", ""), query.get("start-after", "")
    place = _Place(
        query.get("prefix", ""),
        query.get("delimiter", ""),
        (_place_of(token) if token else start) if newer else query.get("marker", ""),
        # What an earlier page has told is not told again, however much of it is left.
        resumed=bool(token) or not newer,
        most=whole(query.get("max-keys", str(MAX_PAGE)), "max-keys", MAX_PAGE),
    )
    objects, prefixes, following = await _list(depot, place)
    page = answers.Page(
        bucket=asked.bucket,
        prefix=place.prefix,
        delimiter=place.delimiter,
        start_after=start,
        token=token,
        max_keys=place.most,
        objects=objects,
        prefixes=prefixes,
        following=following,
        encoded=query.get("encoding-type") == "url",
    )
    if newer:
        following = _token_of(following) if following else ""
        return document(answers.listing(page._replace(following=following)))
    return document(answers.first_listing(page, place.after))


class _Place(NamedTuple):
    """What of a bucket a page is to tell."""

    prefix: str
    delimiter: str
    after: str
    resumed: bool
    most: int


async def _list(depot: Depot, place: _Place) -> tuple[list[answers.Listed], list[str], str]:
    """Objects, common prefixes, and the name that the next page begins behind, "" at the end."""
    prefix, delimiter, after, resumed, most = place
    told = _common(after, prefix, delimiter) if resumed else ""
    objects: list[answers.Listed] = []
    prefixes: list[str] = []
    if not most:
        return objects, prefixes, ""
    for _ in range(MAX_LOOKED):
        page = await apart(depot.entries, prefix, after, MAX_PAGE)
        for entry in page:
            common = _common(entry.name, prefix, delimiter)
            if not common or common not in {told, *prefixes[-1:]}:
                if len(objects) + len(prefixes) >= most:
                    return objects, prefixes, after
                if common:
                    prefixes.append(common)
                else:
                    objects.append(_listed(entry))
            after = entry.name
        if len(page) < MAX_PAGE:
            return objects, prefixes, ""
        if common := _common(after, prefix, delimiter):
            # What else has this prefix is passed over; names with the last character, it tells.
            after = max(after, common + LAST)
    return objects, prefixes, after


def _listed(entry: Entry) -> answers.Listed:
    return answers.Listed(entry.name, entry.modified, entry.tag, entry.size)


def _common(name: str, prefix: str, delimiter: str) -> str:
    """A name up to the first delimiter behind the prefix, "" where there is none."""
    if not delimiter or not name.startswith(prefix):
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
