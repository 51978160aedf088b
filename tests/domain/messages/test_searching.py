"""Judging a key: the cost of a hostile one is bounded, and so is how long it keeps the loop."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.messages import searching
from workpost.domain.messages.searching import Doc, evaluate
from workpost.formats.mime import summarize
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.principal import Grant
from workpost.store.core import Core


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


def test_thousands_of_header_keys_read_a_hostile_header_once() -> None:
    one = doc(1)
    searching._read_header(one, b"a:\n" * 2**18)
    key = ("OR", tuple(("HEADER", f"x{n}", "y") for n in range(2_000)))
    started = time.process_time()
    assert evaluate(key, one) is False
    assert time.process_time() - started < 2


def test_header_keys_look_at_every_field_of_that_name() -> None:
    one = doc(1)
    searching._read_header(one, b"X-Tag: One\r\nx-tag : =?utf-8?q?Zw=C3=96lf?=\r\n\r\n")
    assert evaluate(("HEADER", "X-TAG", "one"), one) is True
    assert evaluate(("HEADER", "x-tag", "zwölf"), one) is True
    assert evaluate(("HEADER", "x-tag", ""), one) is True
    assert evaluate(("HEADER", "x-none", ""), one) is False


async def test_large_messages_are_read_one_at_a_time_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = b"Subject: Bulk\r\n\r\n" + b"\xc3\x84 line of text\r\n" * (searching.HUGE // 16)
    meta: Any = SimpleNamespace(packed=summarize(raw).pack(), size=len(raw), uid=1)
    reading = most = 0

    async def read_content(
        core: object, grant: object, meta: object, start: int = 0, end: int | None = None
    ) -> bytes:
        nonlocal reading, most
        if end is None:
            reading += 1
            most = max(most, reading)
            await asyncio.sleep(0)
            reading -= 1
        return raw[start:end]

    monkeypatch.setattr("workpost.domain.messages.searching.messages.read_content", read_content)
    docs = [doc(uid) for uid in range(1, 4)]
    looks = [
        searching._look_closely(cast(Core, None), cast(Grant, None), ("BODY", "ä line"), one, meta)
        for one in docs
    ]
    assert await asyncio.gather(*looks) == [True, True, True]
    assert most == 1
    held = [(one.summary, one.header, one.header_folded, one.body_folded) for one in docs]
    assert held == [(None, None, "", None)] * 3
