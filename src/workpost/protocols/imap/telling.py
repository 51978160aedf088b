"""What a session does to items and folders, told to the audit log of mailbox access.

Each message that is read, changed, copied, moved or removed is told by itself; what lists messages
(FETCH without contents, SEARCH, STATUS) is told once, of the folder. Telling comes after the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workpost.kernel.errors import WorkpostError
from workpost.kernel.trail import Action, ObjectType, tell_mailbox_access
from workpost.protocols.imap.resolve import place_of
from workpost.protocols.imap.wire import commands as c

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

_DENIED: dict[type[c.Command], Action] = {
    c.Append: "create",
    c.Copy: "copy",
    c.Create: "create",
    c.Delete: "delete",
    c.Expunge: "delete",
    c.Close: "delete",
    c.Fetch: "read",
    c.Rename: "update",
    c.Search: "read_summary",
    c.Store: "update",
}
_OF_FOLDERS = (c.Create, c.Delete, c.Rename)


async def tell_items(
    session: Session,
    action: Action,
    uids: Iterable[int],
    *,
    owner: str,
    folder: int,
    path: str,
) -> None:
    """Something was done to messages of a folder of `owner` (folded address, "" for one's own)."""
    grant = await session.grant_to(owner)
    for uid in uids:
        tell_mailbox_access(
            session.core.trail,
            grant,
            action,
            object_type="Message",
            item=f"{folder}-{uid}",
            folder=folder,
            path=path,
        )


async def tell_selected(session: Session, action: Action, uids: Iterable[int]) -> None:
    """Something was done to messages of the selected folder."""
    selection = session.selected
    await tell_items(
        session,
        action,
        uids,
        owner=selection.owner,
        folder=selection.folder,
        path=selection.path,
    )


async def tell_folder(
    session: Session, action: Action, *, owner: str, path: str, folder: int = 0
) -> None:
    """Something was done to a folder, or its messages were listed."""
    tell_mailbox_access(
        session.core.trail,
        await session.grant_to(owner),
        action,
        object_type="Folder",
        folder=folder,
        path=path,
    )


async def tell_listed(session: Session) -> None:
    """The messages of the selected folder were listed."""
    selection = session.selected
    await tell_folder(
        session,
        "read_summary",
        owner=selection.owner,
        path=selection.path,
        folder=selection.folder,
    )


async def tell_denied(session: Session, command: c.Command) -> None:
    """The command was not allowed."""
    action = _DENIED.get(type(command))
    if action is None:
        return
    named: str | None = getattr(command, "mailbox", None)
    try:
        if named is None or isinstance(command, c.Copy):
            owner, path = session.selected.owner, session.selected.path
        else:
            owner, path = place_of(named)
        grant = await session.grant_to(owner)
    except WorkpostError:
        return
    of: ObjectType = "Folder" if isinstance(command, _OF_FOLDERS) else "Message"
    tell_mailbox_access(session.core.trail, grant, action, object_type=of, path=path, allowed=False)
