"""The Date field of mail (RFC 5322 3.3 and 4.3), to and from seconds since 1970-01-01 UTC."""

from __future__ import annotations

import math
import re
import time
from datetime import date
from functools import lru_cache

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NUMBER = {name.lower(): n for n, name in enumerate(_MONTHS, 1)}
_ZONES = {
    "EST": -18000, "EDT": -14400, "CST": -21600, "CDT": -18000,
    "MST": -25200, "MDT": -21600, "PST": -28800, "PDT": -25200,
    "CET": 3600, "CEST": 7200, "MEZ": 3600, "MESZ": 7200, "JST": 32400,
}  # fmt: skip
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(
    r"\s*(?:[A-Za-z]{3,9}\.?\s*,?\s*)?"
    r"(\d{1,2})[\s-]+([A-Za-z]{3})[A-Za-z]{0,6}\.?[\s,-]+(\d{2,4})\s+"
    r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d{1,9})?)?\s*"
    r"(?:([+-])(\d\d):?(\d\d)|\(?([A-Za-z]{1,5})\b)?"
)


# What two digits may say: hours up to 24, seconds up to 60, as `_read` takes them.
_HOURS = {f"{number:02}": 3600 * number for number in range(25)}
_MINUTES = {f"{number:02}": 60 * number for number in range(60)}
_SECONDS = {f"{number:02}": number for number in range(61)}
_SPELT_LENGTH = 40
REMEMBERED = 512
"""This many days and offsets are kept read: mail of one hour tells few."""


def parse_date(value: str) -> int | None:
    """Return the seconds since 1970 that a Date value names, or None if it names none.

    Takes the obsolete forms too: no weekday, no seconds, two-digit years, zone names. A missing
    or unknown zone is read as UTC (RFC 5322 4.3). Looks at the first 100 characters only.
    """
    colon = value.find(":")
    # `... 2026 09:00:00 +0100`, as nearly all mail has it, without a pattern over the whole.
    if 3 < colon < _SPELT_LENGTH and value[colon - 3] == " " == value[colon + 6 : colon + 7]:
        hour = _HOURS.get(value[colon - 2 : colon])
        minute = _MINUTES.get(value[colon + 1 : colon + 3])
        second = _SECONDS.get(value[colon + 4 : colon + 6])
        offset = _offset(value[colon + 7 : colon + 12])
        if (
            value[colon + 3 : colon + 4] == ":"
            and hour is not None
            and minute is not None
            and second is not None
            and offset is not None
        ):
            midnight = _midnight(value[: colon - 2])
            return None if midnight is None else midnight + hour + minute + second - offset
    return _read(value)


@lru_cache(REMEMBERED)
def _midnight(day: str) -> int | None:
    return _read(day + "00:00:00 +0000")


@lru_cache(REMEMBERED)
def _offset(zone: str) -> int | None:
    """Seconds of a zone like +0100; None for what else there is."""
    digits = zone[1:]
    if len(digits) != 4 or zone[0] not in "+-" or not (digits.isascii() and digits.isdigit()):
        return None
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _read(value: str) -> int | None:
    match = _DATE.match(value[:100])
    if match is None:
        return None
    day, month_name, year_text, hour, minute, second, sign, zone_h, zone_m, zone = match.groups()
    month = _MONTH_NUMBER.get(month_name.lower())
    if month is None:
        return None
    year = int(year_text)
    if len(year_text) == 2:
        year += 2000 if year < 50 else 1900
    elif len(year_text) == 3:
        year += 1900
    try:
        days = date(year, month, int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 60:
        return None
    if sign:
        offset = int(zone_h) * 3600 + int(zone_m) * 60
        if sign == "-":
            offset = -offset
    else:
        offset = _ZONES.get(zone.upper(), 0) if zone else 0
    return days * 86400 + seconds - offset


def format_date(epoch: float) -> str:
    """Return `epoch` (seconds since 1970) as an RFC 5322 date-time in UTC, `+0000`."""
    return _format_second(math.floor(epoch))


@lru_cache(maxsize=8)
def _format_second(epoch: int) -> str:
    t = time.gmtime(epoch)
    return (
        f"{_WEEKDAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04d} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
    )
