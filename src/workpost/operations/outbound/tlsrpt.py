"""What is told to other domains about TLS towards them (RFC 8460): counters, and the report."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from workpost.operations.outbound.tls_policy import Kind, TlsPolicy

DAY = 86_400_000
MAX_ROWS = 20_000
"""Policies of a day that a process counts, and failures of one policy: then no new ones."""
MAX_FAILURES = 100
DAYS = 3
"""Days that are kept: today, and those whose report is not written yet."""


class Failure(msgspec.Struct, frozen=True):
    """Sessions that failed in the same way (RFC 8460 4.3)."""

    result: str
    sending_ip: str = ""
    host: str = ""
    receiving_ip: str = ""


class _Row(msgspec.Struct):
    good: int = 0
    bad: int = 0
    failures: dict[Failure, int] = msgspec.field(default_factory=dict)


_Key = tuple[str, Kind, tuple[str, ...], tuple[str, ...]]


class TlsReports:
    """Counts sessions by day (UTC), domain and policy; one for each process."""

    def __init__(self) -> None:
        self._days: dict[int, dict[_Key, _Row]] = {}

    def count(self, now: int, domain: str, policy: TlsPolicy, failure: Failure | None) -> None:
        """Count one session; `now` in milliseconds. The operator's own policies are nobody's."""
        if not policy.kind:
            return
        day = now // DAY
        for old in [each for each in self._days if each <= day - DAYS]:
            del self._days[old]
        rows = self._days.setdefault(day, {})
        key = (domain, policy.kind, policy.lines, policy.mx)
        if key not in rows and len(rows) >= MAX_ROWS:
            return
        row = rows.setdefault(key, _Row())
        if failure is None:
            row.good += 1
            return
        row.bad += 1
        if failure in row.failures or len(row.failures) < MAX_FAILURES:
            row.failures[failure] = row.failures.get(failure, 0) + 1

    def domains(self, day: int) -> list[str]:
        """The domains that something was counted for on a day (days since the epoch)."""
        return sorted({key[0] for key in self._days.get(day, {})})

    def report(
        self, day: int, domain: str, *, organization: str, contact: str, report_id: str
    ) -> dict[str, Any]:
        """The report of a day about a domain, as JSON has it (RFC 8460 4.4)."""
        rows = {key: row for key, row in self._days.get(day, {}).items() if key[0] == domain}
        start = dt.datetime.fromtimestamp(day * DAY / 1000, dt.UTC)
        end = start + dt.timedelta(days=1, seconds=-1)
        return {
            "organization-name": organization,
            "date-range": {
                "start-datetime": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "end-datetime": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "contact-info": contact,
            "report-id": report_id,
            "policies": [_policy(key, row) for key, row in rows.items()],
        }


def _policy(key: _Key, row: _Row) -> dict[str, Any]:
    domain, kind, lines, mx = key
    policy: dict[str, Any] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        policy["policy-string"] = list(lines)
    if mx:
        policy["mx-host"] = list(mx)
    return {
        "policy": policy,
        "summary": {
            "total-successful-session-count": row.good,
            "total-failure-session-count": row.bad,
        },
        "failure-details": [_failure(each, count) for each, count in row.failures.items()],
    }


def _failure(failure: Failure, count: int) -> dict[str, Any]:
    details: dict[str, Any] = {"result-type": failure.result}
    if failure.sending_ip:
        details["sending-mta-ip"] = failure.sending_ip
    if failure.host:
        details["receiving-mx-hostname"] = failure.host
    if failure.receiving_ip:
        details["receiving-ip"] = failure.receiving_ip
    return {**details, "failed-session-count": count}
