"""What a resource answers to a booking request: the one decision behind booking options. Pure.

A request is declined when it conflicts and conflicts are to be declined, or when it recurs and
recurrence is to be declined; else it is accepted by a resource that accepts by itself; else the
delegates decide, and until then it is tentative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from workpost.kernel.errors import InvalidConfiguration

Answer = Literal["ACCEPTED", "DECLINED", "TENTATIVE"]
"""Participation status of the resource, as iCalendar names it (RFC 5545 3.2.12)."""


class BookingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a resource, as a new one has them."""

    auto_accept: bool = True
    decline_recurring: bool = False
    decline_conflicting: bool = True


class Decision(msgspec.Struct, frozen=True):
    """What to answer, why it was declined, and who is sent a copy of the request.

    `decided_by_delegates`: the copies ask for an answer, which comes from the delegate.
    """

    answer: Answer
    reason: Literal["", "conflict", "recurrence", "disabled"] = ""
    copies_to: tuple[str, ...] = ()
    decided_by_delegates: bool = False


def decide(
    options: BookingOptions,
    *,
    enabled: bool,
    recurring: bool,
    conflicting: bool,
    delegates: Sequence[str],
) -> Decision:
    """Decide a booking request; `delegates` are the ids of the resource's enabled delegates.

    A disabled resource cannot be booked.
    """
    copies = tuple(delegates)
    if not enabled:
        return Decision("DECLINED", "disabled")
    if conflicting and options.decline_conflicting:
        return Decision("DECLINED", "conflict", copies)
    if recurring and options.decline_recurring:
        return Decision("DECLINED", "recurrence", copies)
    if options.auto_accept:
        return Decision("ACCEPTED", "", copies)
    return Decision("TENTATIVE", "", copies, decided_by_delegates=bool(copies))


def check_options(options: BookingOptions, *, has_delegates: bool) -> None:
    """Raise InvalidConfiguration when nobody would answer: neither the resource nor a delegate."""
    if not options.auto_accept and not has_delegates:
        raise InvalidConfiguration(
            "A resource that does not accept requests by itself needs a delegate who answers them."
        )
