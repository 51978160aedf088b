"""The queue for an operator's eyes: who waits for what; never subjects or bodies."""

from __future__ import annotations

from workpost.operations.mailflow import envelope as stored
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables.queue import list_entries

PAGE = 500


async def list_queue(core: Core) -> list[dict[str, object]]:
    """All recipients in the queue, oldest entry first."""
    found: list[dict[str, object]] = []
    after = (0, -1)
    while True:
        rows = await core.store.read(list_entries, after=after, limit=PAGE)
        for row in rows:
            queue, org, created, route, state, attempts, due, gen, sealed, number, recipient = row
            key = await core.keys.organization(org, gen)
            place = sealing.place("queue", "sealed_envelope", org, "queue", queue)
            mail = stored.decode_envelope(sealing.unseal(key.key, sealed, place))
            place = sealing.place("queue_rcpt", "sealed", org, queue, number)
            person = stored.decode_recipient(sealing.unseal(key.key, recipient, place))
            found.append(
                {
                    "queue": queue,
                    "trace": mail.trace,
                    "organization": org,
                    "sender": mail.sender,
                    "recipient": person.address,
                    "size": mail.size,
                    "route": route,
                    "state": state,
                    "attempts": attempts,
                    "created": created,
                    "due": due,
                }
            )
        if len(rows) < PAGE:
            return found
        after = (rows[-1][0], rows[-1][9])
