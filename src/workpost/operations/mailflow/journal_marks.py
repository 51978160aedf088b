"""The Message-ID of a journal report: whose it is, what it holds, and which report it follows.

Two proofs under a key of this installation are in it. One says that the organization made a report
of this number, the other what that one holds: a report that comes back as it left is known, and
whoever copies the id, or writes another field into a copy, has a message like any other.

Some archives send back something else than the report: a bounce, an answer, a copy with a footer.
That is journaled, and so would be what comes of its report. Each report therefore counts the
reports on the way to it, which a message names when it quotes their ids.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable
from itertools import islice
from typing import ParamSpec, TypeVar

import msgspec

from workpost.formats.mime.journal import digest_of
from workpost.store.core import Core
from workpost.store.keys import sealing

PURPOSE = "journal"
TAG = 12
"""Bytes of each proof."""
MOST = 3
"""Reports on the way to one that is the last to go to the archive."""
FRESH_SECONDS = 24 * 3_600
"""How long a report counts as the cause of what quotes it: circles of mail are faster."""
MAX_QUOTED = 100
"""Ids of one message that are looked at."""

INLINE = 64 * 1024
"""Bytes of a message up to which it is read on the loop."""

P = ParamSpec("P")
T = TypeVar("T")
_MARK = re.compile(
    rb"journal\.([0-9a-f]{10}\.[0-9a-f]{16})\.([0-9])\.([0-9a-f]{%d})\.([0-9a-f]{%d})@"
    % (2 * TAG, 2 * TAG)
)


class Cause(msgspec.Struct, frozen=True):
    """What reports a message comes from: is it one itself, and how many are on the way to it?"""

    report: bool = False
    before: int = 0


async def mark(core: Core, organization: str, before: int, unmarked: bytes, blank: str) -> bytes:
    """The report `unmarked`, whose Message-ID is `<blank@host>`, with the proofs in it.

    Nobody can know `blank` who writes a subject, which stands before it.
    """
    key = await core.keys.token_key(PURPOSE)
    number = f"{core.env.now() // 1000:010x}.{core.env.new_id():016x}"
    digest = await _aside(unmarked, digest_of, unmarked)
    whose = _whose(key, organization, number, before)
    own = f"journal.{number}.{before}.{whose}.{_held(key, whose, digest)}"
    return unmarked.replace(f"<{blank}@".encode(), f"<{own}@".encode(), 1)


async def cause_of(core: Core, organization: str, raw: bytes, message_id: str) -> Cause:
    """What the ids in a message say of it; `message_id` is its own, without brackets."""
    key = await core.keys.token_key(PURPOSE)
    oldest = core.env.now() // 1000 - FRESH_SECONDS
    return await _aside(
        raw, _read, key, organization, raw, message_id.encode("utf-8", "replace"), oldest
    )


async def _aside(raw: bytes, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what reads the whole message; in a thread where it is large."""
    if len(raw) <= INLINE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def _read(key: bytes, organization: str, raw: bytes, message_id: bytes, oldest: int) -> Cause:
    own = _MARK.match(message_id)
    if own is not None and _is_of(key, organization, own):
        held = _held(key, own[3].decode(), digest_of(raw))
        if hmac.compare_digest(own[4].decode(), held):
            return Cause(report=True)
    before = 0
    for found in islice(_MARK.finditer(raw), MAX_QUOTED):
        made = int(found[1].partition(b".")[0], 16)
        if made >= oldest and _is_of(key, organization, found):
            before = max(before, int(found[2]) + 1)
    return Cause(before=before)


def _is_of(key: bytes, organization: str, found: re.Match[bytes]) -> bool:
    whose = _whose(key, organization, found[1].decode(), int(found[2]))
    return hmac.compare_digest(found[3].decode(), whose)


def _whose(key: bytes, organization: str, number: str, before: int) -> str:
    return sealing.tag(key, PURPOSE, f"{organization}\0{number}\0{before}")[:TAG].hex()


def _held(key: bytes, whose: str, digest: bytes | None) -> str:
    """Without a digest, which no report lacks, what no Message-ID holds."""
    if digest is None:
        return ""
    return sealing.tag(key, PURPOSE, b"held\0" + whose.encode() + b"\0" + digest)[:TAG].hex()
