"""Token buckets by account and action."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.settings import Api, Processes, Settings
from workpost.protocols.api import throttling
from workpost.protocols.api.throttling import Throttling


def make(env: FixedEnvironment, front_ends: int = 1, **api: Any) -> Throttling:
    settings = Settings(api=Api(**api), processes=Processes(front_ends=front_ends))
    return Throttling(settings, env)


def test_it_is_off_by_default() -> None:
    env = FixedEnvironment()
    assert make(env).idle
    assert all(make(env).admit("1", "ListUsers") for _ in range(1000))


def test_an_account_has_a_bucket() -> None:
    env = FixedEnvironment()
    one = make(env, throttle_account=5, throttle_burst=2)
    assert not one.idle
    assert [one.admit("1", f"Action{n}") for n in range(11)] == [True] * 10 + [False]
    assert one.admit("2", "ListUsers")
    env.advance(200)
    assert one.admit("1", "ListUsers")
    assert not one.admit("1", "ListUsers")
    env.advance(60_000)
    assert sum(one.admit("1", "ListUsers") for _ in range(20)) == 10


def test_each_action_has_a_bucket() -> None:
    env = FixedEnvironment()
    one = make(
        env,
        throttle_action=2,
        throttle_actions=("CreateUser=1", "ListUsers=0"),
        throttle_burst=1,
    )
    assert [one.admit("1", "DescribeUser") for _ in range(3)] == [True, True, False]
    assert [one.admit("1", "CreateUser") for _ in range(2)] == [True, False]
    assert all(one.admit("1", "ListUsers") for _ in range(100))


def test_a_refused_call_takes_nothing() -> None:
    env = FixedEnvironment()
    one = make(env, throttle_account=3, throttle_actions=("CreateUser=1",), throttle_burst=1)
    assert one.admit("1", "CreateUser")
    assert not any(one.admit("1", "CreateUser") for _ in range(50))
    assert [one.admit("1", "ListUsers") for _ in range(3)] == [True, True, False]


def test_front_ends_share_a_rate() -> None:
    env = FixedEnvironment()
    one = make(env, front_ends=4, throttle_account=8, throttle_burst=1)
    assert sum(one.admit("1", "ListUsers") for _ in range(9)) == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MAX_BUCKETS", 3)
    one = make(FixedEnvironment(), throttle_account=1)
    for number in range(10):
        one.admit(str(number), "ListUsers")
    assert len(one._buckets._buckets) == 3


@given(st.lists(st.integers(-1000, 3000), max_size=60))
def test_no_more_than_burst_and_rate_in_any_time(pauses: list[int]) -> None:
    env = FixedEnvironment()
    one = make(env, throttle_account=2, throttle_burst=2)
    admitted = passed = 0
    for pause in pauses:
        env.advance(pause)
        passed += max(0, pause)
        admitted += one.admit("1", "ListUsers")
        assert admitted <= 4 + 2 * passed / 1000 + 1e-6
