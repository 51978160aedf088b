"""The life of a message, told to an operator: its events, what still waits, where it lies now.

A message is named by its trace id (16 hexadecimal digits, in Received and in the reply to DATA) or
by its Message-ID. Events lie sealed in order of time, so the story is found by reading them from a
moment on; a trace id holds that moment itself. Nothing tells subjects or bodies.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from workpost.domain.directory.routing import lookup_address
from workpost.domain.messages.prepare import message_tag
from workpost.domain.messages.shell import mailbox_keys
from workpost.formats.addresses import fold
from workpost.kernel.clock import EPOCH_2020_MS, ITEM_RANDOM_BITS
from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.mailflow.listing import list_queue
from workpost.store.core import Core
from workpost.store.database.unit import Row
from workpost.store.keys import sealing
from workpost.store.tables import events, items, organizations
from workpost.store.tables.queue_orders import Choice

PAGE = 500
MAX_RECIPIENTS = 500
"""Recipients whose mailboxes are looked into."""

_TRACE_ID = re.compile(r"[0-9a-f]{16}")
_HIDDEN = frozenset(("subject", "traceId"))


class Step(msgspec.Struct, frozen=True):
    """One thing that happened to the message; `at` in milliseconds, 0 for what is so now."""

    at: int
    organization: str
    kind: str
    trace: str
    story: dict[str, Any]


class _Wanted:
    """What is looked for, and what was learnt on the way."""

    def __init__(self, name: str) -> None:
        self.traces = {name.lower()} if _TRACE_ID.fullmatch(name.lower()) else set[str]()
        self.message_id = "" if self.traces else name.strip().removeprefix("<").removesuffix(">")
        self.recipients: dict[str, None] = {}

    def start(self, since: int) -> int:
        """When the message can have come at the earliest."""
        if not self.traces:
            return since
        [trace] = self.traces
        return max(since, (int(trace, 16) >> ITEM_RANDOM_BITS) + EPOCH_2020_MS - 1)

    def fits(self, story: dict[str, Any]) -> bool:
        """Whether an event is one of the message's; learns its ids."""
        trace = str(story.get("traceId", ""))
        message_id = str(story.get("messageId", "")).removeprefix("<").removesuffix(">")
        if trace not in self.traces:
            if not self.message_id or message_id != self.message_id:
                return False
            self.traces.add(trace)
        self.message_id = self.message_id or message_id
        for address in story.get("recipients", ()):
            self.recipients[fold(str(address))] = None
        return True


async def trace_message(
    core: Core, name: str, *, since: int = 0, organization: str = ""
) -> AsyncIterator[Step]:
    """Tell the life of a message, each organization's part in order of time.

    `since` in milliseconds bounds how far back is looked. Raises TryLater, OrganizationNotFound.
    """
    wanted = _Wanted(name)
    after = ""
    while True:
        if organization:
            rows = [organization]
        else:
            rows = await core.store.read(organizations.page_ids, after=after, limit=PAGE)
        for org in rows:
            async for step in _events_of(core, org, wanted, since):
                yield step
        if organization or len(rows) < PAGE:
            break
        after = rows[-1]
    for trace in sorted(wanted.traces):
        for waiting in await list_queue(core, Choice(trace=trace, organization=organization)):
            story = {key: value for key, value in waiting.items() if key != "trace"}
            yield Step(0, waiting["organization"], "QUEUED", trace, story)
    async for step in _places_of(core, wanted, organization):
        yield step


async def _events_of(
    core: Core, organization: str, wanted: _Wanted, since: int
) -> AsyncIterator[Step]:
    after = (wanted.start(since), -1)
    while page := await core.store.read(
        events.page_events, org=organization, after=after, limit=PAGE
    ):
        for row in page:
            story = await _open(core, organization, row)
            if story is not None and wanted.fits(story):
                told = {key: value for key, value in story.items() if key not in _HIDDEN}
                yield Step(row[0], organization, row[2], str(story.get("traceId", "")), told)
        after = (page[-1][0], page[-1][1])


async def _open(core: Core, organization: str, row: Row) -> dict[str, Any] | None:
    _, event, _, gen, sealed = row
    try:
        key = await core.keys.organization(organization, gen)
        place = sealing.place("event", "sealed", organization, "event", event)
        story: dict[str, Any] = msgspec.json.decode(sealing.unseal(key.key, sealed, place))
    except (Fault, KeyDestroyed, msgspec.DecodeError):
        return None
    return story


async def _places_of(core: Core, wanted: _Wanted, organization: str) -> AsyncIterator[Step]:
    """Where the message lies in the mailboxes of those it was sent to, told by folder role."""
    if not wanted.message_id:
        return
    for address in list(wanted.recipients)[:MAX_RECIPIENTS]:
        holder = await core.store.read(lookup_address, addr_fold=address)
        if holder is None or not holder.mailbox or organization not in ("", holder.org):
            continue
        try:
            keys = await mailbox_keys(core, holder.org, holder.mailbox)
        except KeyDestroyed:
            continue
        tag = message_tag(keys.tag_key, wanted.message_id)
        rows = await core.store.read(items.places_of_tag, mailbox=holder.mailbox, tag=tag)
        story = {
            "recipient": address,
            "folders": [{"role": role or "none", "uid": uid} for role, uid in rows],
        }
        yield Step(0, holder.org, "LIES_NOW" if rows else "LIES_NOWHERE", "", story)
