"""TLS reports as JSON (RFC 8460 4.4)."""

from __future__ import annotations

import json
from typing import Any

from workpost.formats.mime.report_mail import ReportHead
from workpost.formats.tls_feedback import MAX_FAILURES, Failure, Seen, write_feedback

HEAD = ReportHead(
    organization="mx.demo.test",
    contact="postmaster@demo.test",
    report_id="5065427c",
    begin=1_459_468_800,
    end=1_459_555_199,
    domain="example.test",
)
LINES = ("version: STSv1", "mode: testing", "mx: *.mail.example.test", "max_age: 86400")


def write(*rows: tuple[Seen, int]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_feedback(HEAD, rows))
    return found


def test_a_report_has_the_shape_of_the_rfcs_example() -> None:
    expired = Failure("certificate-expired", "2001:db8:abcd::1", "mx1.mail.example.test")
    without = Failure("starttls-not-supported", "192.0.2.7", "mx2.mail.example.test", "203.0.113.9")
    sts = {"kind": "sts", "lines": LINES, "mx": ("*.mail.example.test",)}
    report = write(
        (Seen(**sts), 5326),
        (Seen(**sts, failure=without), 200),
        (Seen(**sts, failure=expired), 100),
        (Seen("no-policy-found"), 1),
    )
    assert report == {
        "organization-name": "mx.demo.test",
        "date-range": {
            "start-datetime": "2016-04-01T00:00:00Z",
            "end-datetime": "2016-04-01T23:59:59Z",
        },
        "contact-info": "postmaster@demo.test",
        "report-id": "5065427c",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-domain": "example.test",
                    "policy-string": list(LINES),
                    "mx-host": ["*.mail.example.test"],
                },
                "summary": {
                    "total-successful-session-count": 5326,
                    "total-failure-session-count": 300,
                },
                "failure-details": [
                    {
                        "result-type": "starttls-not-supported",
                        "sending-mta-ip": "192.0.2.7",
                        "receiving-mx-hostname": "mx2.mail.example.test",
                        "receiving-ip": "203.0.113.9",
                        "failed-session-count": 200,
                    },
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "2001:db8:abcd::1",
                        "receiving-mx-hostname": "mx1.mail.example.test",
                        "failed-session-count": 100,
                    },
                ],
            },
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "example.test"},
                "summary": {
                    "total-successful-session-count": 1,
                    "total-failure-session-count": 0,
                },
                "failure-details": [],
            },
        ],
    }


def test_hosts_that_fail_in_ever_new_ways_are_bounded() -> None:
    failures = [Failure("validation-failure", host=f"mx{n}.test") for n in range(2 * MAX_FAILURES)]
    (found,) = write(*((Seen("sts", failure=each), 1) for each in failures))["policies"]
    assert len(found["failure-details"]) == MAX_FAILURES
    assert found["summary"]["total-failure-session-count"] == 2 * MAX_FAILURES
