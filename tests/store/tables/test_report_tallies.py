"""Counts for reports to other domains are added up, and nobody fills the table."""

from __future__ import annotations

import asyncio

import pytest

from workpost.store.database.store import Store
from workpost.store.database.unit import Tx, command
from workpost.store.tables import report_tallies
from workpost.store.tables.report_tallies import DMARC, TLS, Row, add_tallies, list_seen, list_told


def row(day: int, domain: str, name: bytes, count: int = 1) -> Row:
    return day, domain, name.rjust(16), name, count


@command
def forget(tx: Tx, *, day: int, domain: str) -> None:
    report_tallies.delete_told(tx, kind=DMARC, day=day, domain=domain)


async def seen(store: Store, day: int, domain: str) -> list[tuple[bytes, int]]:
    return await store.read(list_seen, kind=DMARC, day=day, domain=domain, limit=100)


async def test_counts_are_added_up_and_the_most_frequent_come_first(store: Store) -> None:
    await store.write(
        add_tallies, kind=DMARC, rows=[row(7, "a.test", b"x"), row(7, "a.test", b"y", 3)]
    )
    await store.write(
        add_tallies, kind=DMARC, rows=[row(7, "a.test", b"x"), row(8, "a.test", b"x", 9)]
    )
    assert await seen(store, 7, "a.test") == [(b"y", 3), (b"x", 2)]
    assert await seen(store, 8, "a.test") == [(b"x", 9)]


async def test_processes_that_write_the_same_things_do_not_stop_each_other(store: Store) -> None:
    rows = [row(7, f"{number}.test", b"x") for number in range(50)]
    await asyncio.gather(
        *(store.write(add_tallies, kind=DMARC, rows=sorted(rows)) for _ in range(4))
    )
    for number in (0, 49):
        assert await seen(store, 7, f"{number}.test") == [(b"x", 4)]


async def test_domains_are_listed_once_and_in_order(store: Store) -> None:
    wanted = [(7, "a.test"), (7, "b.test"), (8, "a.test")]
    rows = [row(day, domain, name) for day, domain in wanted for name in (b"x", b"y")]
    await store.write(add_tallies, kind=DMARC, rows=rows)
    assert await store.read(list_told, kind=DMARC, before=9, after=(0, ""), limit=9) == wanted
    assert await store.read(list_told, kind=DMARC, before=8, after=(7, "a.test"), limit=9) == [
        (7, "b.test")
    ]
    assert await store.read(list_told, kind=DMARC, before=9, after=(7, "b.test"), limit=9) == [
        (8, "a.test")
    ]
    assert await store.read(list_told, kind=DMARC, before=9, after=(0, ""), limit=2) == wanted[:2]


async def test_one_domain_does_not_fill_the_day(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_tallies, "MOST_OF_DOMAIN", 2)
    monkeypatch.setattr(report_tallies, "MOST", 4)
    await store.write(
        add_tallies, kind=DMARC, rows=[row(7, "a.test", name) for name in (b"x", b"y", b"z")]
    )
    await store.write(
        add_tallies, kind=DMARC, rows=[row(7, "a.test", name) for name in (b"x", b"z")]
    )
    assert await seen(store, 7, "a.test") == [(b"x", 2), (b"y", 1)]
    await store.write(
        add_tallies, kind=DMARC, rows=[row(7, f"{name}.test", b"x") for name in "bcd"]
    )
    assert await store.read(list_told, kind=DMARC, before=8, after=(0, ""), limit=9) == [
        (7, "a.test"),
        (7, "b.test"),
        (7, "c.test"),
    ]
    # Another day has its own.
    await store.write(add_tallies, kind=DMARC, rows=[row(8, "d.test", b"x")])
    assert await seen(store, 8, "d.test") == [(b"x", 1)]


async def test_names_below_one_domain_do_not_fill_the_day(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wildcard gives a stranger any number of domains with records of their own."""
    monkeypatch.setattr(report_tallies, "MOST_OF_FAMILY", 3)
    rows = [row(7, f"{name}.evil.test", b"x") for name in "abcde"]
    assert await store.write(add_tallies, kind=DMARC, rows=rows) == 2
    assert await store.write(add_tallies, kind=DMARC, rows=rows) == 2
    assert await store.write(add_tallies, kind=DMARC, rows=[row(7, "good.test", b"x")]) == 0
    told = await store.read(list_told, kind=DMARC, before=8, after=(0, ""), limit=9)
    assert told == [(7, f"{name}.evil.test") for name in "abc"] + [(7, "good.test")]
    assert await seen(store, 7, "a.evil.test") == [(b"x", 2)]


async def test_kinds_are_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_tallies, "MOST", 1)
    for kind, domain in ((DMARC, "a.test"), (TLS, "b.test")):
        assert await store.write(add_tallies, kind=kind, rows=[row(7, domain, b"x")]) == 0
        told = await store.read(list_told, kind=kind, before=8, after=(0, ""), limit=9)
        assert told == [(7, domain)]
    await store.write(forget, day=7, domain="b.test")
    assert await store.read(list_seen, kind=TLS, day=7, domain="b.test", limit=9) == [(b"x", 1)]


async def test_all_of_a_domain_goes_and_nothing_else(store: Store) -> None:
    rows = [row(7, "a.test", b"x"), row(7, "a.test", b"y"), row(7, "b.test", b"x")]
    await store.write(add_tallies, kind=DMARC, rows=[*rows, row(8, "a.test", b"x")])
    await store.write(forget, day=7, domain="a.test")
    told = await store.read(list_told, kind=DMARC, before=9, after=(0, ""), limit=9)
    assert told == [(7, "b.test"), (8, "a.test")]
