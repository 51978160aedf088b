"""What a process has counted for reports is written in time, and never becomes too much."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.authentication.test_check import arrival
from tests.support.directories import bare_core
from workpost.kernel import metrics
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.arc import ArcResult
from workpost.operations.authentication.check import Authentication, Verdicts
from workpost.operations.authentication.dmarc import DmarcResult, Standing
from workpost.operations.authentication.spf import SpfResult
from workpost.operations.authentication.tallies import GATHERER, Outcome, note
from workpost.operations.reports import gathering
from workpost.operations.reports.gathering import DAY, MOST_OF_FAMILY, _Tally
from workpost.store.core import Core
from workpost.store.tables.report_tallies import DMARC, list_told

__all__ = ["bare_core"]

FOUND = Authentication(
    spf=SpfResult("pass", "author.example"),
    dkim=(),
    dmarc=DmarcResult("pass", "author.example", "none"),
    arc=ArcResult("none"),
    verdicts=Verdicts("PASS", "GRAY", "PASS"),
    field=b"",
)


def count(core: Core, *domains: str) -> None:
    for domain in domains:
        told = DmarcResult("pass", domain, "none", standing=Standing(domain, spf=True, dkim=False))
        note(core, arrival(), msgspec.structs.replace(FOUND, dmarc=told), Outcome("none"))


async def written(core: Core) -> list[str]:
    tomorrow = core.env.now() // DAY + 1
    found = await core.store.read(
        list_told, kind=DMARC, before=tomorrow, after=(0, ""), limit=1_000
    )
    return [domain for _, domain in found]


async def test_counts_are_written_after_a_while(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAUSE", 0.05)
    count(bare_core, "a.example", "b.example", "a.example")
    write, ended = bare_core.store.write_background, asyncio.Event()

    async def seen(*args: Any, **kwargs: Any) -> None:
        await write(*args, **kwargs)
        ended.set()

    monkeypatch.setattr(bare_core.store, "write_background", seen)
    await asyncio.wait_for(ended.wait(), 30)
    assert await written(bare_core) == ["a.example", "b.example"]


async def test_a_message_of_a_domain_that_asks_for_nothing_is_not_counted(bare_core: Core) -> None:
    note(bare_core, arrival(), FOUND, Outcome("none"))
    await GATHERER.settle(bare_core)
    assert await written(bare_core) == []


async def test_a_store_that_is_slow_is_not_given_ever_more(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "PAUSE", 0.01)
    write, begun = bare_core.store.write_background, 0
    asked, free = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **kwargs: Any) -> Any:
        nonlocal begun
        begun += 1
        asked.set()
        await free.wait()
        return await write(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(bare_core.store, "write_background", slow)
        count(bare_core, "a.example")
        await asyncio.wait_for(asked.wait(), 30)
        count(bare_core, "b.example")
        await asyncio.sleep(0.2)
        assert begun == 1
        free.set()
        await GATHERER.settle(bare_core)
    assert await written(bare_core) == ["a.example", "b.example"]


async def test_a_store_that_is_away_is_asked_once_and_loses_nothing(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "AT_ONCE", 1)
    asked = 0

    async def away(*_: object, **__: object) -> None:
        nonlocal asked
        asked += 1
        raise TryLater("The database is away.")

    domains = [f"{letter}.example" for letter in "abcde"]
    count(bare_core, *domains)
    with monkeypatch.context() as patch:
        patch.setattr(bare_core.store, "write_background", away)
        await GATHERER.settle(bare_core)
    assert asked == 1
    await GATHERER.settle(bare_core)
    assert await written(bare_core) == domains


async def test_what_is_gathered_is_bounded(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST", 2)
    count(bare_core, "a.example", "b.example", "c.example", "a.example")
    await GATHERER.settle(bare_core)
    assert await written(bare_core) == ["a.example", "b.example"]


def left_out() -> float:
    for line in metrics.render().decode().splitlines():
        if line.startswith('workpost_report_counts_left_out_total{kind="dmarc"}'):
            return float(line.rpartition(" ")[2])
    return 0.0


async def test_names_below_one_domain_leave_room_for_others(
    bare_core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST_OF_FAMILY", 2)
    before = left_out()
    count(bare_core, *(f"{name}.evil.example" for name in "abcd"), "good.test")
    assert len(GATHERER.gathered(bare_core)) == 3
    await GATHERER.settle(bare_core)
    assert await written(bare_core) == ["a.evil.example", "b.evil.example", "good.test"]
    assert left_out() == before + 2
    # What is gathered next has its own room.
    count(bare_core, "e.evil.example")
    assert len(GATHERER.gathered(bare_core)) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from(("a", "b.test", "c.d.test"))),
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_whatever_one_family_does_others_are_gathered_whole(
    others: list[tuple[int, bool, str]], start: int
) -> None:
    """A wildcard's names, before and after, cost nobody else a count and are all told of."""
    tally, wanted = _Tally(), Counter[Any]()
    seen = [Outcome(str(number)) for number in range(7)]
    evil = [(7, f"x{number}.evil.test", seen[0]) for number in range(MOST_OF_FAMILY + 50)]
    for key in evil[:start]:
        tally.add(key, 1)
    for number, deep, domain in others:
        key = (7, f"mail.{domain}" if deep else domain, seen[number])
        tally.add(key, 1)
        wanted[key] += 1
    for key in evil:
        tally.add(key, 1)
    assert tally.left_out == 50
    gathered = tally.take()
    assert {key: count for key, count in gathered.items() if "evil" not in key[1]} == wanted
    assert len(gathered) == MOST_OF_FAMILY + len(wanted)
    tally.add(evil[-1], 1)
    assert tally.take() == {evil[-1]: 1}
