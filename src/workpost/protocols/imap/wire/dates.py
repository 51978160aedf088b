"""Dates of IMAP (RFC 3501 section 9, `date` and `date-time`)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.tokens import Cursor

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER_OF = {name.upper().encode(): number for number, name in enumerate(_MONTHS, 1)}
_DATE = re.compile(
    rb'"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})"|([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})'
)
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4})'
    rb' ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_EPOCH_ORDINAL = 719_163
_LAST_DAY = date.max.toordinal() - _EPOCH_ORDINAL
_FIRST_DAY = date.min.toordinal() - _EPOCH_ORDINAL


def read_date(cursor: Cursor) -> date:
    """Read a search date such as 1-Feb-1994, quoted or not."""
    found = cursor.match(_DATE, "date")
    day, month, year = (
        (found[1], found[2], found[3]) if found[1] else (found[4], found[5], found[6])
    )
    try:
        return date(int(year), _month(month), int(day))
    except ValueError:
        raise WireError("Invalid date") from None


def read_date_time(cursor: Cursor) -> int:
    """Read a date-time such as "17-Jul-1996 02:44:25 -0700"; return seconds of the Unix epoch."""
    found = cursor.match(_DATE_TIME, "date and time")
    offset = timedelta(hours=int(found[8]), minutes=int(found[9]))
    try:
        zone = timezone(-offset if found[7] == b"-" else offset)
        moment = datetime(
            int(found[3]),
            _month(found[2]),
            int(found[1]),
            int(found[4]),
            int(found[5]),
            min(int(found[6]), 59) if found[6] == b"60" else int(found[6]),
            tzinfo=zone,
        )
    except ValueError:
        raise WireError("Invalid date and time") from None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def internal_date(seconds: int) -> bytes:
    """Write seconds of the Unix epoch as a quoted date-time in UTC, years 1 to 9999."""
    days, rest = divmod(seconds, 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return b'%b%02d:%02d:%02d +0000"' % (_day(days), hour, minute, second)


@lru_cache(maxsize=4_096)
def _day(days: int) -> bytes:
    day = date.fromordinal(_EPOCH_ORDINAL + min(max(days, _FIRST_DAY), _LAST_DAY))
    return b'"%2d-%b-%04d ' % (day.day, _MONTHS[day.month - 1].encode(), day.year)


def _month(name: bytes) -> int:
    try:
        return _NUMBER_OF[name.upper()]
    except KeyError:
        raise ValueError(name) from None
