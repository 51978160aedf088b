"""DescribeMailboxExportJob: from RUNNING to its end."""

from __future__ import annotations

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.exports import Exporter, key_arn, role_arn


def test_a_job_is_described_from_start_to_end(
    api: ApiServer, exporter: Exporter, demo: Tenant
) -> None:
    ada = demo.user("ada")
    job = exporter.start(Description="for the auditors")
    running = exporter.describe(job)
    started = running.pop("StartTime")
    wanted = {
        "EntityId": ada,
        "Description": "for the auditors",
        "RoleArn": role_arn(demo.account),
        "KmsKeyArn": key_arn(demo.account),
        "S3BucketName": "exports",
        "S3Prefix": "mail/2026",
        "S3Path": f"mail/2026/{job}.zip",
    }
    assert running == {**wanted, "State": "RUNNING", "EstimatedProgress": 0}
    api.work()
    ended = exporter.describe(job)
    assert ended.pop("StartTime") == started
    assert ended.pop("EndTime") >= started
    assert ended == {**wanted, "State": "COMPLETED", "EstimatedProgress": 100}


def test_jobs_of_others_are_not_found(exporter: Exporter, demo: Tenant, other: Tenant) -> None:
    demo.user("ada")
    job = exporter.start()
    for unknown in (job, "no-such-job"):
        code, _ = refused(other, "DescribeMailboxExportJob", JobId=unknown)
        assert code == "EntityNotFoundException"
