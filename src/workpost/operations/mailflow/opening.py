"""Opening what waits in the queue: a leased entry's keys, envelope, recipients and message."""

from __future__ import annotations

import msgspec

from workpost.kernel.errors import Fault
from workpost.operations.mailflow import envelope as stored
from workpost.operations.mailflow.envelope import StoredEnvelope, StoredRecipient
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables.queue import LeasedEntry


class OpenedEntry(msgspec.Struct, frozen=True):
    """The entry of a lease in clear; `people` by number of their row."""

    key: DataKey
    content_key: bytes
    envelope: StoredEnvelope
    people: dict[int, list[StoredRecipient]]


async def open_entry(core: Core, entry: LeasedEntry) -> OpenedEntry:
    """Open all of a lease but the message. Raises Fault, KeyDestroyed, TryLater."""
    key = await core.keys.organization(entry.org, entry.gen)

    def unseal(value: bytes, table: str, column: str, owner: object, row: object) -> bytes:
        return sealing.unseal(key.key, value, sealing.place(table, column, entry.org, owner, row))

    content_key = unseal(entry.wrapped_key, "queue", "wrapped_key", "queue", entry.id)
    envelope = unseal(entry.sealed_envelope, "queue", "sealed_envelope", "queue", entry.id)
    people = {}
    try:
        opened = stored.decode_envelope(envelope)
        for number, _, sealed in entry.recipients:
            batch = unseal(sealed, "queue_rcpt", "sealed", entry.id, number)
            people[number] = stored.decode_recipients(batch)
    except msgspec.DecodeError as error:
        raise Fault(f"entry {entry.id} of the queue is of an unknown form") from error
    return OpenedEntry(key, content_key, opened, people)
