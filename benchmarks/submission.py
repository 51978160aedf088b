"""Durable acceptance of 4 KB messages from authenticated connections, beside Postfix."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from benchmarks import peers
from benchmarks.clients import Connection, drive, smtp_login, submissions
from benchmarks.mail import submission
from benchmarks.product import PASSWORD, Workpost, processor_seconds
from benchmarks.scale import Scale
from benchmarks.table import Row

SECTION = "Submission, 4 KB messages from {} authenticated connections, in clear on loopback"


ROUNDS = 3


class Outcome(msgspec.Struct):
    """The best of some rounds: what disturbs the machine disturbs no measurement for long."""

    rate: float = 0.0
    p99: float = 0.0
    cpu: float = 0.0
    """Seconds of processor time for each message, of all processes of the server."""

    def better_of(self, other: Outcome) -> Outcome:
        return Outcome(
            max(self.rate, other.rate),
            min(self.p99 or other.p99, other.p99),
            min(self.cpu or other.cpu, other.cpu),
        )


def measure(
    product: Workpost, postfix: peers.Postfix | None, scale: Scale, engine: str = "SQLite"
) -> Iterator[Row]:
    """Messages per second, one command at a time and pipelined; both servers take turns."""
    people = product.add_people(scale.people)
    pairs = [
        (people[n % len(people)], people[(n + 1) % len(people)]) for n in range(scale.connections)
    ]
    port = product.port("submission")
    rounds = min(ROUNDS, scale.rounds)
    count = scale.submissions // rounds
    for pipelining in (False, True):
        ours, theirs = Outcome(), Outcome()
        for _ in range(rounds):
            ours = ours.better_of(
                outcome(port, pairs, PASSWORD, "", count, product.processes()[0], pipelining)
            )
            if postfix is not None:
                theirs = theirs.better_of(_postfix(postfix, scale, count, pipelining))
        yield from _rows(engine, scale, ours, theirs, pipelining)


def _postfix(postfix: peers.Postfix, scale: Scale, count: int, pipelining: bool) -> Outcome:
    pairs = [(peers.USER, f"person-{n}@demo.test") for n in range(scale.connections)]
    return outcome(postfix.port, pairs, peers.PASSWORD, peers.USER, count, postfix.pid, pipelining)


def _rows(
    engine: str, scale: Scale, ours: Outcome, theirs: Outcome, pipelining: bool
) -> Iterator[Row]:
    section = SECTION.format(scale.connections)
    how = "pipelined" if pipelining else "a round trip for each command"
    main = not pipelining and engine == "SQLite"
    peer = "Postfix"
    yield Row(
        section=section,
        what=f"{engine}, {how}",
        value=ours.rate,
        unit="/s",
        peer=peer,
        peer_value=theirs.rate or None,
        gate=1.5 if main else None,
        aim=2000 if main else None,
    )
    yield Row(
        section=section,
        what=f"{engine}, {how}, p99",
        value=ours.p99 * 1000,
        unit="ms",
        peer=peer,
        peer_value=theirs.p99 * 1000 or None,
        lower_is_better=True,
    )
    yield Row(
        section=section,
        what=f"{engine}, {how}, processor time",
        value=ours.cpu * 1000,
        unit="ms",
        peer=peer,
        peer_value=theirs.cpu * 1000 or None,
        lower_is_better=True,
    )


def outcome(
    port: int,
    pairs: list[tuple[str, str]],
    password: str,
    login: str,
    count: int,
    server: int,
    pipelining: bool,
) -> Outcome:
    """One round, logins left out. `server` is the first of the server's processes."""
    connections = [Connection(port) for _ in pairs]
    drive(
        {
            connection: smtp_login(login or sender, password)
            for connection, (sender, _) in zip(connections, pairs, strict=True)
        }
    )
    took: list[float] = []
    before = processor_seconds(server)
    spent = drive(
        {
            connection: submissions(
                sender, to, submission(sender, to), count // len(pairs), took, pipelining=pipelining
            )
            for connection, (sender, to) in zip(connections, pairs, strict=True)
        }
    )
    computed = processor_seconds(server) - before
    for connection in connections:
        connection.close()
    took.sort()
    return Outcome(len(took) / spent, took[int(len(took) * 0.99)], computed / len(took))
