"""Turns: nobody waits for what others have queued, on the whole and on every route."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.operations.mailflow import turns as turning
from workpost.operations.mailflow.turns import Turns
from workpost.store.tables.queue_turns import FIRST, SENDERS, Due, flow_of

dues = st.builds(
    Due,
    route=st.sampled_from(["a.test", "b.test", "c.test"]),
    entry=st.integers(1, 40),
    flow=st.builds("o-{}/{:02d}".format, st.integers(1, 4), st.integers(0, 3)),
)


@given(st.lists(dues, max_size=60), st.lists(dues, max_size=20))
def test_an_order_is_all_that_was_found(found: list[Due], served: list[Due]) -> None:
    turns = Turns()
    for due in served:
        turns.serve(due)
    assert Counter(turns.order(found)) == Counter(found)


@given(st.lists(dues, max_size=80), st.sampled_from(["a.test", "b.test"]), st.integers(1, 5))
def test_whoever_has_one_message_is_served_within_a_turn_of_each(
    others: list[Due], route: str, most: int
) -> None:
    """`most` are served at a time, on a route of which others want every place."""
    mine = Due(route, 99, "o-9/00")
    waiting = [*others, mine]
    turns, served = Turns(), 0
    while mine in waiting:
        for due in turns.order(waiting)[:most]:
            turns.serve(due)
            served += 1
            if due is mine:
                waiting.remove(due)
    organizations = len({due.organization for due in others}) + 1
    assert served <= 2 * organizations + most


@given(st.lists(st.sampled_from(["a.test", "b.test"]), min_size=12, max_size=12))
def test_one_place_on_each_route_goes_round(freed: list[str]) -> None:
    """Whichever route has a place free: on each, organizations are served in turn."""
    turns = Turns()
    got: dict[str, list[str]] = {"a.test": [], "b.test": []}
    for route in freed:
        found = [Due(route, number, f"o-{number}/00") for number in range(3)]
        first = turns.order(found)[0]
        turns.serve(first)
        got[route].append(first.organization)
    for served in got.values():
        counts = [served.count(f"o-{number}") for number in range(3)]
        assert max(counts) - min(counts) <= 1


def test_lanes_of_one_organization_take_turns() -> None:
    crowd = [Due("a.test", number, "o-1/00") for number in range(50)]
    late = Due("a.test", 99, "o-1/01")
    assert late in Turns().order([*crowd, late])[:2]


@given(st.text(), st.integers(0, 100_000))
def test_a_flow_tells_its_organization_and_the_size_of_the_message(sender: str, n: int) -> None:
    flow = flow_of("m-1", sender, n)
    lane = int(flow.partition("/")[2])
    assert Due("a.test", 1, flow).organization == "m-1"
    assert (lane < SENDERS) == (n < FIRST)


def test_no_more_turns_are_remembered_than_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "REMEMBERED", 40)
    turns = Turns()
    for number in range(100):
        turns.serve(Due(f"d{number}.test", number, f"o-{number}/00"))
        turns.go_on(f"d{number}.test", "o-1/00")
    assert len(turns._served) <= 40
    assert len(turns._after) <= 40
    turns.go_on("d99.test", "")
    assert turns.after("d99.test") == ""
