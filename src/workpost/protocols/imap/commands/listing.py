"""LIST and LSUB: RFC 3501 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.names import OTHER_USERS
from workpost.domain.mailboxes.shell import Folder
from workpost.formats.addresses import fold
from workpost.kernel.errors import WorkpostError
from workpost.protocols.imap.commands.status import status_answer
from workpost.protocols.imap.handler import Done
from workpost.protocols.imap.patterns import matches, reaches
from workpost.protocols.imap.resolve import SPECIAL_USES
from workpost.protocols.imap.telling import tell_folder
from workpost.protocols.imap.wire import commands, encoder

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session


async def list_mailboxes(session: Session, command: commands.List) -> Done:
    """Show the folders whose names match."""
    name = "LSUB" if command.lsub else "LIST"
    if command.patterns == ("",) and not command.extended:
        session.connection.send(b'* %b (\\Noselect) "/" ""\r\n' % name.encode("ascii"))
        return Done(f"{name} completed")
    patterns = [command.reference + pattern for pattern in command.patterns]
    if command.lsub:
        await _subscriptions(session, patterns)
    else:
        await _folders(session, command, patterns)
    await tell_folder(session, "read_hierarchy", owner="", path="")
    return Done(f"{name} completed")


async def _subscriptions(session: Session, patterns: Sequence[str]) -> None:
    """LSUB shows subscribed names that need not exist, and parents of those below a `%`."""
    names = await session.ask(mailboxes.list_subscriptions)
    shown: dict[str, bytes] = {name: b"" for name in names if matches(name, patterns)}
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent not in names and name not in shown and matches(parent, patterns):
                shown.setdefault(parent, b"\\Noselect")
    for name in sorted(shown):
        line = b'* LSUB (%b) "/" %b\r\n' % (shown[name], encoder.mailbox(name))
        session.connection.send(line)


async def _folders(session: Session, command: commands.List, patterns: Sequence[str]) -> None:
    folders = await session.ask(mailboxes.list_folders)
    folders += await _of_others(session, patterns)
    only_subscribed = "SUBSCRIBED" in command.select
    below = _parents_of_subscribed(folders) if "RECURSIVEMATCH" in command.select else frozenset()
    for folder in folders:
        if not matches(folder.path, patterns):
            continue
        if "SPECIAL-USE" in command.select and folder.role not in SPECIAL_USES:
            continue
        has_subscribed = folder.path in below
        if only_subscribed and not folder.subscribed and not has_subscribed:
            continue
        names = _attributes(folder, subscribed=only_subscribed or "SUBSCRIBED" in command.show)
        tail = b' ("CHILDINFO" ("SUBSCRIBED"))' if has_subscribed else b""
        _show(session, folder.path, names, tail)
        if command.status and folder.id:
            session.connection.send(status_answer(folder.path, folder, command.status))
    if only_subscribed:
        await _missing(session, folders, patterns)


async def _of_others(session: Session, patterns: Sequence[str]) -> list[Folder]:
    """The folders of shared mailboxes, and the names above them, which are no folders (id 0).

    Uses of folders are those of their owners, so they are not shown.
    """
    if not reaches(OTHER_USERS, patterns):
        return []
    shared = await session.ask(session.server.access.shared_mailboxes)
    names = set(await session.ask(mailboxes.list_subscriptions)) if shared else set()
    found = [_no_folder(OTHER_USERS)] if shared else []
    for each in shared:
        root = f"{OTHER_USERS}/{each.address}"
        found.append(_no_folder(root))
        if not reaches(root + "/", patterns):
            continue
        try:
            theirs = await session.ask_in(fold(each.address), mailboxes.list_folders)
        except WorkpostError:
            # It was taken away, or its keys are out of reach: the others are shown all the same.
            continue
        for folder in theirs:
            path = f"{root}/{folder.path}"
            found.append(
                msgspec.structs.replace(folder, path=path, role="", subscribed=path in names)
            )
    return found


def _no_folder(path: str) -> Folder:
    return Folder(
        id=0,
        path=path,
        role="",
        uidvalidity=0,
        uidnext=0,
        first_recent=0,
        total=0,
        unread=0,
        modseq=0,
        has_children=True,
    )


async def _missing(session: Session, folders: Sequence[Folder], patterns: Sequence[str]) -> None:
    """Subscribed names without a folder (RFC 5258 3.1)."""
    present = {folder.path for folder in folders}
    for name in await session.ask(mailboxes.list_subscriptions):
        if name not in present and matches(name, patterns):
            _show(session, name, ["\\Subscribed", "\\NonExistent"], b"")


def _parents_of_subscribed(folders: Sequence[Folder]) -> frozenset[str]:
    found: set[str] = set()
    for folder in folders:
        if folder.subscribed:
            parts = folder.path.split("/")
            found.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return frozenset(found)


def _attributes(folder: Folder, *, subscribed: bool) -> list[str]:
    names = ["\\HasChildren" if folder.has_children else "\\HasNoChildren"]
    if not folder.id:
        names.append("\\Noselect")
    if folder.role in SPECIAL_USES:
        names.append(SPECIAL_USES[folder.role])
    if subscribed and folder.subscribed:
        names.append("\\Subscribed")
    return names


def _show(session: Session, path: str, names: Sequence[str], tail: bytes) -> None:
    attributes = " ".join(names).encode("ascii")
    session.connection.send(b'* LIST (%b) "/" %b%b\r\n' % (attributes, encoder.mailbox(path), tail))
