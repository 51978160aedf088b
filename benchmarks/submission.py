"""Durable acceptance of 4 KB messages from authenticated connections, beside Postfix."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import peers
from benchmarks.clients import Connection, drive, smtp_login, submissions
from benchmarks.mail import submission
from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row

SECTION = "Submission, 4 KB messages from {} authenticated connections, in clear on loopback"


def measure(
    product: Workpost, postfix: peers.Postfix | None, scale: Scale, engine: str = "SQLite"
) -> Iterator[Row]:
    """Messages per second, one command at a time and pipelined."""
    people = product.add_people(scale.people)
    section = SECTION.format(scale.connections)
    for pipelining in (False, True):
        how = "pipelined" if pipelining else "a round trip for each command"
        rate, p99 = _workpost(product, people, scale, pipelining=pipelining)
        peer_rate = peer_p99 = None
        if postfix is not None:
            peer_rate, peer_p99 = _postfix(postfix, scale, pipelining=pipelining)
        yield Row(
            section=section,
            what=f"{engine}, {how}",
            value=rate,
            unit="/s",
            peer="Postfix",
            peer_value=peer_rate,
            gate=1.5 if not pipelining else None,
            aim=2000 if not pipelining else None,
        )
        yield Row(
            section=section,
            what=f"{engine}, {how}, p99",
            value=p99 * 1000,
            unit="ms",
            peer="Postfix",
            peer_value=None if peer_p99 is None else peer_p99 * 1000,
            lower_is_better=True,
        )


def _workpost(
    product: Workpost, people: list[str], scale: Scale, *, pipelining: bool
) -> tuple[float, float]:
    pairs = [
        (people[n % len(people)], people[(n + 1) % len(people)]) for n in range(scale.connections)
    ]
    return rate(product.port("submission"), pairs, PASSWORD, "", scale, pipelining=pipelining)


def _postfix(postfix: peers.Postfix, scale: Scale, *, pipelining: bool) -> tuple[float, float]:
    pairs = [(peers.USER, f"person-{n}@demo.test") for n in range(scale.connections)]
    return rate(postfix.port, pairs, peers.PASSWORD, peers.USER, scale, pipelining=pipelining)


def rate(
    port: int,
    pairs: list[tuple[str, str]],
    password: str,
    login: str,
    scale: Scale,
    *,
    pipelining: bool,
) -> tuple[float, float]:
    """Messages per second and the 99th percentile of the time of one, logins left out."""
    connections = [Connection(port) for _ in pairs]
    drive(
        {
            connection: smtp_login(login or sender, password)
            for connection, (sender, _) in zip(connections, pairs, strict=True)
        }
    )
    each = scale.submissions // len(pairs)
    took: list[float] = []
    spent = drive(
        {
            connection: submissions(
                sender, to, submission(sender, to), each, took, pipelining=pipelining
            )
            for connection, (sender, to) in zip(connections, pairs, strict=True)
        }
    )
    for connection in connections:
        connection.close()
    took.sort()
    return len(took) / spent, took[int(len(took) * 0.99)]
