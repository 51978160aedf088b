"""The queue for an operator's eyes: who waits for what; never subjects or bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.mailflow import envelope as stored
from workpost.operations.mailflow.envelope import Held
from workpost.store.core import Core
from workpost.store.database.unit import Row
from workpost.store.keys import sealing
from workpost.store.tables.queue_orders import Choice, get_hold, list_entries
from workpost.store.tables.queue_routes import get_trouble

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
    message: dict[str, object] = {"trace": mail.trace, "sender": mail.sender, "size": mail.size}
    if mail.held is not None:
        message |= _awaited(mail.held)
    return [
        {**message, "recipient": one.address} | ({"last": one.last} if one.last else {})
        for one in people
    ]


def _awaited(held: Held) -> dict[str, object]:
    """The rule and the function that a message waits for; whoever only is told of it waits not."""
    told: dict[str, object] = {
        "rule": held.name,
        "function": held.function,
        "direction": held.direction,
        "asynchronous": held.asynchronous,
    }
    if not held.asynchronous:
        told |= {"fallback": held.fallback, "fallback_at": held.deadline}
    return told


async def show_entry(core: Core, choice: Choice) -> list[dict[str, Any]]:
    """The chosen entries, each with its recipients: for one message, an entry an organization."""
    entries: dict[int, dict[str, Any]] = {}
    for row in await list_queue(core, choice):
        entry = entries.get(row["queue"])
        if entry is None:
            hold_until = await core.store.read(get_hold, queue=row["queue"])
            entry = {key: row[key] for key in _OF_ENTRY} | {"hold_until": hold_until}
            entries[row["queue"]] = entry | {"recipients": []}
            entry = entries[row["queue"]]
        entry["recipients"].append({key: row[key] for key in row if key not in _OF_ENTRY})
    for entry in entries.values():
        for route in {one["route"] for one in entry["recipients"]}:
            trouble = await core.store.read(get_trouble, route=route)
            if trouble is not None:
                entry.setdefault("unreached", {})[route] = trouble.reason
    return list(entries.values())


_OF_ENTRY = ("queue", "organization", "trace", "sender", "size", "created")
