"""The request to, and the answer of, a function that tells free/busy (CAP of WorkMail).

An answer is read strictly: what does not fit its mailbox makes that mailbox's answer an error, and
never the others'. Members that are not known are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from workpost.formats.availability.values import (
    ERRORS,
    FAILED,
    INVALID_ANSWER,
    NOT_FOUND,
    Change,
    Day,
    Details,
    Event,
    Instance,
    InvalidAnswer,
    MailboxAnswer,
    Period,
    Requester,
    Window,
    WorkingHours,
    Zone,
)

MAX_EVENTS = 10_000
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKS = ("FIRST", "SECOND", "THIRD", "FOURTH", "LAST")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]00:00)", re.ASCII
)
_ERRORS = {"MailboxNotFound": NOT_FOUND} | {each: each for each in ERRORS}

Text = Annotated[str, Meta(max_length=4096)]
Minutes = Annotated[int, Meta(ge=-1440, le=1440)]
MinuteOfDay = Annotated[int, Meta(ge=0, le=1440)]


class _Camel(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Details(_Camel, frozen=True):
    subject: Text
    location: Text
    instance_type: Instance
    is_meeting: bool
    is_reminder_set: bool
    is_private: bool


class _Event(_Camel, frozen=True):
    start_time: str
    end_time: str
    busy_type: Literal["BUSY", "FREE", "TENTATIVE"]
    details: _Details | None = None


class _Change(_Camel, frozen=True):
    offset: Minutes
    time: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
    month: Literal[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"
    ]
    week: Literal["FIRST", "SECOND", "THIRD", "FOURTH", "LAST"]
    day_of_week: Day


class _Zone(_Camel, frozen=True):
    name: Text
    bias: Minutes
    standard_time: _Change | None = None
    daylight_time: _Change | None = None


class _Period(_Camel, frozen=True):
    start_minutes: MinuteOfDay
    end_minutes: MinuteOfDay
    days: Annotated[tuple[Day, ...], Meta(max_length=7)]


class _Hours(_Camel, frozen=True):
    timezone: _Zone
    working_periods: Annotated[tuple[_Period, ...], Meta(max_length=100)]


class _Mailbox(_Camel, frozen=True):
    mailbox: str
    events: Annotated[tuple[_Event, ...], Meta(max_length=MAX_EVENTS)] | None = None
    working_hours: _Hours | None = None
    error: str | None = None


class _Named(msgspec.Struct, frozen=True):
    mailbox: str


class _Answer(msgspec.Struct, frozen=True):
    mailboxes: list[msgspec.Raw]


def write_request(
    organization: str, requester: Requester, mailboxes: Sequence[str], window: Window
) -> bytes:
    """The event that the function is given."""
    asking = {
        "email": requester.email,
        "userName": requester.user_name,
        "organization": organization,
        "userId": requester.user_id,
    }
    if requester.origin:
        asking["origin"] = requester.origin
    return msgspec.json.encode(
        {
            "requester": asking,
            "mailboxes": list(mailboxes),
            "window": {
                "startDate": _written(window.start),
                "endDate": _written(window.end),
            },
        }
    )


def _written(at: int) -> str:
    moment = datetime.fromtimestamp(at // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def read_answer(raw: bytes, mailboxes: Sequence[str]) -> list[MailboxAnswer]:
    """An answer for each mailbox that was asked for, in that order.

    One that is not told of, or told of twice, has an error. Raises InvalidAnswer when the answer
    as a whole is not what it should be.
    """
    try:
        entries = msgspec.json.decode(raw, type=_Answer).mailboxes
        named = [(msgspec.json.decode(each, type=_Named).mailbox, each) for each in entries]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidAnswer("the answer has no list of mailboxes") from None
    told: dict[str, list[msgspec.Raw]] = {}
    for name, entry in named:
        told.setdefault(name.casefold(), []).append(entry)
    return [_mailbox(one, told.get(one.casefold(), [])) for one in mailboxes]


def _mailbox(name: str, entries: list[msgspec.Raw]) -> MailboxAnswer:
    if not entries:
        return MailboxAnswer(name, error=FAILED)
    try:
        if len(entries) > 1:
            raise InvalidAnswer("the mailbox is told of twice")
        told = msgspec.json.decode(entries[0], type=_Mailbox)
        if (told.error is None) == (told.events is None):
            raise InvalidAnswer("neither events nor an error, or both")
        if told.error is not None:
            return MailboxAnswer(name, error=_ERRORS.get(told.error, FAILED))
        events = tuple(_event(each) for each in told.events or ())
        hours = _hours(told.working_hours) if told.working_hours is not None else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return MailboxAnswer(name, error=INVALID_ANSWER)
    return MailboxAnswer(name, events, hours)


def _event(given: _Event) -> Event:
    start, end = _time(given.start_time), _time(given.end_time)
    if end < start:
        raise InvalidAnswer("an event ends before it begins")
    told = given.details
    details = None
    if told is not None:
        details = Details(
            told.subject,
            told.location,
            told.instance_type,
            told.is_meeting,
            told.is_reminder_set,
            told.is_private,
        )
    return Event(start, end, given.busy_type, details)


def _time(text: str) -> int:
    """A time of RFC 3339 in UTC. Raises ValueError."""
    if _TIME.fullmatch(text) is None:
        raise ValueError("no time in UTC")
    moment = datetime.fromisoformat(text.upper().replace("-00:00", "+00:00"))
    return int(moment.timestamp() * 1000)


def _hours(given: _Hours) -> WorkingHours:
    zone = given.timezone
    if (zone.standard_time is None) != (zone.daylight_time is None):
        raise InvalidAnswer("one of standardTime and daylightTime")
    return WorkingHours(
        Zone(zone.name, zone.bias, _change(zone.standard_time), _change(zone.daylight_time)),
        tuple(
            Period(each.start_minutes, each.end_minutes, each.days)
            for each in given.working_periods
        ),
    )


def _change(given: _Change | None) -> Change | None:
    if given is None:
        return None
    return Change(
        given.offset,
        given.time,
        _MONTHS.index(given.month) + 1,
        _WEEKS.index(given.week) + 1,
        given.day_of_week,
    )
