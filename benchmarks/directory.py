"""A directory of 50,000 users: pages of ListUsers, and CreateUser beside a directory of 50.

The small and the large directory are two servers on the same engine; they are measured in turns, so
that other work on the machine meets both alike.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.actions import timed
from benchmarks.clients import Connection, Script, Unexpected, drive, expect, response
from benchmarks.product import PASSWORD, Workpost, create_users
from benchmarks.scale import Scale
from benchmarks.table import Row

FLAT = 0.67
"""What the ratio of large to small, or of last pages to first ones, has to reach."""
WALKS = 3
"""A page's time is the best of so many walks."""
ROUNDS = 8
CONNECTIONS = 8

LISTINGS: dict[str, dict[str, str]] = {
    "all": {},
    "DisplayNamePrefix": {"DisplayNamePrefix": "User"},
    "State DISABLED": {"State": "DISABLED"},
}
FEW: dict[str, dict[str, str]] = {
    "State ENABLED": {"State": "ENABLED"},
    "IdentityProviderUserIdPrefix": {"IdentityProviderUserIdPrefix": "0000"},
}
"""Filters that find next to nothing among all."""


def measure(engine: str, small: Workpost, large: Workpost, scale: Scale) -> Iterator[Row]:
    """CreateUser and DescribeUser in both, then ListUsers page by page in the large one."""
    small.add_users("few", scale.few_users)
    large.add_users("many", scale.many_users)
    section = f"A directory of {scale.many_users:,} users on {engine}"
    yield from _creations(section, small, large, scale)
    yield from _describe(section, small, large, scale)
    yield from _pages(section, large, scale)


def _beside(section: str, what: str, small: float, large: float, unit: str, scale: Scale) -> Row:
    return Row(
        section=section,
        what=what,
        value=large,
        unit=unit,
        peer=f"at {scale.few_users} users",
        peer_value=small,
        gate=FLAT,
        lower_is_better=unit == "ms",
    )


def _creations(section: str, small: Workpost, large: Workpost, scale: Scale) -> Iterator[Row]:
    few, many = asyncio.run(_commands(small, large, scale))
    yield _beside(section, "command of CreateUser, p50", few, many, "ms", scale)
    for what, count, more in (
        ("CreateUser, no password", scale.creations, {}),
        ("CreateUser, with its password", scale.passwords, {"Password": PASSWORD}),
    ):
        rates: tuple[list[float], list[float]] = [], []
        for _ in range(ROUNDS):
            for product, found in zip((small, large), rates, strict=True):
                requests = _new_users(product, max(1, count // ROUNDS), more)
                found.append(timed(product.port("api"), requests, CONNECTIONS).rate)
        few, many = statistics.median(rates[0]), statistics.median(rates[1])
        yield _beside(section, f"{what}, {CONNECTIONS} connections", few, many, "/s", scale)


def _new_users(product: Workpost, count: int, more: dict[str, str]) -> list[bytes]:
    signer, stem = product.signer(), f"{time.monotonic_ns():x}"
    always = {"OrganizationId": product.organization, "DisplayName": "User", **more}
    return [
        signer.call("CreateUser", {**always, "Name": f"{stem}-{number}"}) for number in range(count)
    ]


async def _commands(small: Workpost, large: Workpost, scale: Scale) -> tuple[float, float]:
    """Milliseconds of one command of CreateUser without a hash before it, one after the other."""
    took: tuple[list[float], list[float]] = [], []
    async with small.attached() as few, large.attached() as many:
        for number in range(scale.creations):
            for core, product, times in ((few, small, took[0]), (many, large, took[1])):
                started = time.perf_counter()
                await create_users(core, product.organization, [f"one-{number}"])
                times.append(time.perf_counter() - started)
    return statistics.median(took[0]) * 1000, statistics.median(took[1]) * 1000


def _describe(section: str, small: Workpost, large: Workpost, scale: Scale) -> Iterator[Row]:
    medians: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for product, stem, users, found in (
            (small, "few", scale.few_users, medians[0]),
            (large, "many", scale.many_users, medians[1]),
        ):
            signer = product.signer()
            count = max(1, scale.reads // ROUNDS)
            requests = [
                signer.call(
                    "DescribeUser",
                    {
                        "OrganizationId": product.organization,
                        "UserId": f"{stem}-{number * 7919 % users}",
                    },
                )
                for number in range(count)
            ]
            found.append(timed(product.port("api"), requests, 1).p50)
    few, many = statistics.median(medians[0]), statistics.median(medians[1])
    yield _beside(section, "DescribeUser by name, p50", few, many, "ms", scale)


def _pages(section: str, product: Workpost, scale: Scale) -> Iterator[Row]:
    first = 0.0
    for what, filters in LISTINGS.items():
        walks = [walk(product, scale.page, filters) for _ in range(WALKS)]
        pages = [min(times) for times in zip(*walks, strict=True)][:-1]
        if len(pages) * scale.page < scale.many_users - scale.page:
            raise Unexpected(f"{len(pages)} pages of ListUsers are not all users")
        tenth = max(1, len(pages) // 10)
        begin, end = statistics.median(pages[:tenth]), statistics.median(pages[-tenth:])
        first = first or begin
        yield Row(
            section=section,
            what=f"ListUsers, {what}: last pages of {len(pages) + 1}",
            value=end * 1000,
            unit="ms",
            peer="first pages",
            peer_value=begin * 1000,
            gate=FLAT,
            lower_is_better=True,
        )
    for what, filters in FEW.items():
        times = [walk(product, scale.page, filters, most=1)[0] for _ in range(ROUNDS)]
        yield Row(
            section=section,
            what=f"ListUsers, {what}: first page",
            value=statistics.median(times) * 1000,
            unit="ms",
            peer="first pages of all",
            peer_value=first * 1000,
            lower_is_better=True,
        )


def walk(
    product: Workpost, page: int, filters: dict[str, str], most: int = 1_000_000
) -> list[float]:
    """The seconds of each page of ListUsers, at most so many."""
    connection = Connection(product.port("api"))
    took: list[float] = []
    drive({connection: _listing(product, page, filters, most, took)})
    connection.close()
    return took


def _listing(
    product: Workpost, page: int, filters: dict[str, str], most: int, took: list[float]
) -> Script:
    signer = product.signer()
    document: dict[str, Any] = {"OrganizationId": product.organization, "MaxResults": page}
    if filters:
        document["Filters"] = filters
    while len(took) < most:
        request = signer.call("ListUsers", document)
        started = time.perf_counter()
        answer = yield request, response
        took.append(time.perf_counter() - started)
        expect(answer, b"HTTP/1.1 200")
        token = json.loads(answer.partition(b"\r\n\r\n")[2]).get("NextToken")
        if token is None:
            return
        document["NextToken"] = token
