"""Queries and commands of the folder tree. Names arrive tagged and sealed; see `shell.py`."""

from __future__ import annotations

from workpost.domain.mailboxes.provision import NewFolder
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import (
    FolderExists,
    FolderHasChildren,
    FolderNotFound,
    FolderProtected,
    MailboxNotFound,
)
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import folders, mailboxes
from workpost.store.tables.folders import FolderRow


def read_folders(tx: Reader, *, grant: Grant) -> list[FolderRow]:
    """All folders of the mailbox, names sealed."""
    check_grant(tx, grant, Right.READ)
    return folders.list_rows(tx, mailbox=grant.mailbox)


def read_subscriptions(tx: Reader, *, grant: Grant) -> list[tuple[bytes, bytes, int]]:
    """All subscriptions, names sealed."""
    check_grant(tx, grant, Right.READ)
    return folders.list_subscriptions(tx, mailbox=grant.mailbox)


@quick
def read_folder(tx: Reader, *, grant: Grant, folder: int) -> FolderRow:
    """One folder by id. Raises FolderNotFound."""
    check_grant(tx, grant, Right.READ)
    row = folders.get_folder(tx, mailbox=grant.mailbox, folder=folder)
    if row is None:
        raise FolderNotFound("The folder does not exist.")
    return row


@quick
def find_folder(tx: Reader, *, grant: Grant, tags: list[bytes]) -> FolderRow:
    """One folder by the tags of its path. Raises FolderNotFound."""
    check_grant(tx, grant, Right.READ)
    row = folders.find_path(tx, mailbox=grant.mailbox, tags=tags)
    if row is None:
        raise FolderNotFound("The folder does not exist.")
    return row


def _begin(tx: Tx, grant: Grant) -> int:
    """Take the mailbox's counter for a change of its tree."""
    check_grant(tx, grant, Right.WRITE)
    return _take_modseq(tx, grant.mailbox)


def _take_modseq(tx: Tx, mailbox: int) -> int:
    modseq = mailboxes.take_modseq(tx, mailbox=mailbox)
    if modseq is None:
        raise MailboxNotFound("The mailbox is not available.")
    tx.announce("mailbox", str(mailbox), modseq)
    return modseq


@command
def create_folders(tx: Tx, *, grant: Grant, chain: list[NewFolder]) -> int:
    """Create the folders of a path from the top, keeping those that exist; returns the last's id.

    `parent` of each but the first is the one before it. Each takes a modseq of its own, for it is
    what tells its UIDVALIDITY from all others (RFC 3501 2.3.1.1). Raises FolderExists when the
    last exists.
    """
    modseq = _begin(tx, grant)
    parent = chain[0].parent
    for position, new in enumerate(chain):
        inserted = folders.insert_folder(
            tx,
            mailbox=grant.mailbox,
            folder=new.id,
            parent=parent,
            name_tag=new.name_tag,
            sealed=new.sealed,
            gen=new.gen,
            role=new.role,
            modseq=modseq,
        )
        if position == len(chain) - 1 and not inserted:
            raise FolderExists("A folder of this name or use exists already.")
        if inserted:
            parent = new.id
            if position < len(chain) - 1:
                modseq = _begin(tx, grant)
            continue
        parent = _child(tx, grant.mailbox, parent, new.name_tag)
    return parent


def _child(tx: Reader, mailbox: int, parent: int, name_tag: bytes) -> int:
    found = folders.find_child(tx, mailbox=mailbox, parent=parent, name_tag=name_tag)
    if found is None:
        raise FolderExists("A folder of this name or use exists already.")
    return found


