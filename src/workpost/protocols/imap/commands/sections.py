"""The sections of FETCH: bytes of messages (RFC 3501 6.4.5), and the \\Seen that reading sets.

Offsets of parts come from the summary; only the bytes asked for are read. What is large goes to
the client in pieces, so that a session never holds a whole large message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workpost.domain.messages import flags as bits
from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import FlagRow
from workpost.domain.messages.shell import Meta
from workpost.formats.mime import (
    MAX_FILTERED,
    filter_header,
    locate,
    packed_layout,
    packed_parts,
)
from workpost.kernel.errors import WorkpostError
from workpost.protocols.imap.commands.store import change_slice
from workpost.protocols.imap.errors import SessionEnd
from workpost.protocols.imap.resolve import Window
from workpost.protocols.imap.rows import columns_of
from workpost.protocols.imap.telling import tell_selected
from workpost.protocols.imap.wire import commands, encoder, sequence
from workpost.protocols.imap.wire.commands import Section

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

PAGE = 50
PIECE = 256 * 1024


async def fetch_sections(
    session: Session, window: Window, attributes: Sequence[str], command: commands.Fetch
) -> None:
    """Answer a FETCH with sections for a stretch of uids."""
    selection = session.selected
    low = window.low
    while low <= window.high:
        metas = await session.ask_selected(
            messages.metadata_page, selection.folder, low=low, high=window.high, limit=PAGE
        )
        if not metas:
            break
        low = metas[-1].uid + 1
        full = len(metas) >= PAGE
        metas = [meta for meta in metas if _is_wanted(session, window, command, meta)]
        changed = await _mark_seen(session, metas, command)
        for meta in metas:
            await _send_message(session, meta, attributes, command, changed)
        if not full:
            break


def _is_wanted(session: Session, window: Window, command: commands.Fetch, meta: Meta) -> bool:
    number = session.selected.tracker.number(meta.uid)
    if not number or (window.wanted is not None and not sequence.contains(window.wanted, number)):
        return False
    return command.changed_since is None or meta.modseq > command.changed_since


async def _mark_seen(
    session: Session, metas: Sequence[Meta], command: commands.Fetch
) -> dict[int, FlagRow]:
    """Set \\Seen where reading does; the new flags belong into the answer."""
    selection = session.selected
    if selection.read_only or all(section.peek for section in command.sections):
        return {}
    uids = [meta.uid for meta in metas if not meta.flags & bits.SEEN]
    if not uids:
        return {}
    changed = await session.ask_selected(change_slice, selection.folder, uids, "add", bits.SEEN)
    rows = [row for outcome in changed for row in outcome.rows]
    selection.tracker.told([(row.uid, row.modseq) for row in rows])
    return {row.uid: row for row in rows}


async def _send_message(
    session: Session,
    meta: Meta,
    attributes: Sequence[str],
    command: commands.Fetch,
    changed: dict[int, FlagRow],
) -> None:
    connection = session.connection
    row = changed.get(meta.uid)
    names = list(attributes)
    flags, modseq, keywords = meta.flags, meta.modseq, meta.keywords
    if row is not None:
        flags, modseq, keywords = row.flags, row.modseq, row.keywords
        names += [name for name in ("UID", "FLAGS") if name not in names]
        if session.condstore and "MODSEQ" not in names:
            names.append("MODSEQ")
    connection.send(_head(session, meta, names, flags, modseq, keywords))
    separator = b" " if names else b""
    layout = packed_layout(meta.packed)
    for section in command.sections:
        connection.send(separator + section.label + b" ")
        separator = b" "
        await _send_section(session, meta, section, layout)
    await tell_selected(session, "read", [meta.uid])
    if row is not None:
        await tell_selected(session, "update_read_state", [meta.uid])
    connection.send(b")\r\n")
    await connection.drain()


def _head(
    session: Session,
    meta: Meta,
    names: Sequence[str],
    flags: int,
    modseq: int,
    keywords: Sequence[bytes],
) -> bytes:
    """The answer up to the first section: a whole answer without its end."""
    selection = session.selected
    row = (meta.uid, flags, modseq, meta.id, meta.size, meta.received, meta.packed)
    columns = columns_of(selection, names, [row], {meta.id: list(keywords)} if keywords else {})
    number = selection.tracker.number(meta.uid)
    line = encoder.fetch_format(names) % (number, *[column[0] for column in columns])
    return line.removesuffix(b")\r\n")


async def _send_section(
    session: Session, meta: Meta, section: Section, layout: tuple[int, int]
) -> None:
    size, header_end = layout
    path = ".".join(map(str, section.part))
    what = "HEADER" if section.fields else section.what
    parts = packed_parts(meta.packed) if path else ()
    span = locate(header_end, size, parts, path, what)
    if span is None:
        session.connection.send(b"NIL")
        return
    if section.fields:
        start, end = span
        end = min(end, start + MAX_FILTERED + 1)
        header = await session.ask_selected(messages.read_content, meta, start, end)
        negate = section.what == "HEADER.FIELDS.NOT"
        text = filter_header(header, section.fields, negate)
        if section.partial is not None:
            text = text[section.partial[0] : sum(section.partial)]
        session.connection.send(encoder.literal(text))
        return
    await _send_span(session, meta, *_narrow(span, section.partial))


def _narrow(span: tuple[int, int], partial: tuple[int, int] | None) -> tuple[int, int]:
    start, end = span
    if partial is None:
        return start, end
    start = min(end, start + partial[0])
    return start, min(end, start + partial[1])


async def _send_span(session: Session, meta: Meta, start: int, end: int) -> None:
    """Send bytes of a message as a literal, in pieces where they are many."""
    connection = session.connection
    if start == end:
        connection.send(encoder.literal(b""))
        return
    piece = await session.ask_selected(messages.read_content, meta, start, min(end, start + PIECE))
    connection.send(b"{%d}\r\n" % (end - start) + piece)
    for at in range(start + PIECE, end, PIECE):
        await connection.drain()
        try:
            piece = await session.ask_selected(
                messages.read_content, meta, at, min(end, at + PIECE)
            )
        except WorkpostError:
            # The literal was announced: nothing else can be said on this connection.
            raise SessionEnd from None
        connection.send(piece)
