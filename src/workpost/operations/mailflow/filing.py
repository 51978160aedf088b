"""Where keep and fileinto put a message: folders found or made, flags, an edited header."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.mailboxes.names import OTHER_USERS, split_path
from workpost.domain.mailboxes.provision import NewFolder, prepare_folder
from workpost.domain.messages import flags as bits
from workpost.domain.messages.prepare import NewItem, seal_item
from workpost.domain.messages.shell import summary_of
from workpost.formats.sieve.actions import FileInto, Keep
from workpost.kernel.errors import InvalidParameter
from workpost.operations.mailflow import arrivals, placing
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.scripted import USES, Mailbox, Tree, read_tree
from workpost.operations.mailflow.trace import Stamped
from workpost.store.core import Core
from workpost.store.tables.folders import INBOX

_SYSTEM = {
    "\\seen": bits.SEEN,
    "\\answered": bits.ANSWERED,
    "\\flagged": bits.FLAGGED,
    "\\deleted": bits.DELETED,
    "\\draft": bits.DRAFT,
}
_INBOX = arrivals.NAMES[INBOX]
_FORBIDDEN = frozenset('(){%*"\\]')


class Filed(msgspec.Struct, frozen=True):
    """Items of one mailbox; `folders` tells of each fileinto if its folder was found or made.

    `paths` has the folder of each item by the item's id.
    """

    items: list[NewItem]
    folders: list[tuple[str, bool]]
    paths: dict[int, str]


class _Target(msgspec.Struct, frozen=True):
    """A folder by id (0: the INBOX), or the chain that makes it; its path for an event."""

    folder: int
    path: str = _INBOX
    chain: tuple[NewFolder, ...] = ()


async def file(
    core: Core,
    message: Message,
    mailbox: Mailbox,
    places: Sequence[Keep | FileInto],
    *,
    room: int,
) -> Filed:
    """Seal an item for each place, each folder once (RFC 5228 2.10.3).

    A folder that is not there and must not be made is the INBOX. Copies for which there is no
    `room` (bytes) are left out; the first is not one.
    """
    found: dict[str, tuple[_Target, tuple[str, ...]]] = {}
    told: list[tuple[str, bool]] = []
    tree: Tree | None = None
    for place in places:
        target: _Target | None = _Target(0)
        if isinstance(place, FileInto):
            tree = tree or await read_tree(core, mailbox)
            target = await _target(core, mailbox, tree, place)
            told.append((target.path if target else place.folder, target is not None))
        target = target or _Target(0)
        key = "/".join(new.name_tag.hex() for new in target.chain) or str(target.folder)
        found.setdefault(key, (target, place.flags or ()))
    size = message.content.size
    most = max(1, room // size) if size else len(found)
    items = [_item(core, message, mailbox, *each) for each in list(found.values())[:most]]
    paths = {item.id: each.path for item, (each, _) in zip(items, found.values(), strict=False)}
    return Filed(items, told, paths)


async def _target(core: Core, mailbox: Mailbox, tree: Tree, place: FileInto) -> _Target | None:
    if place.special_use:
        row = tree.of_use(place.special_use)
        if row is not None:
            return _Target(row.id, arrivals.NAMES.get(row.role or "", place.folder))
    row = tree.find(place.folder)
    if row is not None:
        return _Target(0) if row.role == INBOX else _Target(row.id, place.folder)
    if not place.create:
        return None
    try:
        parts = split_path(place.folder)
    except InvalidParameter:
        return None
    if parts[0] == OTHER_USERS:
        return None
    keys = mailbox.keys
    # RFC 8579 3.2: the new folder has the use that it was made for.
    use = USES.get(place.special_use.lower())
    chain = tuple(
        prepare_folder(
            core.env,
            keys.key,
            keys.tag_key,
            organization=keys.organization,
            mailbox=keys.mailbox,
            parent=0,
            name=part,
            role=use if number == len(parts) else None,
        )
        for number, part in enumerate(parts, 1)
    )
    return _Target(0, place.folder, chain)


def _item(
    core: Core, message: Message, mailbox: Mailbox, target: _Target, flags: tuple[str, ...]
) -> NewItem:
    value, keywords = flags_of(flags)
    item = seal_item(
        core.env,
        mailbox.keys,
        summary=message.summary,
        stored=message.stored,
        content=message.content.id,
        content_key=message.content_key,
        size=message.content.size,
        received=message.received,
        flags=value,
        keywords=keywords,
    )
    return msgspec.structs.replace(item, folder=target.folder, chain=list(target.chain))


def flags_of(flags: Sequence[str]) -> tuple[int, tuple[bytes, ...]]:
    """System flags as bits, and keywords; what IMAP could not say is left out (RFC 5232 2)."""
    value = 0
    keywords: dict[bytes, bytes] = {}
    for flag in flags:
        if flag.startswith("\\"):
            value |= _SYSTEM.get(flag.lower(), 0)
        elif (
            0 < len(flag) <= bits.MAX_KEYWORD
            and all("!" <= char <= "~" and char not in _FORBIDDEN for char in flag)
            and len(keywords) < bits.MAX_KEYWORDS
        ):
            keywords.setdefault(flag.lower().encode(), flag.encode())
    return value, tuple(keywords.values())


async def edit(core: Core, message: Message, raw: bytes) -> Message:
    """The message with another header, as a content of its own (RFC 5293 6).

    Its Return-Path stays on top, where it is known as what is never sent on.
    """
    path = message.stamped.raw[: message.stamped.skip]
    skip = 0
    at = raw.find(path, 0, message.summary.header_end + len(raw) - len(message.stamped.raw))
    if path and (at == 0 or (at > 0 and raw[at - 1 : at] == b"\n")):
        raw = path + raw[:at] + raw[at + len(path) :]
        skip = len(path)
    stamped = Stamped(message.stamped.trace, raw, skip)
    made = await placing.place(core, message.envelope, stamped, await summary_of(raw))
    return msgspec.structs.replace(made, received=message.received)
