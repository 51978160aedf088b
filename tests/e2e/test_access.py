"""Permissions and access-control rules of the API, as people's clients meet them."""

from __future__ import annotations

import imaplib
import smtplib
import time
from typing import Any

import pytest

from tests.support.server import Server, compose

PASSWORD = "Correct-Horse-7-Battery"
SHARED = '"Other Users/ada@hopper.test/INBOX"'


class House:
    """An organization with the users ada and grace, made with boto3."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = server.aws()
        self.organization = self.client.create_organization(Alias="hopper")["OrganizationId"]
        self.ids = {name: self._user(name) for name in ("ada", "grace")}

    def __call__(self, action: str, **parameters: Any) -> Any:
        return getattr(self.client, action)(OrganizationId=self.organization, **parameters)

    def _user(self, name: str) -> str:
        user: str = self("create_user", Name=name, DisplayName=name, Password=PASSWORD)["UserId"]
        self("register_to_work_mail", EntityId=user, Email=f"{name}@hopper.test")
        return user

    def imap(self, name: str) -> Any:
        return self.server.imap(f"{name}@hopper.test", PASSWORD, listener="imaps")

    def smtp(self, name: str) -> Any:
        return self.server.smtp(f"{name}@hopper.test", PASSWORD)

    def permit(self, *values: str) -> None:
        self(
            "put_mailbox_permissions",
            EntityId="ada",
            GranteeId="grace",
            PermissionValues=list(values),
        )


@pytest.fixture(scope="module")
def home(server: Server) -> House:
    return House(server)


def log_in(client: Any) -> None:
    """Log in and out."""
    with client:
        pass


def until_refused(work: Any, *arguments: Any) -> float:
    """Seconds until the client is shut out."""
    start = time.monotonic()
    while time.monotonic() - start < 60:
        try:
            work(*arguments)
        except (imaplib.IMAP4.abort, imaplib.IMAP4.error, OSError):
            break
        time.sleep(0.05)
    return time.monotonic() - start


def test_full_access_opens_the_mailbox_until_it_is_taken_away(home: House) -> None:
    home.permit("FULL_ACCESS")
    with home.smtp("ada") as client:
        client.send_message(compose("ada@hopper.test", "ada@hopper.test", "To myself"))
    with home.imap("grace") as mine:
        assert mine.select(SHARED) == ("OK", [b"1"])
        assert b"To myself" in mine.fetch("1", "(BODY[HEADER])")[1][0][1]
        assert mine.copy("1", "INBOX")[0] == "OK"
        home("delete_mailbox_permissions", EntityId="ada", GranteeId="grace")
        assert until_refused(mine.noop) < 10  # 2 on a quiet machine
    with home.imap("grace") as fresh:
        assert fresh.select(SHARED)[0] == "NO"
        assert fresh.select("INBOX") == ("OK", [b"1"])


def test_send_permissions_decide_what_submission_takes(home: House) -> None:
    message = compose("ada@hopper.test", "ada@hopper.test", "In her name")
    with home.smtp("grace") as client, pytest.raises(smtplib.SMTPException):
        client.send_message(message)
    home.permit("SEND_AS")
    with home.smtp("grace") as client:
        client.send_message(message)
    home.permit("SEND_ON_BEHALF")
    with home.smtp("grace") as client:
        with pytest.raises(smtplib.SMTPException):
            client.send_message(message, from_addr="grace@hopper.test")
        client.rset()
        message["Sender"] = "grace@hopper.test"
        client.send_message(message, from_addr="grace@hopper.test")


def test_one_decision_for_the_effect_call_and_for_logins(home: House) -> None:
    def effect(action: str) -> Any:
        answer = home(
            "get_access_control_effect",
            IpAddress="127.0.0.1",
            Action=action,
            UserId=home.ids["grace"],
        )
        return answer["Effect"], answer["MatchedRules"]

    assert effect("IMAP") == ("ALLOW", ["default"])
    with home.imap("grace") as client:
        client.select("INBOX")
        home(
            "put_access_control_rule",
            Name="no-imap",
            Effect="DENY",
            Description="At home only",
            Actions=["IMAP"],
            UserIds=[home.ids["grace"]],
            NotIpRanges=["10.0.0.0/8"],
        )
        assert until_refused(client.noop) < 10  # 2 on a quiet machine
    assert effect("IMAP") == ("DENY", ["no-imap"])
    assert effect("SMTP") == ("ALLOW", ["default"])
    with pytest.raises(imaplib.IMAP4.error):
        log_in(home.imap("grace"))
    log_in(home.smtp("grace"))
    log_in(home.imap("ada"))
    home("delete_access_control_rule", Name="no-imap")
    log_in(home.imap("grace"))
    home("delete_access_control_rule", Name="default")
    assert effect("SMTP") == ("DENY", [])
    with pytest.raises(smtplib.SMTPAuthenticationError):
        log_in(home.smtp("ada"))
    home("put_access_control_rule", Name="default", Effect="ALLOW", Description="All")
    log_in(home.smtp("ada"))
