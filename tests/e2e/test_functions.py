"""A function beside a running server: the API over TLS, as it is found without any setting."""

from __future__ import annotations

import json
import os
import signal
import time
from email.policy import SMTP
from pathlib import Path

from tests.e2e.conftest import MakeServer
from tests.e2e.test_rule_functions import add_rule, subjects, until
from tests.support.functions import EXAMPLES
from tests.support.rule_functions import FUNCTION
from tests.support.server import Server, command_line, compose

READ_ANEW = "live settings and certificates were read anew"
CODE = """
import boto3

def handler(event, context):
    client = boto3.client("workmail")
    found = client.list_users(OrganizationId=event["organization"])["Users"]
    boto3.client("s3").put_object(Bucket="updates", Key="names", Body=b"kept")
    return sorted(each["Name"] for each in found if each["UserRole"] == "USER")
"""


def reload(server: Server) -> None:
    """Have the front ends read their settings again, and wait until they have."""
    before = server.log.read_text().count(READ_ANEW)
    fronts = len(os.sched_getaffinity(0))
    assert server.process is not None
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 30
    while server.log.read_text().count(READ_ANEW) < before + fronts:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_function_asks_a_server_that_has_https_only(
    make_server: MakeServer, tmp_path: Path
) -> None:
    settings = tmp_path / "workpost.toml"
    settings.write_text("[listeners]\nhttp = []\n")
    server = make_server("data", "--config", str(settings)).start()
    demo = json.loads((server.data / "demo.json").read_text())
    account, organization = demo["account_id"], demo["organization_id"]
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(CODE)
    arn = f"arn:aws:lambda:us-east-1:{account}:function:names"
    settings.write_text(
        f"""
[listeners]
http = []

[outside]
buckets = ["{account} updates folder"]

[[lambda.functions]]
arn = "{arn}"
accounts = ["{account}"]
kind = "callable"
path = "code"
handler = "app.handler"
actions = ["ListUsers"]
"""
    )
    reload(server)
    (server.data / "outside" / "s3" / account / "updates").mkdir(parents=True)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"organization": organization}))
    asked = ["lambda", "invoke", organization, arn, "--event", str(event)]
    done = command_line(*asked, "--data", str(server.data), "--config", str(settings))
    assert done.returncode == 0, done.stderr
    assert "ada" in json.loads(done.stdout)
    kept = server.data / "outside" / "s3" / account / "updates" / "names"
    assert kept.read_bytes() == b"kept"


def test_a_callable_changes_mail_between_smtp_and_imap(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """A synchronous rule runs an example, which puts other content over a bucket."""
    server = make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"})
    server.start().stop()
    account = server.account["account_id"]
    mapping = {
        "arn": FUNCTION,
        "accounts": [account],
        "kind": "callable",
        "path": str(EXAMPLES),
        "handler": "subject_tag.lambda_handler",
        "environment": [
            "SUBJECT_TAG=[EXTERNAL]",
            "DISCLAIMER=Take care.",
            "UPDATED_EMAIL_BUCKET=updates",
        ],
    }
    server.env["WORKPOST_LAMBDA__FUNCTIONS"] = json.dumps([mapping])
    server.env["WORKPOST_OUTSIDE__BUCKETS"] = f"{account} updates folder"
    (server.data / "outside" / "s3" / account / "updates").mkdir(parents=True)
    server.start()
    add_rule(server, "inbound")
    raw = compose("x@sender.example", "grace@demo.test", "hello").as_bytes(policy=SMTP)
    with server.smtp(listener="smtp") as client:
        client.sendmail("x@sender.example", ["grace@demo.test"], raw)
    until(lambda: "[EXTERNAL] hello" in subjects(server, "grace", "INBOX"), server)
    assert "hello" not in subjects(server, "grace", "INBOX")
    assert server.stop() == 0
