"""What is known of somebody's time: events, working hours, or why nothing is.

Times are milliseconds since the epoch. Error codes are those of EWS (ResponseCodeType).
"""

from __future__ import annotations

from typing import Literal

import msgspec

NOT_FOUND = "ErrorMailRecipientNotFound"
NOT_CONFIGURED = "ErrorAvailabilityConfigNotFound"
BUSY = "ErrorServerBusy"
TIMEOUT = "ErrorTimeoutExpired"
FAILED = "ErrorFreeBusyGenerationFailed"
INVALID_ANSWER = "ErrorResponseSchemaValidation"
ERRORS = frozenset({NOT_FOUND, NOT_CONFIGURED, BUSY, TIMEOUT, FAILED, INVALID_ANSWER})

Day = Literal["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
BusyType = Literal["FREE", "TENTATIVE", "BUSY", "OOF"]
Instance = Literal["SINGLE_INSTANCE", "RECURRING_INSTANCE", "EXCEPTION"]


class InvalidAnswer(ValueError):
    """The whole answer is not what it should be."""


class Window(msgspec.Struct, frozen=True):
    """From when to when is asked."""

    start: int
    end: int


class Details(msgspec.Struct, frozen=True):
    """What may be told of an event beside its time."""

    subject: str
    location: str
    instance: Instance
    is_meeting: bool
    is_reminder_set: bool
    is_private: bool


class Event(msgspec.Struct, frozen=True):
    """One event, whole even where only a part is in the window."""

    start: int
    end: int
    busy: BusyType
    details: Details | None = None


class Change(msgspec.Struct, frozen=True):
    """When a part of the year begins: the `week`th `day` (5: the last) of `month`, at `time`."""

    offset: int
    """Minutes to add to the zone's bias."""
    time: str
    month: int
    week: int
    day: Day


class Zone(msgspec.Struct, frozen=True):
    """A time zone; UTC is local time plus `bias` minutes. Both changes or neither."""

    name: str
    bias: int
    standard: Change | None = None
    daylight: Change | None = None


class Period(msgspec.Struct, frozen=True):
    """Hours of work on some days, in minutes from midnight."""

    start: int
    end: int
    days: tuple[Day, ...]


class WorkingHours(msgspec.Struct, frozen=True):
    """When somebody works."""

    zone: Zone
    periods: tuple[Period, ...]


class MailboxAnswer(msgspec.Struct, frozen=True):
    """What is known of one mailbox; with `error` (one of ERRORS) nothing is."""

    mailbox: str
    events: tuple[Event, ...] = ()
    hours: WorkingHours | None = None
    error: str = ""


class Requester(msgspec.Struct, frozen=True):
    """Who asks; `origin` is the IP address of the client, where it is known."""

    email: str
    user_name: str
    user_id: str
    origin: str = ""
