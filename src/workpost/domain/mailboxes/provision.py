"""A new mailbox with its standard folders (decisions 20).

`prepare_mailbox` seals the folder names before the transaction; `create_mailbox` runs inside the
command that registers the owner, so that an enabled user never lacks a mailbox.
"""

from __future__ import annotations

import msgspec

from workpost.domain.mailboxes.names import INBOX, name_tag
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Conflict
from workpost.store.database.unit import Tx
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables import folders, mailboxes

STANDARD_FOLDERS: tuple[tuple[str, str], ...] = (
    (INBOX, "inbox"),
    ("Drafts", "drafts"),
    ("Sent Items", "sent"),
    ("Deleted Items", "trash"),
    ("Junk E-mail", "junk"),
    ("Archive", "archive"),
)


class NewFolder(msgspec.Struct, frozen=True):
    """A folder made before the transaction."""

    id: int
    parent: int
    name_tag: bytes
    sealed: bytes
    gen: int
    role: str | None


class NewMailbox(msgspec.Struct, frozen=True):
    """A mailbox made before the transaction; `quota` in bytes."""

    id: int
    org: str
    owner: str
    epoch: int
    quota: int
    folders: list[NewFolder]


def prepare_folder(
    env: Environment,
    key: DataKey,
    tag_key: bytes,
    *,
    organization: str,
    mailbox: int,
    parent: int,
    name: str,
    role: str | None,
    folder: int | None = None,
) -> NewFolder:
    """Seal one folder's name under the mailbox key; `folder` is the id of one that is renamed."""
    folder = env.new_id() if folder is None else folder
    ad = sealing.place("folder", "sealed", organization, mailbox, folder)
    sealed = sealing.seal(key.key, name.encode(), ad)
    return NewFolder(folder, parent, name_tag(tag_key, name), sealed, key.gen, role)


def prepare_mailbox(
    env: Environment,
    key: DataKey,
    tag_key: bytes,
    *,
    mailbox: int,
    organization: str,
    owner: str,
    quota: int,
) -> NewMailbox:
    """A new mailbox for an entity; its keys exist already (`Keys.create_mailbox`)."""
    standard = [
        prepare_folder(
            env,
            key,
            tag_key,
            organization=organization,
            mailbox=mailbox,
            parent=0,
            name=name,
            role=role,
        )
        for name, role in STANDARD_FOLDERS
    ]
    return NewMailbox(mailbox, organization, owner, env.now() // 1000, quota, standard)


def create_mailbox(tx: Tx, new: NewMailbox) -> None:
    """Insert the mailbox and its standard folders. Raises Conflict when an id is taken."""
    if mailboxes.get_mailbox(tx, mailbox=new.id) is not None:
        raise Conflict("The mailbox id is taken.")
    modseq = 1
    mailboxes.insert_mailbox(
        tx,
        mailbox=new.id,
        org=new.org,
        owner=new.owner,
        epoch=new.epoch,
        modseq=modseq,
        quota=new.quota,
    )
    for folder in new.folders:
        inserted = folders.insert_folder(
            tx,
            mailbox=new.id,
            folder=folder.id,
            parent=folder.parent,
            name_tag=folder.name_tag,
            sealed=folder.sealed,
            gen=folder.gen,
            role=folder.role,
            modseq=modseq,
        )
        if not inserted:
            raise Conflict("A folder id is taken.")
