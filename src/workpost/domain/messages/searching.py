"""Searching a folder by substring, date, size and flags. Tells the truth, reads what it must.

A key is judged with what is known so far: rows first, then opened summaries, then headers, then
whole messages. Its answer is yes, no, or not yet; only messages that are not yet decided are looked
at more closely. Substrings are compared without regard to case, on decoded text (RFC 3501 6.4.4).
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import msgspec

from workpost.domain.messages import queries
from workpost.domain.messages import shell as messages
from workpost.domain.messages.shell import Meta
from workpost.formats.encoded_words import decode_words
from workpost.formats.mime import (
    MAX_HEADER,
    Summary,
    body_text,
    header_fields,
    header_text,
    packed_envelope,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core

PAGE = 500
CLOSE_LOOKS = 50
RUN = 0.002
"""Seconds of judging after which the loop gets its turn: a key may have thousands of parts."""
LARGE = 64 * 1024
"""Bytes from which on a message is decoded, folded and judged in a thread."""
HUGE = 4 * 1024 * 1024
"""Bytes from which on messages are looked into one at a time in the whole process."""

Key: TypeAlias = tuple[Any, ...]
"""A key as a tuple, its name first; ranges are ascending and disjoint:

("ALL",) ("UIDS", ((low, high), ...)) ("BITS", mask, wanted) ("KEYWORD", bytes, wanted)
("MODSEQ", least) ("LARGER" | "SMALLER", bytes) ("BEFORE" | "ON" | "SINCE", date)
("OLDER" | "YOUNGER", seconds) ("SENTBEFORE" | "SENTON" | "SENTSINCE", date)
("FROM" | "TO" | "CC" | "BCC" | "SUBJECT" | "BODY" | "TEXT", str) ("HEADER", name, str)
("NOT", key) ("OR" | "AND", (key, ...))
"""

_MONTHS = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_SENT = re.compile(rb"^\(\"[^\"]*?([0-9]{1,2})[ -]([A-Za-z]{3})[a-z]*[ -]([0-9]{4})")
_NO_UID = 1 << 33
_PEOPLE = {"FROM": "from_", "TO": "to", "CC": "cc", "BCC": "bcc"}


class Doc(msgspec.Struct):
    """What is known of a message so far; times in milliseconds."""

    now: int
    uid: int
    flags: int
    modseq: int
    size: int
    received: int
    keywords: Sequence[bytes] = ()
    summary: Summary | None = None
    sent: date | None = None
    header: dict[bytes, list[bytes]] | None = None
    header_folded: str = ""
    header_values: dict[str, list[str]] = {}
    body_folded: str | None = None


async def search(core: Core, grant: Grant, folder: int, key: Key) -> list[tuple[int, int]]:
    """The messages that fit, as (uid, modseq), ascending. Raises what reading raises."""
    low, high = _bounds(key)
    key = _folded(key)
    found: list[tuple[int, int]] = []
    while low <= high:
        rows, keywords = await core.store.read(
            queries.items_page, grant=grant, folder=folder, low=low, high=high, limit=PAGE
        )
        if not rows:
            break
        low = rows[-1][0] + 1
        now = core.env.now()
        docs = [
            Doc(now, uid, flags, modseq, size, received, keywords.get(item, ()))
            for uid, flags, modseq, item, size, received, *_ in rows
        ]
        found += await _judge_page(core, grant, folder, key, docs)
        if len(rows) < PAGE:
            break
    return found


def evaluate(key: Key, doc: Doc) -> bool | None:
    """Whether the message fits as far as it is known; None: not decided yet."""
    name = key[0]
    if name == "NOT":
        answer = evaluate(key[1], doc)
        return None if answer is None else not answer
    if name in ("AND", "OR"):
        decisive = name == "OR"
        unknown = False
        for each in key[1]:
            answer = evaluate(each, doc)
            if answer is decisive:
                return decisive
            unknown = unknown or answer is None
        return None if unknown else not decisive
    return _LEAVES[name](key, doc)


class _Turns:
    """Lets others run now and then: small contents and cached keys come without suspension."""

    def __init__(self, core: Core) -> None:
        self._env = core.env
        self._since = core.env.monotonic()

    async def take(self) -> None:
        """Give way when the last time is `RUN` seconds ago."""
        if self._env.monotonic() - self._since >= RUN:
            await asyncio.sleep(0)
            self._since = self._env.monotonic()


async def _judge_page(
    core: Core, grant: Grant, folder: int, key: Key, docs: Sequence[Doc]
) -> list[tuple[int, int]]:
    turns = _Turns(core)
    verdicts: dict[int, bool | None] = {}
    for doc in docs:
        verdicts[doc.uid] = evaluate(key, doc)
        await turns.take()
    open_docs = {doc.uid: doc for doc in docs if verdicts[doc.uid] is None}
    waiting = sorted(open_docs)
    for at in range(0, len(waiting), CLOSE_LOOKS):
        some = waiting[at : at + CLOSE_LOOKS]
        for meta in await _open(core, grant, folder, some):
            if meta.uid in open_docs:
                verdicts[meta.uid] = await _look_closely(
                    core, grant, key, open_docs[meta.uid], meta
                )
                await turns.take()
    return [(doc.uid, doc.modseq) for doc in docs if verdicts[doc.uid]]


async def _open(core: Core, grant: Grant, folder: int, uids: Sequence[int]) -> list[Meta]:
    """Summaries of ascending uids: one read where they lie close, else one by one."""
    if uids[-1] - uids[0] < 4 * len(uids):
        low, high = uids[0], uids[-1]
        return await messages.metadata_page(
            core, grant, folder, low=low, high=high, limit=high - low + 1
        )
    found = [await messages.find_message(core, grant, folder, uid) for uid in uids]
    return [meta for meta in found if meta is not None]


async def _look_closely(core: Core, grant: Grant, key: Key, doc: Doc, meta: Meta) -> bool:
    """Judge one message; `doc` is used up, so that a page never holds the texts of all it had."""
    doc.summary = Summary.unpack(meta.packed)
    doc.sent = _sent_on(meta.packed, doc.summary.date)
    verdict = evaluate(key, doc)
    if verdict is None:
        end = min(doc.summary.header_end, MAX_HEADER)
        header = await messages.read_content(core, grant, meta, 0, end)
        verdict = await _judge(_read_header, key, doc, header)
    if verdict is None and meta.size > HUGE:
        async with _one_at_a_time():
            raw = await messages.read_content(core, grant, meta)
            verdict = await _judge(_read_body, key, doc, raw)
    elif verdict is None:
        raw = await messages.read_content(core, grant, meta)
        verdict = await _judge(_read_body, key, doc, raw)
    doc.summary = doc.header = doc.body_folded = None
    doc.header_folded, doc.header_values = "", {}
    return bool(verdict)


_huge: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _one_at_a_time() -> asyncio.Semaphore:
    """A message at the size limit takes ten times its size while it is searched."""
    return _huge.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(1))


async def _judge(
    read: Callable[[Doc, bytes], None], key: Key, doc: Doc, data: bytes
) -> bool | None:
    """Let `read` take up more of the message, then evaluate; in a thread where that takes long."""

    def work() -> bool | None:
        read(doc, data)
        return evaluate(key, doc)

    return await asyncio.to_thread(work) if len(data) > LARGE else work()


def _read_header(doc: Doc, header: bytes) -> None:
    doc.header = header_fields(header)
    doc.header_folded = header_text(header).casefold()


def _read_body(doc: Doc, raw: bytes) -> None:
    if doc.summary is not None:
        doc.body_folded = body_text(raw, doc.summary.parts).casefold()


def _sent_on(packed: bytes, seconds: int | None) -> date | None:
    """The day of the Date header as it is written there: time and zone do not count."""
    found = _SENT.match(packed_envelope(packed))
    try:
        if found is not None:
            return date(int(found[3]), _MONTHS[found[2].lower()], int(found[1]))
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).date()
    except (KeyError, ValueError, OverflowError, OSError):
        return None


def _bounds(key: Key) -> tuple[int, int]:
    """Lowest and highest uid that can fit."""
    if key[0] == "UIDS":
        ranges = key[1]
        return (ranges[0][0], ranges[-1][1]) if ranges else (1, 0)
    low, high = 1, 2**32
    if key[0] == "AND":
        for each in key[1]:
            least, most = _bounds(each)
            low, high = max(low, least), min(high, most)
    return low, high


def _folded(key: Key) -> Key:
    """The key with what it looks for in folded case."""
    if key[0] == "NOT":
        return ("NOT", _folded(key[1]))
    if key[0] in ("AND", "OR"):
        return (key[0], tuple(_folded(each) for each in key[1]))
    if key[0] == "KEYWORD":
        return (key[0], key[1].lower(), key[2])
    if isinstance(key[-1], str) and len(key) > 1:
        return (*key[:-1], key[-1].casefold())
    return key


def _within(key: Key, doc: Doc) -> bool:
    ranges = key[1]
    at = bisect_right(ranges, (doc.uid, _NO_UID))
    return at > 0 and ranges[at - 1][1] >= doc.uid


def _has_bits(key: Key, doc: Doc) -> bool:
    return bool(doc.flags & key[1]) is key[2]


def _has_keyword(key: Key, doc: Doc) -> bool:
    return (key[1] in [keyword.lower() for keyword in doc.keywords]) is key[2]


def _day(doc: Doc) -> date:
    return datetime.fromtimestamp(doc.received // 1000, UTC).date()


def _sent(compare: Callable[[date, date], bool]) -> Callable[[Key, Doc], bool | None]:
    def judge(key: Key, doc: Doc) -> bool | None:
        if doc.summary is None:
            return None
        return doc.sent is not None and compare(doc.sent, key[1])

    return judge


def _person(key: Key, doc: Doc) -> bool | None:
    if doc.summary is None:
        return None
    people = getattr(doc.summary, _PEOPLE[key[0]])
    return key[1] in ", ".join([f'"{name}" <{address}>' for name, address in people]).casefold()


def _subject(key: Key, doc: Doc) -> bool | None:
    return None if doc.summary is None else key[1] in doc.summary.subject.casefold()


def _header(key: Key, doc: Doc) -> bool | None:
    if doc.header is None:
        return None
    name = key[1].lower()
    values = doc.header_values.get(name)
    if values is None:
        found = doc.header.get(name.encode(), ())
        values = [decode_words(value).casefold() for value in found]
        doc.header_values[name] = values
    return any(key[2] in value for value in values)


def _body(key: Key, doc: Doc) -> bool | None:
    return None if doc.body_folded is None else key[1] in doc.body_folded


def _text(key: Key, doc: Doc) -> bool | None:
    if doc.header is not None and key[1] in doc.header_folded:
        return True
    return _body(key, doc)


_LEAVES: dict[str, Callable[[Key, Doc], bool | None]] = {
    "ALL": lambda key, doc: True,
    "UIDS": _within,
    "BITS": _has_bits,
    "KEYWORD": _has_keyword,
    "MODSEQ": lambda key, doc: doc.modseq >= key[1],
    "LARGER": lambda key, doc: doc.size > key[1],
    "SMALLER": lambda key, doc: doc.size < key[1],
    "BEFORE": lambda key, doc: _day(doc) < key[1],
    "ON": lambda key, doc: _day(doc) == key[1],
    "SINCE": lambda key, doc: _day(doc) >= key[1],
    "OLDER": lambda key, doc: doc.received <= doc.now - key[1] * 1000,
    "YOUNGER": lambda key, doc: doc.received >= doc.now - key[1] * 1000,
    "SENTBEFORE": _sent(date.__lt__),
    "SENTON": _sent(date.__eq__),
    "SENTSINCE": _sent(date.__ge__),
    "FROM": _person,
    "TO": _person,
    "CC": _person,
    "BCC": _person,
    "SUBJECT": _subject,
    "HEADER": _header,
    "BODY": _body,
    "TEXT": _text,
}
