"""How much is measured: the whole benchmark, or a few seconds of it."""

from __future__ import annotations

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of everything."""

    people: int = 20
    calls: int = 24_000
    aliases: int = 2_000
    passwords: int = 160
    submissions: int = 15_000
    connections: int = 20
    messages: int = 10_000
    copies: int = 10
    """How many times the messages lie in the large folder."""
    rounds: int = 5
    """Repetitions of what is quick; the best is told."""
    sessions: int = 500
    mixed_seconds: float = 12.0
    levels: tuple[int, ...] = (1, 8, 32)
    """Connections at which each of the ten actions is measured."""
    reads: int = 3_000
    """Calls of one action at each of these levels."""
    writes: int = 480
    beside: int = 400
    """Calls of moto's server for each of them."""
    few_users: int = 50
    """The directory that the large one is compared with."""
    many_users: int = 50_000
    page: int = 100
    """MaxResults of ListUsers there."""
    inbound: int = 6_000
    """Messages of 4 KB from other servers; fewer of larger ones."""
    inbound_connections: tuple[int, ...] = (1, 20, 100)
    outbound: int = 4_000
    """Messages of the queue that is let go."""
    group: int = 5_000
    singles: int = 300
    """Single deliveries that those beside the group's are compared with."""
    creations: int = 400
    """Creations of users compared between the two, without a hash."""


FULL = Scale()
SMOKE = Scale(
    people=3,
    calls=160,
    aliases=20,
    passwords=4,
    submissions=40,
    connections=4,
    messages=60,
    copies=2,
    rounds=1,
    sessions=10,
    mixed_seconds=1.0,
    levels=(1, 4),
    reads=24,
    writes=8,
    beside=8,
    few_users=8,
    many_users=80,
    page=5,
    creations=8,
    inbound=40,
    inbound_connections=(1, 4),
    outbound=40,
    group=25,
    singles=10,
)
