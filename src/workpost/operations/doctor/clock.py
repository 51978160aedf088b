"""Is the clock right? Signatures, certificates and API calls depend on it."""

from __future__ import annotations

import asyncio
import datetime as dt
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from workpost.operations.doctor.patient import (
    NEEDS_ONLINE,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
    warning,
)
from workpost.operations.doctor.probing import (
    SECONDS,
    Unexpected,
    connected,
    read_headers,
    read_line,
)

OFF = 30.0
FAR_OFF = 300.0
"""Seconds; API calls are refused beyond five minutes."""
ADVICE = "Run a time service: `timedatectl set-ntp true`, or install chrony."


async def check_clock(patient: Patient) -> list[Verdict]:
    """Compare it with the `Date` of a web server (RFC 9110 6.6.1)."""
    url = patient.settings.doctor.clock_url
    if not patient.online:
        return [skipped("clock", "", NEEDS_ONLINE)]
    try:
        async with asyncio.timeout(SECONDS):
            before = patient.now
            there = await _date(url)
            between = before + (patient.now - before) / 2
    except (OSError, TimeoutError, Unexpected, ValueError) as error:
        return [skipped("clock", url, f"the time could not be asked for: {error}")]
    off = abs((between - there).total_seconds())
    text = f"{off:.0f} s beside that of {urlsplit(url).hostname}"
    if off > FAR_OFF:
        return [failure("clock", "", text, ADVICE)]
    if off > OFF:
        return [warning("clock", "", text, ADVICE)]
    return [ok("clock", "", text)]


async def _date(url: str) -> dt.datetime:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    tls = host if parts.scheme == "https" else ""
    async with connected(host, port, tls) as (reader, writer):
        request = f"HEAD {parts.path or '/'} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        await read_line(reader)
        found = (await read_headers(reader)).get("date")
    if found is None:
        raise Unexpected("it tells no date")
    return parsedate_to_datetime(found).astimezone(dt.UTC)
