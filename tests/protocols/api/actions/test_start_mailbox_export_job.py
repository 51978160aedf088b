"""StartMailboxExportJob over HTTP: what it refuses, and the object in S3."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import boto3

from tests.support.api_server import ApiServer, Tenant, refused
from tests.support.exports import Exporter, key_arn, names, role_arn
from tests.support.mailboxes import log_in, message
from tests.support.moto import MotoServer
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages


def put(api: ApiServer, person: str, raw: bytes) -> None:
    """A message in somebody's INBOX."""

    async def append() -> None:
        grant = await log_in(api.core, person)
        folder = await mailboxes.find_folder(api.core, grant, "INBOX")
        await messages.append(api.core, grant, folder.id, raw)

    api.run(append())


def test_an_export_lies_in_the_bucket_encrypted_with_the_key(
    api: ApiServer, exporter: Exporter, demo: Tenant, moto_server: MotoServer
) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="exports-of-demo")
    exporter.map("s3 exports-of-demo")
    demo.user("ada")
    raws = [message("One"), message("Two", size=9_000_000)]
    for raw in raws:
        put(api, "ada@demo.test", raw)
    job = exporter.start("ada@demo.test", Description="for the auditors")
    assert exporter.describe(job)["State"] == "RUNNING"
    assert api.work() == 1
    told = exporter.describe(job)
    assert told["State"] == "COMPLETED"
    assert told["S3Path"] == f"mail/2026/{job}.zip"
    log_path = f"mail/2026/{job}.json"
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="exports-of-demo")["Contents"]]
    assert keys == [log_path, told["S3Path"]]
    for name in keys:
        head = s3.head_object(Bucket="exports-of-demo", Key=name)
        encryption = (head["ServerSideEncryption"], head["SSEKMSKeyId"])
        assert encryption == ("aws:kms", key_arn(demo.account))
    body = s3.get_object(Bucket="exports-of-demo", Key=told["S3Path"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.read("INBOX/0000000001.eml") == raws[0]
        assert archive.read("INBOX/0000000002.eml") == raws[1]
    log = json.loads(s3.get_object(Bucket="exports-of-demo", Key=log_path)["Body"].read())
    assert log["sha384Hash"] == hashlib.sha384(body).hexdigest()
    assert log["totalMessages"] == "2"
    assert s3.list_multipart_uploads(Bucket="exports-of-demo").get("Uploads", []) == []


def test_a_bucket_that_is_mapped_and_not_there_fails_the_job(
    api: ApiServer, exporter: Exporter, demo: Tenant, moto_server: MotoServer
) -> None:
    exporter.map("s3 nowhere")
    demo.user("ada")
    job = exporter.start()
    api.work()
    told = exporter.describe(job)
    assert told["State"] == "FAILED"
    assert "nowhere: NoSuchBucket" in told["ErrorInfo"]
    assert told["EndTime"] >= told["StartTime"]


def test_users_and_resources_have_mailboxes_groups_have_none(
    exporter: Exporter, demo: Tenant
) -> None:
    ada, room = demo.user("ada"), demo.resource("room")
    demo.group("everyone")
    demo.user("off", enabled=False)
    assert exporter.describe(exporter.start("ADA@demo.test"))["EntityId"] == ada
    assert exporter.describe(exporter.start("room"))["EntityId"] == room
    for entity in ("everyone", "off", "nobody"):
        code, text = refused(exporter.start, entity)
        assert (code, entity in text) == ("EntityNotFoundException", True)


def test_a_mailbox_of_somebody_who_left_can_be_exported(
    api: ApiServer, exporter: Exporter, demo: Tenant
) -> None:
    ada = demo.user("ada")
    put(api, "ada@demo.test", message("One"))
    demo("DeregisterFromWorkMail", EntityId=ada)
    job = exporter.start(ada)
    api.work()
    assert exporter.describe(job)["State"] == "COMPLETED"


def test_names_of_others_do_not_exist(
    api: ApiServer, exporter: Exporter, demo: Tenant, other: Tenant
) -> None:
    demo.user("ada")
    other.user("eve")
    wrong: list[dict[str, Any]] = [
        {"S3BucketName": "others"},
        {"KmsKeyArn": key_arn(other.account)},
        {"RoleArn": role_arn(other.account)},
        {"S3Prefix": "../other"},
        {"S3Prefix": "/etc"},
    ]
    for changes in wrong:
        assert refused(exporter.start, **changes)[0] == "InvalidParameterException", changes
    # The mapping is of the account of `demo`, not of the other one.
    answer = refused(other, "StartMailboxExportJob", EntityId="eve", **names(other.account))
    assert answer[0] == "InvalidParameterException"
    values = {**names(demo.account), "RoleArn": role_arn(other.account)}
    answer = refused(other, "StartMailboxExportJob", EntityId="eve", **values)
    assert answer[0] == "InvalidParameterException"
    assert demo("ListMailboxExportJobs")["Jobs"] == []


def test_a_repeated_call_answers_with_the_same_job(exporter: Exporter, demo: Tenant) -> None:
    demo.user("ada")
    first = exporter.start(ClientToken="one-call")
    assert exporter.start(ClientToken="one-call") == first
    code, text = refused(exporter.start, ClientToken="one-call", S3Prefix="elsewhere")
    assert (code, "ClientToken" in text) == ("InvalidParameterException", True)
    assert len(demo("ListMailboxExportJobs")["Jobs"]) == 1


def test_a_mailbox_is_exported_once_in_24_hours(
    api: ApiServer, exporter: Exporter, demo: Tenant
) -> None:
    demo.user("ada")
    exporter.start()
    api.work()
    code, text = refused(exporter.start)
    assert (code, "24 hours" in text) == ("LimitExceededException", True)
    assert len(demo("ListMailboxExportJobs")["Jobs"]) == 1
    exporter.limit(export_hours=0)
    exporter.start()


def test_an_organization_runs_so_many_exports_at_once(
    api: ApiServer, exporter: Exporter, demo: Tenant
) -> None:
    exporter.limit(exports_running=2)
    for name in ("ada", "grace", "barbara"):
        demo.user(name)
    exporter.start("ada")
    exporter.start("grace")
    assert refused(exporter.start, "barbara")[0] == "LimitExceededException"
    assert len(demo("ListMailboxExportJobs")["Jobs"]) == 2
    api.work()
    exporter.start("barbara")
