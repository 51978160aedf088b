"""What protocols call to work with folders: fetch keys, open or seal names, read or write once."""

from __future__ import annotations

import msgspec

from workpost.domain.mailboxes import folders as commands
from workpost.domain.mailboxes.names import (
    DELIMITER,
    INBOX,
    OTHER_USERS,
    name_tag,
    path_tags,
    split_path,
)
from workpost.domain.mailboxes.provision import NewFolder, prepare_folder
from workpost.kernel.errors import FolderProtected, InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.folders import FolderRow


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder as protocols show it; `path` is joined by `/`, `role` empty for ordinary ones."""

    id: int
    path: str
    role: str
    uidvalidity: int
    uidnext: int
    first_recent: int
    total: int
    unread: int
    modseq: int
    has_children: bool = False
    subscribed: bool = False


def _show(row: FolderRow, path: str, *, has_children: bool, subscribed: bool) -> Folder:
    return Folder(
        id=row.id,
        path=path,
        role=row.role or "",
        uidvalidity=row.uidvalidity,
        uidnext=row.uidnext,
        first_recent=row.first_recent,
        total=row.total,
        unread=row.unread,
        modseq=row.modseq,
        has_children=has_children,
        subscribed=subscribed,
    )


async def _open_name(core: Core, grant: Grant, row: FolderRow) -> str:
    key = await core.keys.mailbox(grant.organization, grant.mailbox, row.gen)
    ad = sealing.place("folder", "sealed", grant.organization, grant.mailbox, row.id)
    return sealing.unseal(key.key, row.sealed, ad).decode()


async def list_folders(core: Core, grant: Grant) -> list[Folder]:
    """All folders with their whole paths, INBOX first, the others by name."""
    rows = await core.store.read(commands.read_folders, grant=grant)
    subscribed = set(await list_subscriptions(core, grant))
    by_id = {row.id: row for row in rows}
    names = {row.id: await _open_name(core, grant, row) for row in rows}
    parents = {row.parent for row in rows}
    shown: list[Folder] = []
    for row in rows:
        parts = [names[row.id]]
        above = by_id.get(row.parent)
        while above is not None:
            parts.append(names[above.id])
            above = by_id.get(above.parent)
        path = DELIMITER.join(reversed(parts))
        shown.append(
            _show(row, path, has_children=row.id in parents, subscribed=path in subscribed)
        )
    shown.sort(key=lambda folder: (folder.path != INBOX, folder.path.casefold()))
    return shown


async def find_folder(core: Core, grant: Grant, path: str) -> Folder:
    """One folder by its path. Raises FolderNotFound; InvalidParameter for impossible names."""
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    tags = path_tags(tag_key, path)
    row = await core.store.read(commands.find_folder, grant=grant, tags=tags)
    return _show(row, DELIMITER.join(split_path(path)), has_children=False, subscribed=False)


async def status(core: Core, grant: Grant, folder: int, path: str = "") -> Folder:
    """One folder by id, fresh from the store. Raises FolderNotFound."""
    row = await core.store.read(commands.read_folder, grant=grant, folder=folder)
    return _show(row, path, has_children=False, subscribed=False)


async def _prepare_chain(
    core: Core, grant: Grant, path: str, role: str | None, folder: int | None = None
) -> list[NewFolder]:
    """The folders of a path, from the top; the last is `folder` where it exists already."""
    key = await core.keys.mailbox(grant.organization, grant.mailbox)
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    parts = split_path(path)
    if parts[0] == OTHER_USERS:
        raise InvalidParameter(f"The name {OTHER_USERS} stands for the mailboxes of others.")
    return [
        prepare_folder(
            core.env,
            key,
            tag_key,
            organization=grant.organization,
            mailbox=grant.mailbox,
            parent=0,
            name=part,
            role=role if position == len(parts) - 1 else None,
            folder=folder if position == len(parts) - 1 else None,
        )
        for position, part in enumerate(parts)
    ]


async def create_folder(core: Core, grant: Grant, path: str, role: str = "") -> Folder:
    """Create a folder and the parents it lacks (RFC 3501 6.3.3).

    Raises FolderExists, InvalidParameter.
    """
    chain = await _prepare_chain(core, grant, path, role or None)
    folder = await core.store.write(commands.create_folders, grant=grant, chain=chain)
    return await status(core, grant, folder, DELIMITER.join(split_path(path)))


async def rename_folder(core: Core, grant: Grant, path: str, to: str) -> None:
    """Rename a folder with all below it (RFC 3501 6.3.5); INBOX is the caller's special case.

    Raises FolderNotFound, FolderExists, FolderProtected.
    """
    folder = await find_folder(core, grant, path)
    chain = await _prepare_chain(core, grant, to, None, folder.id)
    await core.store.write(commands.rename_folder, grant=grant, folder=folder.id, chain=chain)


async def hide_folder(core: Core, grant: Grant, path: str) -> Folder:
    """First half of a deletion: the folder is out of sight, its items are still to be removed."""
    folder = await find_folder(core, grant, path)
    if folder.role:
        raise FolderProtected("Standard folders cannot be deleted.")
    await core.store.write(commands.begin_delete, grant=grant, folder=folder.id)
    return folder


async def subscribe(core: Core, grant: Grant, path: str) -> None:
    """Subscribe to a name (RFC 3501 6.3.6)."""
    path = DELIMITER.join(split_path(path))
    key = await core.keys.mailbox(grant.organization, grant.mailbox)
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    tag = name_tag(tag_key, path)
    ad = sealing.place("subscription", "sealed", grant.organization, grant.mailbox, tag.hex())
    sealed = sealing.seal(key.key, path.encode(), ad)
    await core.store.write(
        commands.subscribe, grant=grant, name_tag=tag, sealed=sealed, gen=key.gen
    )


async def unsubscribe(core: Core, grant: Grant, path: str) -> None:
    """Unsubscribe from a name. Raises FolderNotFound."""
    tag_key = await core.keys.tag_key(grant.organization, grant.mailbox)
    tag = name_tag(tag_key, DELIMITER.join(split_path(path)))
    await core.store.write(commands.unsubscribe, grant=grant, name_tag=tag)


async def list_subscriptions(core: Core, grant: Grant) -> list[str]:
    """Subscribed names, sorted."""
    names = []
    for tag, sealed, gen in await core.store.read(commands.read_subscriptions, grant=grant):
        key = await core.keys.mailbox(grant.organization, grant.mailbox, gen)
        ad = sealing.place("subscription", "sealed", grant.organization, grant.mailbox, tag.hex())
        names.append(sealing.unseal(key.key, sealed, ad).decode())
    return sorted(names)


async def claim_recent(core: Core, grant: Grant, folder: Folder) -> int:
    """The first uid that is \\Recent to this session; later sessions get later ones."""
    if folder.first_recent >= folder.uidnext:
        return folder.uidnext
    return await core.store.write(
        commands.claim_recent, grant=grant, folder=folder.id, uid=folder.uidnext
    )
