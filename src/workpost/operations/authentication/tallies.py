"""What domains will be told about mail in their name, counted as it comes (RFC 9990).

A process gathers in memory and writes after `PAUSE` seconds, and when it stops; a process that is
killed loses what it has gathered since. Counted is only where `dmarc.reports` is set and the
domain's record asks for reports.
"""

from __future__ import annotations

import asyncio
import hashlib
from weakref import WeakKeyDictionary

import msgspec

from workpost.formats.dmarc_feedback import Seen, Signature
from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.operations.authentication.check import Arrival, Authentication
from workpost.store.core import Core
from workpost.store.database.store import Store
from workpost.store.tables.dmarc_tallies import add_tallies

DAY = 86_400_000
PAUSE = 60.0
"""Seconds for which counts are gathered."""
MOST = 5_000
"""Different things that a process gathers; what is new beyond is not counted."""
AT_ONCE = 200
"""Rows of one transaction."""
MAX_SIGNATURES = 10
"""Of one message, those that passed first."""

log = logger("authentication")


class Outcome(msgspec.Struct, frozen=True):
    """What was done with a message, in the words of reports (`Seen`)."""

    disposition: str
    override: str = ""
    comment: str = ""


_Key = tuple[int, str, Seen]
_gathered: WeakKeyDictionary[Store, _Tally] = WeakKeyDictionary()


class _Tally:
    """The counts of one process that are not written yet."""

    def __init__(self) -> None:
        self.counts: dict[_Key, int] = {}
        self.timer: asyncio.TimerHandle | None = None
        self.writing: asyncio.Task[None] | None = None


def note(core: Core, arrival: Arrival, found: Authentication, outcome: Outcome) -> None:
    """Count one message, if its author's domain asks for reports."""
    standing = found.dmarc.standing
    if standing is None:
        return
    tally = _gathered.setdefault(core.store, _Tally())
    key = (core.env.now() // DAY, standing.domain, _seen(arrival, found, outcome))
    _add(core, tally, key, 1)


def _add(core: Core, tally: _Tally, key: _Key, count: int) -> None:
    if key in tally.counts:
        tally.counts[key] += count
    elif len(tally.counts) < MOST:
        tally.counts[key] = count
    _wait(core, tally)


def _wait(core: Core, tally: _Tally) -> None:
    if tally.timer is None:
        loop = asyncio.get_running_loop()
        tally.timer = loop.call_later(PAUSE, _write_later, core, tally)


def _seen(arrival: Arrival, found: Authentication, outcome: Outcome) -> Seen:
    standing = found.dmarc.standing
    assert standing is not None
    ordered = sorted(found.dkim, key=lambda one: one.result != "pass")
    return Seen(
        source=arrival.peer,
        author=found.dmarc.domain,
        disposition=outcome.disposition,
        dkim=standing.dkim,
        spf=standing.spf,
        override=outcome.override,
        comment=outcome.comment,
        sender=found.spf.domain if arrival.sender else "",
        spf_domain=found.spf.domain,
        spf_result=found.spf.result,
        signatures=tuple(
            Signature(one.domain, one.selector, one.result)
            for one in ordered[:MAX_SIGNATURES]
            if one.domain
        ),
    )


def _write_later(core: Core, tally: _Tally) -> None:
    tally.timer = None
    if tally.writing is not None and not tally.writing.done():
        # A store that is slow: what is under way and what is gathered must not become ever more.
        _wait(core, tally)
        return
    tally.writing = asyncio.create_task(_write(core, tally))


async def _write(core: Core, tally: _Tally) -> None:
    """Write what is gathered; what the store does not take now is kept for the next time."""
    counts, tally.counts = tally.counts, {}
    # In one order: processes that write the same rows at once do not wait for each other.
    rows = sorted(
        ((_row(key, count), key) for key, count in counts.items()), key=lambda each: each[0]
    )
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        try:
            await core.store.write_background(add_tallies, rows=[row for row, _ in part])
        except WorkpostError as error:
            log.warning("counts for DMARC reports wait", reason=error.message)
            for _, key in rows[start:]:
                _add(core, tally, key, counts[key])
            return


def _row(key: _Key, count: int) -> tuple[int, str, bytes, bytes, int]:
    day, domain, seen = key
    written = msgspec.json.encode(seen)
    return day, domain, hashlib.sha256(written).digest()[:16], written, count


async def settle(core: Core) -> None:
    """Write what is gathered, at once; for whoever stops, or reports now."""
    tally = _gathered.get(core.store)
    if tally is None:
        return
    if tally.timer is not None:
        tally.timer.cancel()
        tally.timer = None
    if tally.writing is not None:
        await tally.writing
    await _write(core, tally)
