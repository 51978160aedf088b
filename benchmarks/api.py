"""Signed API calls from keep-alive connections, signed beforehand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

from benchmarks.clients import Connection, drive, http
from benchmarks.product import Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row
from workpost.kernel.settings import Passwords

CONNECTIONS = 8
SECTION = "API, signed calls from 8 kept connections"


def measure(product: Workpost, scale: Scale) -> Iterator[Row]:
    """Reads, writes, and actions with a password beside the raw hash."""
    product.add_people(scale.people)
    signer = product.signer()
    organization = product.organization
    users = product.call("ListUsers")["Users"]
    describe = [
        signer.call("DescribeUser", {"OrganizationId": organization, "UserId": user["Id"]})
        for user in users
    ]
    list_users = [signer.call("ListUsers", {"OrganizationId": organization, "MaxResults": 20})]
    run(product, [describe * (scale.calls // 10 // len(describe) + 1)])
    yield _row("DescribeUser", run(product, _spread(describe, scale.calls)), 3000)
    yield _row("ListUsers, 20 users", run(product, _spread(list_users, scale.calls // 4)))
    stem = f"{time.monotonic_ns():x}"
    groups = [
        signer.call("CreateGroup", {"OrganizationId": organization, "Name": f"{stem}-{number}"})
        for number in range(scale.calls // 4)
    ]
    yield _row("CreateGroup", run(product, _deal(groups)), 1000)
    aliases = [
        signer.call(
            "CreateAlias",
            {
                "OrganizationId": organization,
                "EntityId": users[number % len(users)]["Id"],
                "Alias": f"alias-{stem}-{number}@{product.domain}",
            },
        )
        for number in range(scale.aliases)
    ]
    yield _row("CreateAlias", run(product, _deal(aliases)), 1000)
    created = [
        signer.call(
            "CreateUser",
            {
                "OrganizationId": organization,
                "Name": f"u{stem}-{number}",
                "DisplayName": f"User {number}",
                "Password": "Benchmark-0-password",
            },
        )
        for number in range(scale.passwords)
    ]
    yield Row(
        section=SECTION,
        what="CreateUser, with its password",
        value=run(product, _deal(created)),
        unit="/s",
        peer="raw argon2id",
        peer_value=raw_hashes(scale.passwords),
    )


def _row(what: str, rate: float, aim: float | None = None) -> Row:
    return Row(section=SECTION, what=what, value=rate, unit="/s", aim=aim)


def _spread(requests: list[bytes], count: int) -> list[list[bytes]]:
    """Each connection gets its share of `count` repetitions."""
    return [
        [requests[(start + n) % len(requests)] for n in range(count // CONNECTIONS)]
        for start in range(CONNECTIONS)
    ]


def _deal(requests: list[bytes]) -> list[list[bytes]]:
    """Each request goes to one connection."""
    return [requests[start::CONNECTIONS] for start in range(CONNECTIONS)]


def run(product: Workpost, shares: list[list[bytes]]) -> float:
    """Calls per second."""
    connections = [Connection(product.port("api")) for _ in shares]
    took = drive({c: http(share) for c, share in zip(connections, shares, strict=True)})
    for connection in connections:
        connection.close()
    return sum(len(share) for share in shares) / took


def raw_hashes(count: int, at_once: int = 1_000) -> float:
    """Hashes of the product's cost per second, with nothing around them, over as many cores as
    there are, but at most so many at once."""
    cost = Passwords()
    hasher = PasswordHasher(cost.time_cost, cost.memory_kib, cost.parallelism)
    with ThreadPoolExecutor(min(at_once, len(os.sched_getaffinity(0)))) as pool:
        started = time.perf_counter()
        list(pool.map(hasher.hash, ["Benchmark-0-password"] * count))
        return count / (time.perf_counter() - started)
