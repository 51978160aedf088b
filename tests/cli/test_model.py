"""`workpost model install`: boto3 and the AWS CLI know the console's actions afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import ApiServer
from tests.support.server import AWS
from workpost.cli.main import main
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.settings import Settings
from workpost.protocols.api.model import CONSOLE

BOTO = """
import json, sys, boto3
client = boto3.client("workmailconsole", endpoint_url=sys.argv[1])
policy = {"PasswordRequired": True, "MinimumPasswordLength": 8}
client.set_mobile_policy_details(OrganizationId=sys.argv[2], Policy=policy)
pages = client.get_paginator("search_members").paginate(
    OrganizationId=sys.argv[2], SearchText="a", PaginationConfig={"PageSize": 1}
)
try:
    client.wipe_mobile_device(OrganizationId=sys.argv[2], UserId="ada", DeviceId="D1")
except client.exceptions.ResourceNotFoundException as error:
    refusal = error.response["Error"]["Code"]
print(json.dumps([[each["Name"] for page in pages for each in page["Members"]], refusal]))
"""


class Client:
    """Programs with a home of their own, in which the model was installed."""

    def __init__(self, api: ApiServer, home: Path) -> None:
        account = api.run(create_account(api.core))
        key = api.run(create_access_key(api.core, account))
        self.url = api.url
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": api.url,
            "AWS_MAX_ATTEMPTS": "1",
        }
        client = api.signed_by(key.access_key_id, key.secret_access_key)
        self.organization: str = client.create_organization(Alias="demo")["OrganizationId"]
        for name in ("ada", "alan"):
            client.create_user(OrganizationId=self.organization, Name=name, DisplayName=name)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            args, env=self._environment, capture_output=True, text=True, timeout=60, check=False
        )

    def __call__(self, *args: str) -> Any:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def aws(self, command: str, *args: str) -> Any:
        """A command of the AWS CLI on the organization."""
        on = ("--organization-id", self.organization, "--output", "json")
        return self(str(AWS), CONSOLE, command, *on, *args)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        assert main(["model", "install"]) == 0
    server = ApiServer(Settings(data_dir=str(home / "data")))
    yield Client(server, home)
    server.close()


def test_boto3_knows_the_actions(client: Client) -> None:
    found = client(sys.executable, "-c", BOTO, client.url, client.organization)
    assert found == [["ada", "alan"], "ResourceNotFoundException"]


def test_the_aws_cli_knows_the_actions(client: Client) -> None:
    policy = "PasswordRequired=true,FailedAttemptsAllowed=8"
    assert client.aws("set-mobile-policy-details", "--policy", policy) == {}
    told = client.aws("get-mobile-policy-details")["Policy"]
    assert (told["PasswordRequired"], told["FailedAttemptsAllowed"]) == (True, 8)
    found = client.aws(
        "search-members", "--search-text", "A", "--page-size", "1", "--query", "Members[].Name"
    )
    assert found == ["ada", "alan"]
    done = client.run(AWS, CONSOLE, "wipe-mobile-device", "--organization-id", "m-1")
    assert "--user-id, --device-id" in done.stderr


def test_a_second_install_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    for _ in range(2):
        assert main(["model", "install", "--folder", str(folder)]) == 0
        told = json.loads(capsys.readouterr().out)
    assert told["Service"] == CONSOLE
    files = sorted(path.name for path in Path(told["Folder"]).iterdir())
    assert files == ["paginators-1.json", "service-2.json"]
    assert Path(told["Folder"]) == folder / CONSOLE / told["Version"]


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["model", "install", "--folder", str(tmp_path / "file")]) == 1
    assert "the model cannot be written" in capsys.readouterr().err
