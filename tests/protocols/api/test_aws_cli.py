"""The AWS CLI as a program of its own: its commands, its pages, and how it tells an error."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import ApiServer
from tests.support.directories import PASSWORD
from tests.support.server import AWS
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.settings import Settings

REFUSED = 254, 255
"""Exit codes of a service's refusal: of version 2 and 1.22, and of those before."""


class CommandLine:
    """`aws workmail` with the keys of an account, on an organization."""

    def __init__(self, api: ApiServer, home: Path) -> None:
        key = api.run(create_access_key(api.core, api.run(create_account(api.core))))
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": api.url,
            "AWS_MAX_ATTEMPTS": "1",
        }
        self.organization = self("create-organization", "--alias", "demo")["OrganizationId"]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AWS, "workmail", *args, "--output", "json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *args: str) -> Any:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def on(self, command: str, *args: str) -> Any:
        """A command on the organization."""
        return self(command, "--organization-id", self.organization, *args)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    folder = tmp_path_factory.mktemp("cli")
    server = ApiServer(Settings(data_dir=str(folder / "data")))
    yield CommandLine(server, folder)
    server.close()


def test_a_user_from_creation_to_deletion(aws: CommandLine) -> None:
    names = ("--name", "ada", "--display-name", "Ada", "--password", PASSWORD)
    user = aws.on("create-user", *names)["UserId"]
    entity = ("--entity-id", user)
    assert aws.on("register-to-work-mail", *entity, "--email", "ada@demo.test") == {}
    assert aws.on("create-alias", *entity, "--alias", "countess@demo.test") == {}
    assert aws.on("list-aliases", *entity) == {"Aliases": ["countess@demo.test"]}
    aws.on(
        "update-user", "--user-id", user, "--city", "London", "--hidden-from-global-address-list"
    )
    told = aws.on("describe-user", "--user-id", "ada@demo.test")
    assert (told["State"], told["City"]) == ("ENABLED", "London")
    assert told["HiddenFromGlobalAddressList"] is True
    aws.on("deregister-from-work-mail", *entity)
    assert aws.on("delete-user", "--user-id", user) == {}


def test_pages_go_on_where_they_ended(aws: CommandLine) -> None:
    made = [aws.on("create-group", "--name", name)["GroupId"] for name in ("one", "three", "two")]
    first = aws.on("list-groups", "--max-items", "2")
    rest = aws.on("list-groups", "--max-items", "2", "--starting-token", first["NextToken"])
    assert [len(first["Groups"]), len(rest["Groups"])] == [2, 1]
    assert [group["Id"] for group in first["Groups"] + rest["Groups"]] == made
    assert "NextToken" not in rest
    small = aws.on("list-groups", "--page-size", "1", "--query", "Groups[].Name")
    assert small == ["one", "three", "two"]


def test_structures_and_lists(aws: CommandLine) -> None:
    user = aws.on("create-user", "--name", "grace", "--display-name", "Grace")["UserId"]
    rule = ("--name", "office", "--effect", "DENY", "--description", "x", "--actions", "IMAP")
    aws.on("put-access-control-rule", *rule, "--not-ip-ranges", "192.0.2.0/24")
    access = ("--ip-address", "198.51.100.7", "--action", "IMAP", "--user-id", user)
    told = aws.on("get-access-control-effect", *access)
    assert told == {"Effect": "DENY", "MatchedRules": ["office"]}
    arn = aws.on("describe-organization")["ARN"]
    aws("tag-resource", "--resource-arn", arn, "--tags", "Key=team,Value=blue")
    tags = aws("list-tags-for-resource", "--resource-arn", arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]


def test_an_error_is_told_by_exit_code_and_text(aws: CommandLine) -> None:
    done = aws.run("describe-user", "--organization-id", aws.organization, "--user-id", "nobody")
    assert done.returncode in REFUSED
    assert done.stdout == ""
    assert (
        "An error occurred (EntityNotFoundException) when calling the DescribeUser operation: "
        in done.stderr
    )
