"""ListMailboxExportJobs: the last seven days, the newest first, in pages."""

from __future__ import annotations

import pytest

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.exports import Exporter
from workpost.domain.mailboxes import exports


def test_jobs_are_listed_in_pages_the_newest_first(
    api: ApiServer, exporter: Exporter, demo: Tenant, other: Tenant
) -> None:
    started = []
    for name in ("ada", "grace", "barbara"):
        demo.user(name)
        started.append(exporter.start(name))
    api.work()
    first = demo("ListMailboxExportJobs", MaxResults=2)
    second = demo("ListMailboxExportJobs", MaxResults=2, NextToken=first["NextToken"])
    assert "NextToken" not in second
    listed = first["Jobs"] + second["Jobs"]
    assert [job["JobId"] for job in listed] == started[::-1]
    described = exporter.describe(started[0])
    for name in ("RoleArn", "KmsKeyArn", "S3Prefix"):
        described.pop(name)
    assert listed[-1] == {"JobId": started[0], **described}
    assert other("ListMailboxExportJobs")["Jobs"] == []


def test_after_seven_days_a_job_is_not_listed(
    api: ApiServer, exporter: Exporter, demo: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.user("ada")
    job = exporter.start()
    api.work()
    monkeypatch.setattr(exports, "SHOWN_MS", -60_000)
    assert demo("ListMailboxExportJobs")["Jobs"] == []
    assert exporter.describe(job)["State"] == "COMPLETED"


def test_a_forged_token(demo: Tenant) -> None:
    code, _ = refused(demo, "ListMailboxExportJobs", NextToken="Zm9yZ2Vk")
    assert code == "InvalidParameterException"
