"""Judging a key: the cost of a hostile one is bounded, and so is how long it keeps the loop."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.messages import searching
from workpost.domain.messages.searching import Doc, evaluate
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant


def doc(uid: int) -> Doc:
    return Doc(now=0, uid=uid, flags=0, modseq=1, size=1, received=0)


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_a_uid_is_found_in_ascending_ranges(members: set[int], uid: int) -> None:
    ranges = tuple((each, each) for each in sorted(members))
    assert evaluate(("UIDS", ranges), doc(uid)) is (uid in members)


def test_the_ends_of_a_range_belong_to_it() -> None:
    key = ("UIDS", ((3, 5), (9, 11)))
    assert [uid for uid in range(1, 14) if evaluate(key, doc(uid))] == [3, 4, 5, 9, 10, 11]


async def test_a_key_with_thousands_of_parts_gives_way_to_others() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    key = ("OR", tuple(("KEYWORD", b"none", True) for _ in range(2_000)))
    core: Any = SimpleNamespace(env=SystemEnvironment())
    task = asyncio.create_task(other())
    await searching._judge_page(
        core, cast(Grant, None), 1, key, [doc(uid) for uid in range(1, 101)]
    )
    task.cancel()
    assert turns >= 5
