"""A mailbox export of a running server: kill -9 in its middle, and every message as IMAP has it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import sqlite3
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from imapclient import IMAPClient

from tests.e2e.conftest import MakeServer
from tests.support.exports import key_arn, mapped, names
from tests.support.moto import MotoServer
from tests.support.server import Server, compose

COPIES = 4
"""Doublings of a message of 2 MiB: 32 MiB in all."""


def wait_for(happened: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def fill(server: Server) -> None:
    server.send("grace", ["ada@demo.test"], compose("grace@demo.test", "ada@demo.test", "Hello"))
    with server.imapclient("ada") as client:
        client.create_folder("Projects")
        client.append("Projects", b"From: ada@demo.test\r\n\r\n" + os.urandom(2 << 20))
        client.select_folder("Projects")
        for _ in range(COPIES):
            client.copy(client.search("ALL"), "Projects")


def as_imap_has_it(client: IMAPClient) -> dict[str, str]:
    """Digests by the name that a message has in the zip."""
    found = {}
    for _, _, folder in client.list_folders():
        if folder.startswith("Other Users"):
            continue
        client.select_folder(folder, readonly=True)
        for uid in client.search("ALL"):
            raw = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
            found[f"{folder}/{uid:010}.eml"] = hashlib.sha256(raw).hexdigest()
    return found


def map_bucket(server: Server, config: Path) -> str:
    """Map the bucket while the server runs; returns the account."""
    account: str = server.account["account_id"]
    outside = mapped(account, "s3")
    lines = [
        f"{name} = {json.dumps(getattr(outside, name))}" for name in ("buckets", "keys", "roles")
    ]
    config.write_text("\n".join(["[outside]", *lines, ""]))
    os.kill(server.pid, signal.SIGHUP)
    return account


def test_an_export_survives_kill_9(
    make_server: MakeServer, moto_process: MotoServer, tmp_path: Path
) -> None:
    moto_process.reset()
    moto = moto_process.environment
    s3 = boto3.client(
        "s3",
        endpoint_url=moto_process.url,
        region_name=moto["AWS_REGION"],
        aws_access_key_id=moto["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=moto["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket="exports")
    config = tmp_path / "workpost.toml"
    config.write_text("")
    server = make_server(
        "data",
        "--config",
        str(config),
        env={**moto, "WORKPOST_PROCESSES__FRONT_ENDS": "1"},
    ).start()
    fill(server)
    account = map_bucket(server, config)
    organization = server.account["organization_id"]
    parameters = {**names(account), "OrganizationId": organization, "EntityId": "ada"}
    workmail = server.aws()

    def start() -> str:
        with contextlib.suppress(workmail.exceptions.InvalidParameterException):
            return str(workmail.start_mailbox_export_job(**parameters)["JobId"])
        return ""

    job = wait_for(start)

    def uploads() -> list[dict[str, Any]]:
        return list(s3.list_multipart_uploads(Bucket="exports").get("Uploads", []))

    def parts() -> list[dict[str, Any]]:
        return [
            part
            for each in uploads()
            for part in s3.list_parts(
                Bucket="exports", Key=each["Key"], UploadId=each["UploadId"]
            ).get("Parts", [])
        ]

    wait_for(parts)
    server.kill()
    [left] = uploads()
    assert "Contents" not in s3.list_objects_v2(Bucket="exports")
    # What would take the twenty seconds of the dead holder's lease.
    with contextlib.closing(sqlite3.connect(server.data / "store" / "workpost.db")) as database:
        database.execute("UPDATE job SET lease_until = 0")
        database.commit()
    server.start()
    workmail = server.aws()

    def describe() -> dict[str, Any]:
        told: dict[str, Any] = workmail.describe_mailbox_export_job(
            OrganizationId=organization, JobId=job
        )
        return told

    told = wait_for(lambda: (found := describe())["State"] != "RUNNING" and found)
    assert told["State"] == "COMPLETED", told
    assert uploads() == []
    assert left["Key"] == told["S3Path"]
    head = s3.head_object(Bucket="exports", Key=told["S3Path"])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key_arn(account))
    body = s3.get_object(Bucket="exports", Key=told["S3Path"])["Body"].read()
    log = json.loads(
        s3.get_object(Bucket="exports", Key=told["S3Path"].replace(".zip", ".json"))["Body"].read()
    )
    assert log["sha384Hash"] == hashlib.sha384(body).hexdigest()
    with server.imapclient("ada") as client:
        wanted = as_imap_has_it(client)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        exported = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/")
        }
    assert exported == wanted
    assert len(exported) > 2**COPIES
    assert log["totalMessages"] == str(len(exported))
