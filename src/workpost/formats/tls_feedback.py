"""TLS reports as domains get them: the JSON of RFC 8460 4.4."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from workpost.formats.mime.report_mail import ReportHead

MAX_FAILURES = 100
"""Ways to fail that one policy's sessions are told of, those that happened most often."""


class Failure(msgspec.Struct, frozen=True):
    """Sessions that failed in the same way (RFC 8460 4.3)."""

    result: str
    sending_ip: str = ""
    host: str = ""
    receiving_ip: str = ""


class Seen(msgspec.Struct, frozen=True):
    """Sessions that are told together: under one policy, good or failed in one way.

    `kind` is the type of the policy (RFC 8460 4.2), `lines` are its strings, `mx` its hosts.
    """

    kind: str
    lines: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    failure: Failure | None = None


def write_feedback(head: ReportHead, rows: Iterable[tuple[Seen, int]]) -> bytes:
    """The document; `rows` are what was seen and how often, most often first."""
    policies: dict[tuple[str, tuple[str, ...], tuple[str, ...]], _Policy] = {}
    for seen, count in rows:
        policies.setdefault((seen.kind, seen.lines, seen.mx), _Policy()).add(seen.failure, count)
    return msgspec.json.encode(
        {
            "organization-name": head.organization,
            "date-range": {
                "start-datetime": _moment(head.begin),
                "end-datetime": _moment(head.end),
            },
            "contact-info": head.contact,
            "report-id": head.report_id,
            "policies": [
                {"policy": _described(head.domain, *key), **policy.told()}
                for key, policy in policies.items()
            ],
        }
    )


class _Policy:
    """The sessions under one policy."""

    def __init__(self) -> None:
        self._good = 0
        self._bad = 0
        self._failures: list[tuple[Failure, int]] = []

    def add(self, failure: Failure | None, count: int) -> None:
        if failure is None:
            self._good += count
            return
        self._bad += count
        if len(self._failures) < MAX_FAILURES:
            self._failures.append((failure, count))

    def told(self) -> dict[str, Any]:
        return {
            "summary": {
                "total-successful-session-count": self._good,
                "total-failure-session-count": self._bad,
            },
            "failure-details": [_failure(each, count) for each, count in self._failures],
        }


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _described(
    domain: str, kind: str, lines: tuple[str, ...], mx: tuple[str, ...]
) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        policy["policy-string"] = list(lines)
    if mx:
        policy["mx-host"] = list(mx)
    return policy


def _failure(failure: Failure, count: int) -> dict[str, Any]:
    details: dict[str, Any] = {"result-type": failure.result}
    if failure.sending_ip:
        details["sending-mta-ip"] = failure.sending_ip
    if failure.host:
        details["receiving-mx-hostname"] = failure.host
    if failure.receiving_ip:
        details["receiving-ip"] = failure.receiving_ip
    return {**details, "failed-session-count": count}
