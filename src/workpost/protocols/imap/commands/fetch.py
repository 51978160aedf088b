"""FETCH: RFC 3501 6.4.5, RFC 7162 3.1.4 and 3.2.6.

The cost follows what is asked: flags alone come from the narrow rows, sizes and dates from the
same rows, ENVELOPE and structures from the opened summaries, and only sections read contents.
Each page is one read of the store and one write to the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import TYPE_CHECKING

from workpost.domain.messages import queries
from workpost.domain.messages import shell as messages
from workpost.protocols.imap.commands.sections import fetch_sections
from workpost.protocols.imap.commands.select import vanished
from workpost.protocols.imap.errors import Refused
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.resolve import Window, message_numbers, windows
from workpost.protocols.imap.rows import Keywords, Row, columns_of, meta_rows
from workpost.protocols.imap.telling import tell_listed
from workpost.protocols.imap.wire import commands, encoder, sequence

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

PAGE = 500
SUMMARIES = 250
RUN = 40
"""Rows written in one go before the loop gets its turn (about half a millisecond)."""
MANY_RANGES = 100

_NARROW = frozenset({"UID", "FLAGS", "MODSEQ"})
_ROWS = _NARROW | {"INTERNALDATE", "RFC822.SIZE"}


async def fetch(session: Session, command: commands.Fetch) -> Done:
    """Send what is asked of the messages; what is not there any more is left out."""
    selection = session.selected
    attributes = _attributes(session, command)
    numbers = message_numbers(selection, command.numbers, uid=command.uid)
    if command.changed_since is not None:
        numbers = await _changed(session, command, numbers)
    for window in windows(selection, numbers):
        if command.sections:
            await fetch_sections(session, window, attributes, command)
        else:
            await _fetch_rows(session, window, attributes, command.changed_since)
    if not command.sections:
        await tell_listed(session)
    return Done("FETCH completed")


def _attributes(session: Session, command: commands.Fetch) -> list[str]:
    attributes: list[str] = list(command.attributes)
    if command.uid and "UID" not in attributes:
        attributes.insert(0, "UID")
    if command.changed_since is not None and "MODSEQ" not in attributes:
        attributes.append("MODSEQ")
    if "MODSEQ" in attributes:
        session.condstore = True
    if command.vanished and not session.qresync:
        raise Refused("QRESYNC is not enabled", status="BAD")
    return attributes


async def _changed(
    session: Session, command: commands.Fetch, numbers: sequence.Ranges
) -> sequence.Ranges:
    """Narrow `numbers` to what changed, and tell what vanished when that was asked."""
    selection = session.selected
    since = command.changed_since or 0
    changes = await session.ask_selected(messages.changes_since, selection.folder, since)
    if command.vanished:
        wanted = sequence.resolve(command.numbers, sequence.MAX_NUMBER)
        if gone := vanished(selection, changes, wanted):
            text = b"VANISHED (EARLIER) " + sequence.format_ranges(gone)
            session.connection.send(encoder.untagged(text))
    number = selection.tracker.number
    found = [place for row in changes.rows if (place := number(row.uid))]
    narrowed = sequence.ranges_of([n for n in found if sequence.contains(numbers, n)])
    return narrowed if len(narrowed) <= MANY_RANGES else numbers


async def _fetch_rows(
    session: Session, window: Window, attributes: Sequence[str], changed_since: int | None
) -> None:
    selection = session.selected
    template = encoder.fetch_format(attributes)
    low, limit = window.low, PAGE if _ROWS.issuperset(attributes) else SUMMARIES
    while low <= window.high:
        rows, keywords = await _page(session, selection.folder, low, window.high, attributes)
        if not rows:
            break
        low = rows[-1][0] + 1
        full = len(rows) >= limit
        for start in range(0, len(rows), RUN):
            if start:
                await asyncio.sleep(0)
            run = rows[start : start + RUN]
            _send_rows(session, template, attributes, run, keywords, window, changed_since)
            await session.connection.drain()
        if not full:
            break


async def _page(
    session: Session, folder: int, low: int, high: int, attributes: Sequence[str]
) -> tuple[Sequence[Row], Keywords]:
    if _ROWS.issuperset(attributes):
        query = queries.plain_flags_page if _NARROW.issuperset(attributes) else queries.items_page
        return await session.read_selected(query, folder=folder, low=low, high=high, limit=PAGE)
    metas = await session.ask_selected(
        messages.metadata_page, folder, low=low, high=high, limit=SUMMARIES
    )
    return meta_rows(metas)


def _send_rows(
    session: Session,
    template: bytes,
    attributes: Sequence[str],
    rows: Sequence[Row],
    keywords: Keywords,
    window: Window,
    changed_since: int | None,
) -> None:
    selection = session.selected
    if changed_since is not None:
        rows = [row for row in rows if row[2] > changed_since]
    numbers = selection.tracker.numbers_of([row[0] for row in rows])
    columns = columns_of(selection, attributes, rows, keywords)
    lines: Iterable[tuple[int | bytes, ...]] = zip(numbers, *columns, strict=True)
    if window.wanted is not None or 0 in numbers:
        wanted = window.wanted or [(1, len(selection.tracker))]
        keep = [sequence.contains(wanted, number) for number in numbers]
        lines = compress(lines, keep)
    session.connection.send(encoder.fetch_lines(template, lines))
