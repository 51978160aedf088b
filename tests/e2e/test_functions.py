"""A function beside a running server: the API over TLS, as it is found without any setting."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import MakeServer
from tests.support.server import command_line

CODE = """
import boto3

def handler(event, context):
    client = boto3.client("workmail")
    found = client.list_users(OrganizationId=event["organization"])["Users"]
    boto3.client("s3").put_object(Bucket="updates", Key="names", Body=b"kept")
    return sorted(each["Name"] for each in found if each["UserRole"] == "USER")
"""


def test_a_function_asks_a_server_that_has_https_only(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    demo = json.loads((server.data / "demo.json").read_text())
    account, organization = demo["account_id"], demo["organization_id"]
    server.stop()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(CODE)
    arn = f"arn:aws:lambda:us-east-1:{account}:function:names"
    settings = tmp_path / "workpost.toml"
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
    (server.data / "outside" / "s3" / account / "updates").mkdir(parents=True)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"organization": organization}))
    serving = make_server("data", "--config", str(settings))
    serving.start()
    asked = ["lambda", "invoke", organization, arn, "--event", str(event)]
    done = command_line(*asked, "--data", str(server.data), "--config", str(settings))
    assert done.returncode == 0, done.stderr
    assert "ada" in json.loads(done.stdout)
    kept = server.data / "outside" / "s3" / account / "updates" / "names"
    assert kept.read_bytes() == b"kept"
