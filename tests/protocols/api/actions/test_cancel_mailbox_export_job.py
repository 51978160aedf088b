"""CancelMailboxExportJob: a running export ends, one that has ended stays as it is."""

from __future__ import annotations

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.exports import Exporter


def test_a_running_job_is_cancelled(api: ApiServer, exporter: Exporter, demo: Tenant) -> None:
    demo.user("ada")
    job = exporter.start()
    demo("CancelMailboxExportJob", JobId=job)
    told = exporter.describe(job)
    assert told["State"] == "CANCELLED"
    assert told["EndTime"] >= told["StartTime"]
    assert "ErrorInfo" not in told
    demo("CancelMailboxExportJob", JobId=job)
    api.work()
    assert exporter.describe(job) == told
    bucket = api.core.settings.outside_dir / "s3" / demo.account
    assert [path for path in bucket.rglob("*") if path.is_file()] == []


def test_a_complete_job_stays_complete(api: ApiServer, exporter: Exporter, demo: Tenant) -> None:
    demo.user("ada")
    job = exporter.start()
    api.work()
    told = exporter.describe(job)
    demo("CancelMailboxExportJob", JobId=job)
    assert exporter.describe(job) == told


def test_a_token_belongs_to_one_job(exporter: Exporter, demo: Tenant) -> None:
    demo.user("ada")
    demo.user("grace")
    first, second = exporter.start("ada"), exporter.start("grace")
    for _ in range(2):
        demo("CancelMailboxExportJob", JobId=first, ClientToken="one-call")
    code, _ = refused(demo, "CancelMailboxExportJob", JobId=second, ClientToken="one-call")
    assert code == "InvalidParameterException"
    assert exporter.describe(second)["State"] == "RUNNING"


def test_jobs_of_others_are_not_found(exporter: Exporter, demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    job = exporter.start()
    for unknown in (job, "no-such-job"):
        code, _ = refused(other, "CancelMailboxExportJob", JobId=unknown)
        assert code == "EntityNotFoundException"
    assert exporter.describe(job)["State"] == "RUNNING"
