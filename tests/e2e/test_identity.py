"""Signing in through an identity provider, as people's mail clients meet it."""

from __future__ import annotations

import contextlib
import imaplib
import io
import json
import os
import smtplib
import time
import unittest.mock
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.oidc import CLIENT, INSTANCE
from tests.support.server import Server, compose
from workpost.cli.main import main

PASSWORD = "Correct-Horse-7-Battery"
UUID = "9f2d3c4b-1111-2222-3333-0123456789ab"
ADA = "ada@lovelace.test"
PROVIDER = """
[[identity.providers]]
account = "{account}"
instance_arn = "{instance}"
issuer = "https://id.example"
client_id = "{client}"
"""


class House:
    """An organization with the user ada, associated, made with boto3."""

    def __init__(self, server: Server, config: Path) -> None:
        self.server, self.config = server, config
        self.client = server.aws()
        self.organization = self.client.create_organization(Alias="lovelace")["OrganizationId"]
        self.ada = self(
            "create_user",
            Name="ada",
            DisplayName="Ada",
            Password=PASSWORD,
            IdentityProviderUserId=UUID,
        )["UserId"]
        self("register_to_work_mail", EntityId=self.ada, Email=ADA)

    def __call__(self, action: str, **parameters: Any) -> Any:
        return getattr(self.client, action)(OrganizationId=self.organization, **parameters)

    def put(self, application: str, mode: str, **tokens: Any) -> None:
        self(
            "put_identity_provider_configuration",
            AuthenticationMode=mode,
            IdentityCenterConfiguration={"InstanceArn": INSTANCE, "ApplicationArn": application},
            PersonalAccessTokenConfiguration={"Status": "ACTIVE", **tokens},
        )

    def token(self, *options: str) -> dict[str, Any]:
        """What the operator's command prints."""
        arguments = ("token", "create", self.organization, ADA, "--name", "phone", *options)
        made: dict[str, Any] = json.loads(self.command(*arguments))
        return made

    def command(self, *arguments: str) -> str:
        """What a command beside the server prints; in this process, which costs no start."""
        with (
            unittest.mock.patch.dict(os.environ, self.server.env),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            assert main([*arguments, "--data", str(self.server.data)]) == 0
        return printed.getvalue()

    def refuses(self, password: str) -> bool:
        """Whether neither IMAP nor submission takes the password."""
        with pytest.raises(imaplib.IMAP4.error), self.imap(password):
            pass
        with pytest.raises(smtplib.SMTPAuthenticationError), self.smtp(password):
            pass
        return True

    def imap(self, password: str) -> Any:
        return self.server.imap(ADA, password, listener="imaps")

    def smtp(self, password: str) -> Any:
        return self.server.smtp(ADA, password)


@pytest.fixture(scope="module")
def home(
    engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("identity")
    config = folder / "workpost.toml"
    config.write_text("")
    server = Server(folder / "data", "--config", str(config), env=engine_environment).start()
    yield House(server, config)
    server.kill()


@pytest.fixture(scope="module")
def application(home: House) -> str:
    """An application at an instance that came with SIGHUP."""
    server = home.server
    account = server.account["account_id"]
    home.config.write_text(PROVIDER.format(account=account, instance=INSTANCE, client=CLIENT))
    server.process.send_signal(1)
    deadline = time.monotonic() + 30
    while True:
        try:
            answer = home.client.create_identity_center_application(
                Name="mail", InstanceArn=INSTANCE
            )
            return str(answer["ApplicationArn"])
        except home.client.exceptions.InvalidParameterException:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def shut_out(client: Any) -> bool:
    """Whether an idling session hears BYE within two seconds."""
    client.sock.settimeout(2)
    heard = b""
    try:
        while piece := client.sock.recv(4096):
            heard += piece
    except TimeoutError:
        return False
    return b"* BYE" in heard


def idle(client: Any) -> Any:
    client.select("INBOX")
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")
    return client


def test_the_password_gives_way_to_the_token(home: House, application: str) -> None:
    home.put(application, "IDENTITY_PROVIDER_AND_DIRECTORY", LifetimeInDays=365)
    made = home.token()
    token = made["PersonalAccessToken"]
    for password in (PASSWORD, token):
        with home.imap(password) as client:
            assert client.select("INBOX")[0] == "OK"
    with home.imap(PASSWORD) as client:
        idle(client)
        home.put(application, "IDENTITY_PROVIDER_ONLY", LifetimeInDays=365)
        assert shut_out(client)
    assert home.refuses(PASSWORD)
    with home.smtp(token) as client:
        client.send_message(compose(ADA, ADA, "By token"))
    with home.imap(token) as client:
        client.select("INBOX")
        assert b"By token" in client.fetch("1", "(BODY[HEADER])")[1][0][1]
    metadata = home(
        "get_personal_access_token_metadata", PersonalAccessTokenId=made["PersonalAccessTokenId"]
    )
    assert metadata["UserId"] == home.ada
    assert metadata["DateLastUsed"] >= metadata["DateCreated"]


def test_a_token_without_the_scope_does_not_submit(home: House, application: str) -> None:
    home.put(application, "IDENTITY_PROVIDER_ONLY")
    token = home.token("--scope", "imap")["PersonalAccessToken"]
    with home.imap(token) as client:
        client.select("INBOX")
    with pytest.raises(smtplib.SMTPAuthenticationError), home.smtp(token):
        pass
    token = home.token("--scope", "smtp")["PersonalAccessToken"]
    with home.smtp(token) as client:
        client.noop()
    with pytest.raises(imaplib.IMAP4.error), home.imap(token):
        pass


def test_deletion_ends_what_the_token_opened(home: House, application: str) -> None:
    home.put(application, "IDENTITY_PROVIDER_ONLY")
    made, kept = home.token(), home.token()
    token, other = made["PersonalAccessToken"], kept["PersonalAccessToken"]
    with home.imap(token) as idling, home.imap(other) as staying, home.smtp(token) as submitting:
        idle(idling)
        idle(staying)
        id = made["PersonalAccessTokenId"]
        home("delete_personal_access_token", PersonalAccessTokenId=id)
        assert shut_out(idling)
        with pytest.raises((smtplib.SMTPException, OSError)):
            submitting.send_message(compose(ADA, ADA, "Too late"))
        staying.send(b"DONE\r\n")
        assert staying.readline().startswith(b"i OK")
    assert home.refuses(token)


def test_deleting_the_configuration_brings_the_password_back(home: House, application: str) -> None:
    home.put(application, "IDENTITY_PROVIDER_ONLY")
    token = home.token()["PersonalAccessToken"]
    with home.imap(token) as client:
        idle(client)
        home("delete_identity_provider_configuration")
        assert shut_out(client)
    with home.imap(PASSWORD) as client:
        client.select("INBOX")
    with home.smtp(PASSWORD) as client:
        client.noop()
    assert home.refuses(token)
    assert home("describe_user", UserId="ada")["IdentityProviderUserId"] == UUID


def test_no_log_and_no_audit_record_holds_a_token(home: House, application: str) -> None:
    home.put(application, "IDENTITY_PROVIDER_ONLY")
    made = home.token()
    with home.imap(made["PersonalAccessToken"]) as client:
        client.select("INBOX")
    home("list_personal_access_tokens")
    home("delete_personal_access_token", PersonalAccessTokenId=made["PersonalAccessTokenId"])
    deadline = time.monotonic() + 30
    told = ""
    while made["PersonalAccessTokenId"] not in told:
        assert time.monotonic() < deadline
        told = home.command("audit", "--json")
    log = home.server.log.read_text()
    secret = made["PersonalAccessToken"].removeprefix("wppat_")
    assert secret not in told + log
    assert "wppat_" not in told + log
