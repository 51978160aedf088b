"""Rates in windows that decay, bounded in memory."""

from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.listening.rates import Rate


def test_so_many_fit_at_once_and_the_next_one_later():
    rate = Rate(5, 60.0)
    for _ in range(5):
        assert rate.wait(100.0, "a") == 0
        rate.add(100.0, "a")
    assert round(rate.wait(100.0, "a"), 3) == 12.0
    assert rate.wait(100.0, "b") == 0
    assert rate.wait(112.0, "a") == 0


def test_a_window_later_all_is_forgotten():
    rate = Rate(5, 60.0)
    for _ in range(5):
        rate.add(0.0, "a")
    assert rate.level(30.0, "a") == 2.5
    assert rate.level(60.0, "a") == 0


def test_whatever_overflows_is_forgiven_within_two_windows():
    rate = Rate(5, 60.0)
    for _ in range(1000):
        rate.add(0.0, "a")
    assert rate.wait(0.0, "a") == 72.0
    assert rate.level(120.0, "a") == 0


def test_no_limit_counts_nothing():
    rate = Rate(0, 60.0)
    rate.add(0.0, "a")
    assert (rate.wait(0.0, "a"), len(rate)) == (0, 0)


def test_the_quietest_keys_are_forgotten_first():
    rate = Rate(1, 60.0, entries=3)
    for key in ("a", "b", "a", "c", "d"):
        rate.add(0.0, key)
    assert len(rate) == 3
    assert rate.wait(0.0, "b") == 0
    assert rate.wait(0.0, "a") > 0


@given(
    limit=st.integers(1, 50),
    seconds=st.floats(1.0, 1000.0),
    steps=st.lists(st.floats(0.0, 100.0), max_size=80),
)
def test_nobody_gets_more_than_twice_the_limit_within_a_window(limit, seconds, steps):
    rate, now, taken = Rate(limit, seconds), 0.0, []
    for step in steps:
        now += step
        if not rate.wait(now, "a"):
            rate.add(now, "a")
            taken.append(now)
    for start in taken:
        assert sum(start <= at < start + seconds for at in taken) <= 2 * limit
