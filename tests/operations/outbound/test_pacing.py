"""Concurrency for each destination: grows with success, shrinks with failure, closes at the end."""

from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.smtp.base import Outcome
from workpost.operations.outbound.pacing import FIRST, REMEMBERED, Pacing
from workpost.operations.outbound.runner import feedback_of


def play(pacing: Pacing, *feedback: str) -> list[bool]:
    closed = []
    for each in feedback:
        pacing.begin("a.example")
        closed.append(pacing.end("a.example", each))  # type: ignore[arg-type]
    return closed


def room(pacing: Pacing) -> int:
    return pacing.rooms().get("a.example", pacing.first)


def test_a_windows_worth_of_successes_adds_one() -> None:
    pacing = Pacing(20)
    assert room(pacing) == FIRST == 5
    play(pacing, *["good"] * 6)
    assert room(pacing) == 6


def test_the_window_never_passes_the_setting() -> None:
    pacing = Pacing(3)
    play(pacing, *["good"] * 100)
    assert room(pacing) == 3


def test_a_windows_worth_of_failures_closes_the_destination() -> None:
    assert play(Pacing(20), *["bad"] * 5)[-1]
    assert not any(play(Pacing(20), "bad", "bad", "good", "bad", "bad"))


def test_a_server_that_has_too_much_halves_the_window() -> None:
    pacing = Pacing(20)
    play(pacing, "slow")
    assert room(pacing) == 2
    play(pacing, "slow", "slow")
    assert room(pacing) == 1


def test_after_closing_one_at_a_time_until_it_is_reached() -> None:
    pacing = Pacing(20)
    pacing.begin("a.example")
    pacing.close("a.example")
    assert room(pacing) == 0
    pacing.end("a.example", "good")
    pacing.reopen("a.example")
    assert room(pacing) == FIRST


@given(st.lists(st.sampled_from(["good", "slow", "bad", "none"]), max_size=200))
def test_there_is_always_room_for_one_and_never_for_more_than_the_setting(
    feedback: list[str],
) -> None:
    pacing = Pacing(8)
    play(pacing, *feedback)
    assert 1 <= room(pacing) <= 8


def test_destinations_at_rest_are_forgotten() -> None:
    pacing = Pacing(20)
    for number in range(REMEMBERED + 10):
        pacing.begin(f"d{number}.example")
        pacing.end(f"d{number}.example", "good")
    assert len(pacing._known) <= REMEMBERED


def outcome(state: str, *, reached: bool = True, code: int = 250) -> Outcome:
    return Outcome(
        number=0,
        state=state,  # type: ignore[arg-type]
        status="0.0.0",
        text="",
        reached=reached,
        code=code,
    )


def test_what_an_attempt_tells_of_its_destination() -> None:
    late = outcome("deferred", code=450)
    assert feedback_of([]) == "none"
    assert feedback_of([outcome("delivered"), late]) == "good"
    assert feedback_of([late]) == "good"
    assert feedback_of([outcome("deferred", code=421)]) == "slow"
    assert feedback_of([outcome("deferred", reached=False)] * 2) == "bad"
    assert feedback_of([outcome("failed", reached=False)]) == "none"
