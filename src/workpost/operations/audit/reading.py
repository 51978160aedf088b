"""Reading the audit log, and forgetting what is older than 90 days."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from workpost.operations.audit.log import PURPOSE, place
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import audit

KEPT_MS = 90 * 24 * 60 * 60 * 1000
PAGE = 20
PURGE_SLICE = 500


async def read_audit(
    core: Core, account: str, *, since: int = 0, event_name: str = ""
) -> AsyncIterator[dict[str, Any]]:
    """Records of an account's calls, about in order of time, in CloudTrail's shape.

    `since` is a time in milliseconds, `event_name` an action, in any case. Raises TryLater.
    """
    key = await core.keys.token_key(PURPOSE)
    after = (since - 1, 1 << 62)
    while page := await core.store.read(audit.page_audit, account=account, after=after, limit=PAGE):
        after = (page[-1].at, page[-1].id)
        for chunk in page:
            lines = sealing.unseal(key, chunk.sealed, place(account, chunk.id))
            for line in zlib.decompress(lines).split(b"\n"):
                record: dict[str, Any] = orjson.loads(line)
                if _wanted(record, since, event_name):
                    yield record


def _wanted(record: dict[str, Any], since: int, event_name: str) -> bool:
    if event_name and record["eventName"].lower() != event_name.lower():
        return False
    return since == 0 or parse_time(record["eventTime"]) >= since - since % 1000


def parse_time(text: str) -> int:
    """Milliseconds of an ISO 8601 time, UTC unless it says otherwise. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@command
def purge_slice(tx: Tx, *, before: int) -> int:
    """Delete up to 500 chunks older than a time; returns how many there were."""
    return audit.delete_old_audit(tx, before=before, limit=PURGE_SLICE)


async def purge_audit(core: Core) -> int:
    """Delete what is older than 90 days; returns how many slices of work there were."""
    slices = 0
    before = core.env.now() - KEPT_MS
    while await core.store.write_background(purge_slice, before=before):
        slices += 1
    return slices
