"""Items made before the transaction: summaries sealed, content keys wrapped, tags keyed. Pure.

A content is sealed once under its own key, whatever the number of recipients; each item holds
that key wrapped by its mailbox's key, and its own copy of the summary sealed under the content
key and bound to the item's place (invariant 4, decisions 4).
"""

from __future__ import annotations

import msgspec

from workpost.domain.mailboxes.provision import NewFolder
from workpost.domain.messages import flags as bits
from workpost.formats.mime.summary import Summary
from workpost.kernel.clock import Environment
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables.folders import INBOX

MAX_REFERENCES = 10
"""Of a message's references, how many are asked for its thread."""


class MailboxKeys(msgspec.Struct, frozen=True):
    """The clear keys of one mailbox."""

    organization: str
    mailbox: int
    key: DataKey
    tag_key: bytes


class NewItem(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An item made before the transaction; plain data that travels to the writer."""

    mailbox: int
    id: int
    object: int
    thread: int = 0
    """0: found at delivery from `reference_tags`."""
    flags: int
    keywords: list[bytes] = []
    size: int
    received: int
    content: bytes
    sealed_summary: bytes
    wrapped_key: bytes
    gen: int
    message_tag: bytes | None = None
    reference_tags: list[bytes] = []
    role: str = INBOX
    """Of the folder that delivery places it in; a mailbox without such a folder takes its INBOX."""
    folder: int = 0
    """The folder itself where a rule has named one; the role counts where it is gone."""
    chain: list[NewFolder] = []
    """The folders of a path from the top, made where they are missing; the last takes the item."""


def message_tag(tag_key: bytes, message_id: str) -> bytes:
    """The keyed tag of a Message-ID, equal within one mailbox only."""
    return sealing.tag(tag_key, "message-id", message_id)


def seal_item(
    env: Environment,
    keys: MailboxKeys,
    *,
    summary: Summary,
    stored: bytes,
    content: bytes,
    content_key: bytes,
    size: int,
    received: int,
    flags: int = 0,
    keywords: tuple[bytes, ...] = (),
    role: str = INBOX,
) -> NewItem:
    """A new message for one mailbox; `stored` is its squeezed summary, made once for all."""
    item = env.new_id()
    sealed_summary, wrapped_key = seal_row(keys, item, stored, content_key)
    references = [*summary.references[-MAX_REFERENCES:], *summary.in_reply_to[:1]]
    return NewItem(
        mailbox=keys.mailbox,
        id=item,
        object=env.new_id(),
        flags=(flags & bits.SYSTEM) | (bits.KEYWORDS if keywords else 0),
        keywords=list(keywords),
        size=size,
        received=received,
        content=content,
        sealed_summary=sealed_summary,
        wrapped_key=wrapped_key,
        gen=keys.key.gen,
        message_tag=message_tag(keys.tag_key, summary.message_id) if summary.message_id else None,
        reference_tags=[message_tag(keys.tag_key, r) for r in references],
        role=role,
    )


def seal_row(
    keys: MailboxKeys, item: int, stored: bytes, content_key: bytes
) -> tuple[bytes, bytes]:
    """The sealed summary and the wrapped content key of one item."""
    return sealing.seal_summary(
        keys.key.cipher,
        content_key,
        stored,
        organization=keys.organization,
        mailbox=keys.mailbox,
        item=item,
    )


def open_row(
    key: DataKey, organization: str, mailbox: int, row: sealing.SummaryRow
) -> tuple[bytes, bytes]:
    """The content key and the stored summary of one item; `key` is of the row's generation."""
    item, gen, wrapped, _ = row
    keys = {gen: key.key}
    content_keys = sealing.unwrap_content_keys(keys, organization, mailbox, [(item, gen, wrapped)])
    return content_keys[0], sealing.open_summaries(keys, organization, mailbox, [row])[0]
