"""A whole server over a real OpenLDAP: people log in with their passwords of the directory."""

from __future__ import annotations

import asyncio
import imaplib
import json
import smtplib
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.server import Server, command_line, compose
from tests.support.slapd import Slapd, Tree
from workpost.domain.access.accounts import create_access_key, create_account
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

pytestmark = pytest.mark.peer("slapd")

DIRECTORY = "d-0123456789"
FIRST, SECOND = "Enchantress-of-Numbers", "Analytical-Engine"


async def new_account(data: Path) -> tuple[str, tuple[str, str]]:
    """The id of a fresh account and an access key of it."""
    async with attached_core(Settings(data_dir=str(data)), SystemEnvironment()) as core:
        account = await create_account(core)
        key = await create_access_key(core, account)
        return account, (key.access_key_id, key.secret_access_key)


def until(work: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value of `work`."""
    deadline = time.monotonic() + seconds
    while not (value := work()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return value


class House:
    """A server whose one organization is read from the tree `open`."""

    def __init__(self, slapd: Slapd, folder: Path) -> None:
        self.tree = Tree(slapd, "open")
        self.slapd = slapd
        self.data = folder / "data"
        self.config = folder / "workpost.toml"
        account, key = asyncio.run(new_account(self.data))
        self.config.write_text(slapd.toml(DIRECTORY, "open", account))
        front_ends = {"WORKPOST_PROCESSES__FRONT_ENDS": "1"}
        self.server = Server(self.data, "--config", str(self.config), demo=False, env=front_ends)
        self.server.start()
        self.client = self.server.aws(key=key)
        self.organization = self.client.create_organization(
            Alias="lovelace", DirectoryId=DIRECTORY
        )["OrganizationId"]
        until(lambda: self("describe_organization")["State"] == "Active")

    def __call__(self, action: str, **parameters: Any) -> Any:
        return getattr(self.client, action)(OrganizationId=self.organization, **parameters)

    def names(self) -> set[str]:
        return {user["Name"] for user in self("list_users")["Users"]}

    def command(self, verb: str, *options: str) -> str:
        done = command_line(
            "directory", verb, self.organization, *options, "--data", str(self.data),
            "--config", str(self.config),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def health(self) -> str:
        url = self.server.told["api"] + "/healthz"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode().strip())


@pytest.fixture
def house(slapd: Slapd, tmp_path: Path) -> Iterator[House]:
    tree = Tree(slapd, "open")
    tree.person("ada", FIRST)
    tree.person("two words")
    made = House(slapd, tmp_path)
    yield made
    made.server.kill()


def test_people_of_a_directory(house: House) -> None:
    """Appear, are registered, log in, change the password, outlive an outage, and leave."""
    ada = house.tree.dn("ada")
    assert house.names() == {"ada"}
    address = "ada@lovelace.test"
    house("register_to_work_mail", EntityId="ada", Email=address)
    with house.server.smtp(address, FIRST) as client:
        client.send_message(compose(address, address, "To myself"))
    with house.server.imap(address, FIRST) as client:
        assert client.select("INBOX") == ("OK", [b"1"])
    assert house.health() == "ok"

    house.tree.change(ada, userPassword=SECOND)
    with house.server.imap(address, SECOND) as client, house.server.smtp(address, SECOND):
        assert client.select("INBOX") == ("OK", [b"1"])
    for wrong in (FIRST, "*", "nothing at all"):
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            enter(house.server.imap(address, wrong))
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            enter(house.server.smtp(address, wrong))
        assert refused.value.smtp_code == 535

    house.slapd.stop()
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        enter(house.server.imap(address, SECOND))
    with pytest.raises(smtplib.SMTPAuthenticationError) as later:
        enter(house.server.smtp(address, SECOND))
    assert later.value.smtp_code == 454
    with pytest.raises(ClientError, match="DirectoryUnavailableException"):
        house("describe_user", UserId="ada")
    until(lambda: house.health() == "degraded")

    house.slapd.start()
    enter(house.server.smtp(address, SECOND))
    assert house("describe_user", UserId="ada")["State"] == "ENABLED"
    until(lambda: house.health() == "ok")

    with house.server.imap(address, SECOND) as client:
        client.select("INBOX")
        house.tree.remove(ada)
        with pytest.raises(imaplib.IMAP4.error):
            enter(house.server.imap(address, SECOND))
        assert client.noop()[0] == "OK", "until the directory is read"
        house.command("sync", "--full")
        until(lambda: house.names() == set())
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            until(lambda: client.noop()[0] != "OK", 3)
    told = json.loads(house.command("show"))
    assert (told["DirectoryId"], told["ErrorMessage"]) == (DIRECTORY, None)
    assert [problem["Name"] for problem in told["Problems"]] == [house.tree.dn("two words")]
    log = house.server.log.read_text()
    assert FIRST not in log
    assert SECOND not in log


def enter(client: Any) -> None:
    with client:
        pass
