"""Counts for reports to other domains, on their way into the database.

A process gathers in memory and writes after `PAUSE` seconds, and when it stops; a process that is
killed loses what it has gathered since. So all processes and nodes make one report.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter as Counts
from weakref import WeakKeyDictionary

import msgspec

from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.store.core import Core
from workpost.store.database.store import Store
from workpost.store.tables.report_tallies import Row, add_tallies, family_of

DAY = 86_400_000
"""Milliseconds."""
PAUSE = 60.0
"""Seconds for which counts are gathered."""
MOST = 5_000
"""Different things of a kind that a process gathers; what is new beyond is not told."""
MOST_OF_FAMILY = 1_000
"""Of these, things seen of domains of one family (`report_tallies.family_of`)."""
AT_ONCE = 200
"""Rows of one transaction."""

LEFT_OUT = counter(
    "workpost_report_counts_left_out_total", "What other domains are not told for want of room.",
    "kind",
)  # fmt: skip

log = logger("reports")

_Key = tuple[int, str, msgspec.Struct]
"""Day, domain, and what was seen: frozen, and written as JSON."""


class _Tally:
    """The counts of one process and kind that are not written yet."""

    def __init__(self) -> None:
        self.counts: dict[_Key, int] = {}
        self.families: Counts[str] = Counts()
        self.left_out = 0
        self.timer: asyncio.TimerHandle | None = None
        self.writing: asyncio.Task[None] | None = None

    def add(self, key: _Key, count: int) -> None:
        """Add to a count, as long as there is room for what is new."""
        if key in self.counts:
            self.counts[key] += count
            return
        family = family_of(key[1])
        if len(self.counts) >= MOST or self.families[family] >= MOST_OF_FAMILY:
            self.left_out += 1
            return
        self.families[family] += 1
        self.counts[key] = count

    def take(self) -> dict[_Key, int]:
        """What is gathered; from here on it is gathered anew."""
        counts, self.counts = self.counts, {}
        self.families.clear()
        return counts


class Gatherer:
    """Counts what happens of one kind (`report_tallies.DMARC`, `TLS`)."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._tallies: WeakKeyDictionary[Store, _Tally] = WeakKeyDictionary()

    def add(self, core: Core, domain: str, seen: msgspec.Struct) -> None:
        """Count once, today (UTC), what `domain` is to be told; called in the loop."""
        tally = self._tallies.setdefault(core.store, _Tally())
        tally.add((core.env.now() // DAY, domain, seen), 1)
        self._wait(core, tally)

    def gathered(self, core: Core) -> dict[_Key, int]:
        """What is not written yet: day, domain and what was seen, with how often."""
        tally = self._tallies.get(core.store)
        return dict(tally.counts) if tally is not None else {}

    async def settle(self, core: Core) -> None:
        """Write what is gathered, at once; for whoever stops, or reports now."""
        tally = self._tallies.get(core.store)
        if tally is None:
            return
        if tally.timer is not None:
            tally.timer.cancel()
            tally.timer = None
        if tally.writing is not None:
            await tally.writing
        await self._write(core, tally)

    def _wait(self, core: Core, tally: _Tally) -> None:
        if tally.timer is None:
            loop = asyncio.get_running_loop()
            tally.timer = loop.call_later(PAUSE, self._write_later, core, tally)

    def _write_later(self, core: Core, tally: _Tally) -> None:
        tally.timer = None
        if tally.writing is not None and not tally.writing.done():
            # A store that is slow: what is under way and what is gathered must not become more.
            self._wait(core, tally)
            return
        tally.writing = asyncio.create_task(self._write(core, tally))

    async def _write(self, core: Core, tally: _Tally) -> None:
        """Write what is gathered; what the store does not take now is kept for the next time."""
        counts = tally.take()
        # In one order: processes that write the same rows at once do not wait for each other.
        rows = sorted(
            ((_row(key, count), key) for key, count in counts.items()), key=lambda each: each[0]
        )
        left_out, tally.left_out = tally.left_out, 0
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            try:
                left_out += await core.store.write_background(
                    add_tallies, kind=self.kind, rows=[row for row, _ in part]
                )
            except WorkpostError as error:
                log.warning("counts for reports wait", kind=self.kind, reason=error.message)
                for _, key in rows[start:]:
                    tally.add(key, counts[key])
                self._wait(core, tally)
                break
        if left_out:
            LEFT_OUT.labels(self.kind).inc(left_out)
            log.warning("counts for reports find no room", kind=self.kind, left_out=left_out)


def _row(key: _Key, count: int) -> Row:
    day, domain, seen = key
    written = msgspec.json.encode(seen)
    return day, domain, hashlib.sha256(written).digest()[:16], written, count
