"""The decision on booking requests, for every combination of options and requests."""

from itertools import product

import pytest

from workpost.domain.directory.booking import BookingOptions, check_options, decide
from workpost.kernel.errors import InvalidConfiguration

BOTH = (False, True)


@pytest.mark.parametrize(("accept", "recurring", "conflicting"), [*product(BOTH, BOTH, BOTH)])
@pytest.mark.parametrize(("recurs", "conflicts"), [*product(BOTH, BOTH)])
@pytest.mark.parametrize("delegates", [(), ("ada", "grace")])
def test_every_combination(
    accept: bool,
    recurring: bool,
    conflicting: bool,
    recurs: bool,
    conflicts: bool,
    delegates: tuple[str, ...],
) -> None:
    options = BookingOptions(
        auto_accept=accept, decline_recurring=recurring, decline_conflicting=conflicting
    )
    decision = decide(
        options, enabled=True, recurring=recurs, conflicting=conflicts, delegates=delegates
    )
    declined = (conflicts and conflicting) or (recurs and recurring)
    assert decision.answer == ("DECLINED" if declined else "ACCEPTED" if accept else "TENTATIVE")
    assert bool(decision.reason) == declined
    assert decision.copies_to == delegates
    left_to_delegates = decision.answer == "TENTATIVE" and bool(delegates)
    assert decision.decided_by_delegates == left_to_delegates


def test_a_new_resource_declines_conflicts_and_accepts_the_rest() -> None:
    def answer(*, recurring: bool, conflicting: bool) -> tuple[str, str]:
        decision = decide(
            BookingOptions(),
            enabled=True,
            recurring=recurring,
            conflicting=conflicting,
            delegates=(),
        )
        return decision.answer, decision.reason

    assert answer(recurring=True, conflicting=False) == ("ACCEPTED", "")
    assert answer(recurring=True, conflicting=True) == ("DECLINED", "conflict")


def test_a_disabled_resource_cannot_be_booked() -> None:
    decision = decide(
        BookingOptions(), enabled=False, recurring=False, conflicting=False, delegates=("ada",)
    )
    assert (decision.answer, decision.reason, decision.copies_to) == ("DECLINED", "disabled", ())


def test_somebody_has_to_answer() -> None:
    check_options(BookingOptions(auto_accept=True), has_delegates=False)
    check_options(BookingOptions(auto_accept=False), has_delegates=True)
    with pytest.raises(InvalidConfiguration):
        check_options(BookingOptions(auto_accept=False), has_delegates=False)
