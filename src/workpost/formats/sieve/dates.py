"""Parts of dates (RFC 5260 4.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from workpost.formats.dates import parse_date

_ZONE = re.compile(r"([+-])([0-9]{2})([0-9]{2})")
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_JULIAN_OF_UNIX = 40_587
"""The modified Julian day of 1970-01-01."""


def offset_of(zone: str) -> int | None:
    """Minutes of a zone such as +0100; None for what is none."""
    found = _ZONE.fullmatch(zone.strip())
    if found is None or int(found[3]) > 59 or int(found[2]) > 23:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def original_zone(value: str) -> int:
    """Minutes of the zone that a date is written with; 0 where it has none."""
    for word in reversed(value.split()):
        offset = offset_of(word)
        if offset is not None:
            return offset
    return 0


def read_date(value: str) -> datetime | None:
    """The moment of a header field's date; what stands before the last ";" is no part of it."""
    epoch = parse_date(value.rpartition(";")[2].strip())
    if epoch is None:
        return None
    try:
        return _UNIX + timedelta(seconds=epoch)
    except OverflowError:
        return None


def fixed(minutes: int) -> tzinfo:
    """The zone that is always so many minutes east of UTC."""
    return timezone(timedelta(minutes=minutes))


def part_of(moment: datetime, part: str, within: tzinfo) -> str | None:
    """A part of a moment in a zone; None for an unknown part or what no calendar has."""
    try:
        local = moment.astimezone(within)
    except (OverflowError, ValueError):
        return None
    # Before there were zones, towns were seconds apart.
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    zone = f"{sign}{size // 60:02}{size % 60:02}"
    days = (local.date() - _UNIX.date()).days
    parts = {
        "year": f"{local.year:04}",
        "month": f"{local.month:02}",
        "day": f"{local.day:02}",
        "date": f"{local:%Y-%m-%d}",
        "julian": str(days + _JULIAN_OF_UNIX),
        "hour": f"{local.hour:02}",
        "minute": f"{local.minute:02}",
        "second": f"{local.second:02}",
        "time": f"{local:%H:%M:%S}",
        "iso8601": f"{local:%Y-%m-%dT%H:%M:%S}{zone[:3]}:{zone[3:]}",
        "std11": _std11(local, zone),
        "zone": zone,
        "weekday": str(local.isoweekday() % 7),
    }
    return parts.get(part.lower())


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _std11(local: datetime, zone: str) -> str:
    day = _DAYS[local.weekday()]
    month = _MONTHS[local.month - 1]
    return f"{day}, {local.day:02} {month} {local.year:04} {local:%H:%M:%S} {zone}"
