"""How long the loop of a front end keeps others waiting while it works, beside an idle loop.

The front ends measure themselves (`workpost_loop_delay_seconds`); the idle loop is a process of
the same event loop with the same timer that does nothing else, on the same machine, beside the
same load.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe

from benchmarks import imap
from benchmarks.clients import (
    Connection,
    Script,
    drive,
    imap_login,
    smtp_login,
    submissions,
)
from benchmarks.clients import imap as command
from benchmarks.mail import submission
from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row

FETCHING = 3
DELIVERING = 20
NAME = "workpost_loop_delay_seconds_bucket{"


def measure(product: Workpost, scale: Scale) -> Iterator[Row]:
    """The 99th percentile of the delay of a timer, in front ends and in an idle process."""
    address = imap.fill(product, scale)
    people = product.add_people(scale.people)
    context = get_context("fork")
    ours, theirs = context.Pipe()
    idle = context.Process(target=_idle_loop, args=(theirs,), daemon=True)
    idle.start()
    theirs.close()
    connections, scripts, took = _load(product, address, people, scale)
    before = _buckets(product)
    ours.send("begin")
    started = time.monotonic()
    drive(scripts, started + scale.mixed_seconds)
    after = _buckets(product)
    ours.send("end")
    beside: list[float] = ours.recv()
    idle.join(5)
    for connection in connections:
        connection.close()
    section = (
        f"Loop latency while {FETCHING} sessions FETCH {scale.messages * scale.copies:,} rows"
        f" and {DELIVERING} clients deliver"
    )
    yield Row(
        section=section,
        what="p99 of a timer's delay",
        value=_percentile(before, after, 0.99) * 1000,
        unit="ms",
        peer="idle loop",
        peer_value=beside[int(len(beside) * 0.99)] * 1000,
        gate=5.0,
        excess=True,
        lower_is_better=True,
    )
    yield Row(
        section=section,
        what="deliveries meanwhile",
        value=len(took) / scale.mixed_seconds,
        unit="/s",
    )


def _load(
    product: Workpost, address: str, people: list[str], scale: Scale
) -> tuple[list[Connection], dict[Connection, Script], list[float]]:
    fetching = [Connection(product.port("imap")) for _ in range(FETCHING)]
    delivering = [Connection(product.port("submission")) for _ in range(DELIVERING)]
    drive({one: imap_login(address, PASSWORD) for one in fetching})
    drive({one: command(b"SELECT " + imap.LARGE.encode()) for one in fetching})
    pairs = [(people[n % len(people)], people[(n + 1) % len(people)]) for n in range(DELIVERING)]
    drive(
        {
            one: smtp_login(sender, PASSWORD)
            for one, (sender, _) in zip(delivering, pairs, strict=True)
        }
    )
    took: list[float] = []
    scripts: dict[Connection, Script] = {
        one: submissions(a, b, submission(a, b), 10**9, took, pipelining=False)
        for one, (a, b) in zip(delivering, pairs, strict=True)
    }
    scripts |= {one: _fetching(scale.messages * scale.copies) for one in fetching}
    return [*fetching, *delivering], scripts, took


def _fetching(rows: int) -> Script:
    for _ in itertools.count():
        yield from command(b"FETCH 1:%d %s" % (rows, imap.METADATA))


def _buckets(product: Workpost) -> dict[float, float]:
    """The histogram of the front ends: how many delays up to each bound."""
    with urllib.request.urlopen(f"{product.endpoints['http']}/metrics") as page:
        text = page.read().decode()
    found = {}
    for line in text.splitlines():
        if line.startswith(NAME):
            bound, count = line.removeprefix(NAME).split("} ")
            found[float(bound.split('"')[1])] = float(count)
    return found


def _percentile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Interpolated within the bucket, as monitoring does it."""
    total = after[float("inf")] - before.get(float("inf"), 0)
    low = seen = 0.0
    for bound in sorted(after):
        count = after[bound] - before.get(bound, 0)
        if count >= total * share:
            if bound == float("inf"):
                return low
            inside = count - seen
            return low + (bound - low) * ((total * share - seen) / inside if inside else 1.0)
        low, seen = bound, count
    return low


def _idle_loop(pipe: Pipe) -> None:
    """The delays of a timer in a loop with nothing else to do, between two messages."""
    import uvloop

    from workpost.node.probe import PERIOD

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = uvloop.new_event_loop()
    delays: list[float] = []

    def begin() -> None:
        loop.call_later(PERIOD, tick, time.monotonic() + PERIOD)

    def tick(due: float) -> None:
        delays.append(max(0.0, time.monotonic() - due))
        begin()

    def heard() -> None:
        if pipe.recv() == "begin":
            begin()
        else:
            pipe.send(sorted(delays))
            loop.stop()

    loop.add_reader(pipe.fileno(), heard)
    loop.run_forever()
    os._exit(0)
