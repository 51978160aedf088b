"""Settings of delivery, and of mail that waits for other servers."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

from workpost.kernel.sections import LIVE, Section

STOP_REPLY_SECONDS = 6
"""What a stop within 10 s leaves for the replies of other servers."""


def longer_stop(queue: Queue) -> int:
    """Seconds by which a stop may take longer than 10 s."""
    return max(0, queue.reply_seconds - STOP_REPLY_SECONDS)


class Mailflow(Section, frozen=True, kw_only=True):
    """Delivery and the queue."""

    direct_recipients: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Mailboxes delivered to before the sender is told 250.",
        ),
    ] = 20
    hold_outside: Annotated[
        bool,
        Meta(description="Keep mail for other servers in the queue as `held` (`--demo` does)."),
    ] = False
    hold_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=8760,
            description="Longest time for which people may have what they submit held before it "
            "goes (FUTURERELEASE, RFC 4865); 0: it is not offered.",
            extra=LIVE,
        ),
    ] = 168
    functions: Annotated[
        int,
        Meta(
            ge=1,
            le=400,
            description="Functions of Run Lambda rules that one process invokes at once; those "
            "that run for more than two seconds do not count.",
        ),
    ] = 50
    functions_each: Annotated[
        int,
        Meta(ge=1, le=200, description="Of these, invocations of one organization's function."),
    ] = 10
    function_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=60,
            description="How long a function that mail waits for may take; then it is tried again.",
        ),
    ] = 15


class Queue(Section, frozen=True, kw_only=True):
    """Mail for other servers while it waits and is tried."""

    deliveries: Annotated[
        int, Meta(ge=1, le=2_000, description="Deliveries under way at once in one process.")
    ] = 100
    deliveries_each: Annotated[
        int,
        Meta(
            ge=1,
            le=200,
            description="Deliveries at once to one destination, at most; it begins with 5.",
        ),
    ] = 20
    lease_seconds: Annotated[
        int,
        Meta(
            ge=3,
            le=600,
            description="A node that dies loses what it has in hand of the queue to the others "
            "after this.",
        ),
    ] = 15
    reply_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=600,
            description="When the server stops it waits so long for the replies of other servers "
            "that have a message whole: without one it is sent again. Over 6, a stop may take so "
            "much longer than 10 s.",
        ),
    ] = STOP_REPLY_SECONDS
    give_up_hours: Annotated[
        int,
        Meta(
            ge=1,
            le=24 * 30,
            description="A message that cannot be delivered goes back to its sender after this.",
            extra=LIVE,
        ),
    ] = 120
    notice_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=24 * 30,
            description="Senders here are told that a message is late after this; 0: never.",
            extra=LIVE,
        ),
    ] = 4
    gateway_minutes: Annotated[
        int,
        Meta(
            ge=0,
            le=60 * 24,
            description="A message for an organization's SMTP gateway that cannot be reached goes "
            "back to its sender after this; 0: at once.",
            extra=LIVE,
        ),
    ] = 10
    suppression_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3_650,
            description="An address that does not exist gets no mail for so long"
            " (`workpost suppression`); 0: nothing is remembered.",
            extra=LIVE,
        ),
    ] = 3


class Sieve(Section, frozen=True, kw_only=True):
    """The scripts of mailboxes."""

    time_zone: Annotated[
        str,
        Meta(
            description="The zone of dates where a script names none (`date`, `currentdate`), such "
            "as Europe/Berlin.",
            extra=LIVE,
        ),
    ] = "UTC"


def time_zone(name: str) -> tzinfo:
    """The zone of a name of the time zone database. Raises ValueError."""
    if name == "UTC":
        # Known where there is no such database, too.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"'{name}' is no zone of this machine's time zone database") from None
