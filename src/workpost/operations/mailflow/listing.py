"""The queue for an operator's eyes: who waits for what; never subjects or bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.mailflow import envelope as stored
from workpost.store.core import Core
from workpost.store.database.unit import Row
from workpost.store.keys import sealing
from workpost.store.tables.queue_orders import Choice, list_entries

PAGE = 500


EVERYTHING = Choice()


async def list_queue(core: Core, choice: Choice = EVERYTHING) -> list[dict[str, Any]]:
    """The chosen recipients in the queue, oldest entry first, those of one row together.

    A row that cannot be opened is shown as one without trace, sender, recipient and size, and with
    what is wrong under `error`.
    """
    found: list[dict[str, Any]] = []
    after = (0, -1)
    while True:
        rows = await core.store.read(list_entries, choice=choice, after=after, limit=PAGE)
        for row in rows:
            queue, org, created, route, state, attempts, due, *_ = row
            known = {"queue": queue, "organization": org, "route": route, "state": state}
            known |= {"attempts": attempts, "created": created, "due": due}
            try:
                found += [{**known, **one} for one in await _open(core, row)]
            except (Fault, KeyDestroyed, msgspec.DecodeError) as error:
                nobody = {"trace": None, "sender": None, "recipient": None, "size": None}
                found.append({**known, **nobody, "error": str(error)})
        if len(rows) < PAGE:
            return found
        after = (rows[-1][0], rows[-1][9])


async def _open(core: Core, row: Row) -> list[dict[str, object]]:
    queue, org, gen, sealed, number, recipients = row[0], row[1], *row[7:11]
    key = await core.keys.organization(org, gen)
    place = sealing.place("queue", "sealed_envelope", org, "queue", queue)
    mail = stored.decode_envelope(sealing.unseal(key.key, sealed, place))
    place = sealing.place("queue_rcpt", "sealed", org, queue, number)
    people = stored.decode_recipients(sealing.unseal(key.key, recipients, place))
    return [
        {"trace": mail.trace, "sender": mail.sender, "recipient": one.address, "size": mail.size}
        for one in people
    ]