@command
def rename_folder(tx: Tx, *, grant: Grant, folder: int, chain: list[NewFolder]) -> None:
    """Give a folder the name and place of the last of `chain`, making the parents before it.

    Raises FolderNotFound, FolderProtected for folders with a role, FolderExists.
    """
    modseq = _begin(tx, grant)
    row = folders.get_folder(tx, mailbox=grant.mailbox, folder=folder)
    if row is None:
        raise FolderNotFound("The folder does not exist.")
    if row.role is not None:
        raise FolderProtected("Standard folders keep their names.")
    *parents, last = chain
    parent = last.parent
    if parents:
        parent = ensure_folders(tx, mailbox=grant.mailbox, chain=parents)
    if folders.find_child(tx, mailbox=grant.mailbox, parent=parent, name_tag=last.name_tag):
        raise FolderExists("A folder of this name exists already.")
    _refuse_cycle(tx, grant.mailbox, folder, parent)
    folders.rename_row(
        tx,
        mailbox=grant.mailbox,
        folder=folder,
        parent=parent,
        name_tag=last.name_tag,
        sealed=last.sealed,
        gen=last.gen,
        modseq=modseq,
    )


def ensure_folders(tx: Tx, *, mailbox: int, chain: list[NewFolder]) -> int:
    """Make the folders of a path that are missing; returns the id of the last.

    One whose role another folder has is made without it. Raises MailboxNotFound.
    """
    parent = chain[0].parent
    for new in chain:
        found = folders.find_child(tx, mailbox=mailbox, parent=parent, name_tag=new.name_tag)
        if found is None:
            _make(tx, mailbox, parent, new)
            found = new.id
        parent = found
    return parent


def _make(tx: Tx, mailbox: int, parent: int, new: NewFolder) -> None:
    modseq = _take_modseq(tx, mailbox)
    for role in dict.fromkeys((new.role, None)):
        if folders.insert_folder(
            tx,
            mailbox=mailbox,
            folder=new.id,
            parent=parent,
            name_tag=new.name_tag,
            sealed=new.sealed,
            gen=new.gen,
            role=role,
            modseq=modseq,
        ):
            return


def _refuse_cycle(tx: Reader, mailbox: int, folder: int, parent: int) -> None:
    while parent > 0:
        if parent == folder:
            raise FolderExists("A folder cannot be moved into itself.")
        row = folders.get_folder(tx, mailbox=mailbox, folder=parent)
        parent = row.parent if row is not None else 0


@command
def begin_delete(tx: Tx, *, grant: Grant, folder: int) -> None:
    """Take a folder out of sight; `messages.shell.empty_folder` removes what it held, in slices.

    Raises FolderNotFound, FolderProtected, FolderHasChildren (RFC 3501 6.3.4).
    """
    modseq = _begin(tx, grant)
    row = folders.get_folder(tx, mailbox=grant.mailbox, folder=folder)
    if row is None:
        raise FolderNotFound("The folder does not exist.")
    if row.role is not None:
        raise FolderProtected("Standard folders cannot be deleted.")
    if folders.has_children(tx, mailbox=grant.mailbox, folder=folder):
        raise FolderHasChildren("The folder has folders under it.")
    kept = folders.lies_in(tx, mailbox=grant.mailbox, folder=row.parent, role=folders.TRASH)
    folders.mark_deleting(
        tx,
        mailbox=grant.mailbox,
        folder=folder,
        hidden=folders.DELETING_KEPT if kept else folders.DELETING,
        name_tag=folder.to_bytes(8, "big"),
        modseq=modseq,
    )


@command
def claim_recent(tx: Tx, *, grant: Grant, folder: int, uid: int) -> int:
    """Claim the uids below `uid` as \\Recent for one session (RFC 3501 2.3.2)."""
    check_grant(tx, grant, Right.WRITE)
    return folders.set_first_recent(tx, mailbox=grant.mailbox, folder=folder, uid=uid)


@command
def subscribe(tx: Tx, *, grant: Grant, name_tag: bytes, sealed: bytes, gen: int) -> None:
    """Add a name to the subscriptions; it need not exist."""
    check_grant(tx, grant, Right.WRITE)
    folders.insert_subscription(
        tx, mailbox=grant.mailbox, name_tag=name_tag, sealed=sealed, gen=gen
    )


@command
def unsubscribe(tx: Tx, *, grant: Grant, name_tag: bytes) -> None:
    """Remove a name from the subscriptions. Raises FolderNotFound when it is not there."""
    check_grant(tx, grant, Right.WRITE)
    if not folders.delete_subscription(tx, mailbox=grant.mailbox, name_tag=name_tag):
        raise FolderNotFound("There is no such subscription.")
