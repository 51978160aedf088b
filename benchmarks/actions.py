"""The ten actions that are called most, from few and many connections, beside moto's server.

They are what a directory's scripts and consoles do: look at the organization, a user, a group (most
of all calls), list users and members, and bring people in: CreateUser, RegisterToWorkMail,
UpdateUser, CreateGroup, CreateAlias. CreateUser with a password is a hash with a row beside it and
stands beside the raw hash; without one, as for users of an identity provider, beside moto.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from benchmarks.api import raw_hashes
from benchmarks.clients import Connection, Unexpected, drive, http
from benchmarks.moto import ACTIONS, Moto
from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row

READS = ("DescribeOrganization", "DescribeUser", "ListUsers", "DescribeGroup", "ListGroupMembers")
WRITES = ("UpdateUser", "CreateGroup", "CreateAlias", "RegisterToWorkMail", "CreateUser")
GOAL = 10.0
"""Times as fast as moto."""
ROUNDS = 3
NEAR = 0.8
"""Of the raw hash rate: what an action with a password has to reach."""


class Timed(msgspec.Struct, frozen=True):
    """Calls per second, and milliseconds of one call."""

    rate: float
    p50: float
    p99: float


def measure(products: Mapping[str, Workpost], scale: Scale) -> Iterator[Row]:
    """Each action at each number of connections: moto, then each engine."""
    moto = Moto(scale.people)
    try:
        houses = {engine: House(product, scale) for engine, product in products.items()}
        for action in READS:
            for house in houses.values():
                # What the first calls load is no part of any call.
                timed(house.product.port("api"), house.requests(action, scale.reads // 10), 1)
        for action in (*READS, *WRITES):
            for connections in scale.levels:
                yield from _compare(action, connections, moto, houses, scale)
        for connections in scale.levels:
            yield from _passwords(connections, houses, scale)
    finally:
        moto.close()


def _compare(
    action: str, connections: int, moto: Moto, houses: Mapping[str, House], scale: Scale
) -> Iterator[Row]:
    requests = moto.requests(action, scale.beside)
    beside = timed_moto(moto.port, requests, connections)
    for engine, house in houses.items():
        requests = house.requests(action, scale.reads if action in READS else scale.writes)
        yield _row(
            engine,
            action if action != "CreateUser" else "CreateUser, no password",
            connections,
            timed(house.product.port("api"), requests, connections),
            peer=f"moto {' '.join(ACTIONS[action])}",
            peer_value=beside.rate,
            goal=GOAL,
        )


def _passwords(connections: int, houses: Mapping[str, House], scale: Scale) -> Iterator[Row]:
    # In turns, so that other work on the machine meets both alike.
    count = max(1, scale.passwords // ROUNDS)
    for engine, house in houses.items():
        raw, rounds = [], []
        for _ in range(ROUNDS):
            raw.append(raw_hashes(count, connections))
            requests = house.requests("CreateUser", count, Password=PASSWORD)
            rounds.append(timed(house.product.port("api"), requests, connections))
        yield _row(
            engine,
            "CreateUser, with its password",
            connections,
            Timed(
                rate=statistics.median(one.rate for one in rounds),
                p50=statistics.median(one.p50 for one in rounds),
                p99=max(one.p99 for one in rounds),
            ),
            peer="raw argon2id",
            peer_value=statistics.median(raw),
            gate=NEAR,
        )


def _row(engine: str, action: str, connections: int, measured: Timed, **values: Any) -> Row:
    return Row(
        section=f"The ten most used actions on {engine}",
        what=f"{action}, {connections} connection{'s' if connections > 1 else ''}",
        value=measured.rate,
        unit="/s",
        p50=measured.p50,
        p99=measured.p99,
        **values,
    )


def timed(port: int, requests: list[bytes], connections: int) -> Timed:
    """Send requests from so many kept connections, each its share one after the other."""
    return _timed([Connection(port) for _ in range(min(connections, len(requests)))], requests)


def timed_moto(port: int, requests: list[bytes], connections: int) -> Timed:
    """The same for moto, which hangs up after each answer.

    It also fails now and then where threads meet (its dictionaries change while it reads them);
    such calls count like the others. Raises Unexpected when they are the half of all.
    """
    failed: list[bytearray] = []
    clients = [Connection(port, kept=False) for _ in range(min(connections, len(requests)))]
    measured = _timed(clients, requests, failed)
    if 2 * len(failed) >= len(requests):
        raise Unexpected(f"moto answered {bytes(failed[0][:300])!r}")
    return measured


def _timed(
    clients: list[Connection], requests: list[bytes], failed: list[bytearray] | None = None
) -> Timed:
    took: list[float] = []
    shares = {
        client: http(requests[start :: len(clients)], took, failed)
        for start, client in enumerate(clients)
    }
    try:
        seconds = drive(shares)
    finally:
        for client in clients:
            client.close()
    took.sort()
    return Timed(len(took) / seconds, percentile(took, 0.5), percentile(took, 0.99))


def percentile(ordered: list[float], share: float) -> float:
    """Milliseconds of ordered seconds."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class House:
    """The product on one engine, with what the actions ask for."""

    def __init__(self, product: Workpost, scale: Scale) -> None:
        self.product = product
        product.add_people(scale.people)
        shown = product.call("ListUsers", Filters={"State": "ENABLED"})["Users"]
        self._users = [user["Id"] for user in shown]
        self._group = product.call("CreateGroup", Name="team")["GroupId"]
        product.call("RegisterToWorkMail", EntityId=self._group, Email=f"team@{product.domain}")
        for user in self._users:
            product.call("AssociateMemberToGroup", GroupId=self._group, MemberId=user)
        # Enough for RegisterToWorkMail at each level.
        self._bare = product.add_users("bare", scale.writes * len(scale.levels))
        self._stem = f"{time.monotonic_ns():x}"
        self._number = 0

    def requests(self, action: str, count: int, **more: str) -> list[bytes]:
        """Signed calls of an action, each of which succeeds."""
        signer = self.product.signer()
        always = {"OrganizationId": self.product.organization, **more}
        return [signer.call(action, {**always, **self._document(action)}) for _ in range(count)]

    def _document(self, action: str) -> dict[str, Any]:
        self._number += 1
        user = self._users[self._number % len(self._users)]
        fresh = f"{self._stem}-{self._number}"
        address = f"{fresh}@{self.product.domain}"
        match action:
            case "DescribeUser":
                return {"UserId": user}
            case "ListUsers":
                return {"MaxResults": 20}
            case "DescribeGroup" | "ListGroupMembers":
                return {"GroupId": self._group}
            case "UpdateUser":
                return {"UserId": user, "JobTitle": fresh}
            case "CreateGroup":
                return {"Name": fresh}
            case "CreateAlias":
                return {"EntityId": user, "Alias": address}
            case "RegisterToWorkMail":
                return {"EntityId": self._bare.pop(), "Email": address}
            case "CreateUser":
                return {"Name": fresh, "DisplayName": f"User {fresh}"}
        return {}
