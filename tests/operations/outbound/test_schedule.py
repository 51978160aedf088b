"""When mail is tried again: a minute, doubled up to an hour, later up to four; with jitter."""

from hypothesis import given
from hypothesis import strategies as st

from workpost.operations.outbound import schedule
from workpost.operations.outbound.schedule import DAY, HOUR, MINUTE, judge, retry_delay

DICE = st.floats(0, 1, exclude_max=True)


def test_without_jitter_delays_double_from_a_minute_to_an_hour() -> None:
    delays = [retry_delay(n, 0, 0.5) // MINUTE for n in range(1, 9)]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60]


def test_after_the_first_day_it_is_up_to_four_hours() -> None:
    assert retry_delay(20, DAY, 0.5) == 4 * HOUR


@given(st.integers(0, 10**6), st.integers(0, 10 * DAY), DICE)
def test_delays_stay_between_their_bounds(attempts: int, age: int, dice: float) -> None:
    assert 0.8 * MINUTE <= retry_delay(attempts, age, dice) <= 1.2 * 4 * HOUR
    assert 0.8 * MINUTE <= schedule.probe_delay(attempts, dice) <= 1.2 * HOUR


@given(st.integers(1, 50), st.integers(0, DAY), DICE)
def test_nobody_waits_less_after_more_attempts_than_jitter_explains(
    attempts: int, age: int, dice: float
) -> None:
    assert retry_delay(attempts + 1, age, dice) >= retry_delay(attempts, age, dice)


def test_one_notice_then_the_end() -> None:
    bounds = {"notice_after": 4 * HOUR, "give_up_after": 5 * DAY}
    assert judge(4 * HOUR - 1, noticed=False, **bounds) == "retry"
    assert judge(4 * HOUR, noticed=False, **bounds) == "notice"
    assert judge(4 * HOUR, noticed=True, **bounds) == "retry"
    assert judge(5 * DAY, noticed=False, **bounds) == "give up"


def test_no_notices_where_the_operator_wants_none() -> None:
    assert judge(DAY, noticed=False, notice_after=0, give_up_after=5 * DAY) == "retry"
