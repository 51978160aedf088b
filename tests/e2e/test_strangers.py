"""Tenants never meet: another account's key, ids, folders and messages get the proper error."""

from __future__ import annotations

import imaplib
import json
import smtplib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from tests.support.server import Server, command_line, compose

PASSWORD = "Correct-Horse-7-Battery"
NOWHERE = "m-" + "0" * 32


@dataclass
class Tenant:
    """An account with one organization, one person, one group and one message."""

    client: Any
    organization: str
    user: str
    group: str
    address: str


def account_key(server: Server) -> tuple[str, str]:
    """A new account's key, made as an operator makes it beside the running server."""
    at = ["--data", str(server.data)]
    account = json.loads(command_line("account", "create", *at, env=server.env).stdout)
    made = command_line(
        "access-key", "create", "--account", account["AccountId"], *at, env=server.env
    )
    key = json.loads(made.stdout)
    assert key["AccountId"] == account["AccountId"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def settle(server: Server, client: Any, alias: str) -> Tenant:
    organization = client.create_organization(Alias=alias)["OrganizationId"]
    user = client.create_user(
        OrganizationId=organization, Name="ada", DisplayName="Ada", Password=PASSWORD
    )["UserId"]
    address = f"ada@{alias}.test"
    client.register_to_work_mail(OrganizationId=organization, EntityId=user, Email=address)
    group = client.create_group(OrganizationId=organization, Name="staff")["GroupId"]
    with server.smtp(address, PASSWORD) as sender:
        sender.send_message(compose(address, address, f"Secret of {alias}"))
    return Tenant(client, organization, user, group, address)


@pytest.fixture(scope="module")
def ours(server: Server) -> Tenant:
    return settle(server, server.aws(), "ours")


@pytest.fixture(scope="module")
def theirs(server: Server) -> Tenant:
    return settle(server, server.aws(key=account_key(server)), "theirs")


CALLS: dict[str, Callable[[Tenant, Any], Any]] = {
    "describe_organization": lambda t, c: c(OrganizationId=t.organization),
    "delete_organization": lambda t, c: c(OrganizationId=t.organization, DeleteDirectory=True),
    "create_user": lambda t, c: c(
        OrganizationId=t.organization, Name="eve", DisplayName="Eve", Password=PASSWORD
    ),
    "describe_user": lambda t, c: c(OrganizationId=t.organization, UserId=t.user),
    "list_users": lambda t, c: c(OrganizationId=t.organization),
    "delete_user": lambda t, c: c(OrganizationId=t.organization, UserId=t.user),
    "reset_password": lambda t, c: c(
        OrganizationId=t.organization, UserId=t.user, Password=PASSWORD
    ),
    "register_to_work_mail": lambda t, c: c(
        OrganizationId=t.organization, EntityId=t.group, Email="staff@theirs.test"
    ),
    "deregister_from_work_mail": lambda t, c: c(OrganizationId=t.organization, EntityId=t.user),
    "create_alias": lambda t, c: c(
        OrganizationId=t.organization, EntityId=t.user, Alias="eve@theirs.test"
    ),
    "create_group": lambda t, c: c(OrganizationId=t.organization, Name="spies"),
    "associate_member_to_group": lambda t, c: c(
        OrganizationId=t.organization, GroupId=t.group, MemberId=t.user
    ),
    "describe_entity": lambda t, c: c(OrganizationId=t.organization, Email=t.address),
}


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code: str = refused.value.response["Error"]["Code"]
    return code


@pytest.mark.parametrize("action", CALLS)
def test_another_accounts_organization_is_not_found(
    action: str, ours: Tenant, theirs: Tenant
) -> None:
    call = CALLS[action]
    foreign = refusal(lambda: call(theirs, getattr(ours.client, action)))
    nobodys = Tenant(None, NOWHERE, theirs.user, theirs.group, theirs.address)
    assert foreign == refusal(lambda: call(nobodys, getattr(ours.client, action)))
    assert foreign == "OrganizationNotFoundException"


@pytest.mark.parametrize(
    "action", [name for name in CALLS if name not in {"describe_organization", "create_group",
        "delete_organization", "create_user", "list_users"}]
)  # fmt: skip
def test_another_organizations_entity_is_not_found_in_ours(
    action: str, ours: Tenant, theirs: Tenant
) -> None:
    mixed = Tenant(None, ours.organization, theirs.user, theirs.group, theirs.address)
    code = refusal(lambda: CALLS[action](mixed, getattr(ours.client, action)))
    wanted = {"EntityNotFoundException", "MailDomainNotFoundException"}
    assert code in wanted, code


def test_their_member_cannot_join_our_group(ours: Tenant, theirs: Tenant) -> None:
    code = refusal(
        lambda: ours.client.associate_member_to_group(
            OrganizationId=ours.organization, GroupId=ours.group, MemberId=theirs.user
        )
    )
    assert code == "EntityNotFoundException"


def test_lists_show_ones_own_only(ours: Tenant, theirs: Tenant) -> None:
    listed = theirs.client.list_organizations()["OrganizationSummaries"]
    assert [row["OrganizationId"] for row in listed] == [theirs.organization]
    users = theirs.client.list_users(OrganizationId=theirs.organization)["Users"]
    assert ours.user not in [row["Id"] for row in users]


def test_a_page_token_is_worth_nothing_elsewhere(
    ours: Tenant, theirs: Tenant, server: Server
) -> None:
    for number in range(2):
        ours.client.create_group(OrganizationId=ours.organization, Name=f"page{number}")
    token = server.aws().list_organizations(MaxResults=1)["NextToken"]
    with pytest.raises(ClientError):
        theirs.client.list_organizations(NextToken=token)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (("AKIA" + "X" * 16, "secret"), "UnrecognizedClientException"),
        (None, "InvalidSignatureException"),
    ],
)
def test_wrong_keys_are_refused(server: Server, key: tuple[str, str] | None, code: str) -> None:
    key = key or (server.account["access_key_id"], "not the secret")
    with pytest.raises(ClientError) as refused:
        server.aws(key=key).list_organizations()
    assert refused.value.response["Error"]["Code"] == code


# --- mail ---


@pytest.fixture
def client(server: Server, ours: Tenant):
    with server.imapclient(ours.address, PASSWORD) as opened:
        yield opened


def test_nobody_logs_in_with_anothers_password(
    server: Server, ours: Tenant, theirs: Tenant
) -> None:
    ours.client.reset_password(
        OrganizationId=ours.organization, UserId=ours.user, Password=PASSWORD + "-other"
    )
    try:
        with pytest.raises(imaplib.IMAP4.error), server.imap(theirs.address, PASSWORD + "-other"):
            pass
        with pytest.raises(smtplib.SMTPAuthenticationError), server.smtp(ours.address, PASSWORD):
            pass
    finally:
        ours.client.reset_password(
            OrganizationId=ours.organization, UserId=ours.user, Password=PASSWORD
        )


def test_anothers_folders_cannot_be_named(client: IMAPClient, theirs: Tenant) -> None:
    names = [f"Other Users/{theirs.address}", f"Other Users/{theirs.address}/INBOX", "../INBOX"]
    for name in names:
        with pytest.raises(IMAPClientError):
            client.select_folder(name)
        with pytest.raises(IMAPClientError):
            client.folder_status(name)
    listed = [name for _, _, name in client.list_folders("", "*")]
    assert not [name for name in listed if "theirs" in name]


def test_anothers_uids_are_nothing(
    server: Server, client: IMAPClient, ours: Tenant, theirs: Tenant
) -> None:
    with server.imapclient(theirs.address, PASSWORD) as owner:
        for number in range(3):
            owner.append("INBOX", f"Subject: More {number}\r\n\r\nbody\r\n".encode())
        owner.select_folder("INBOX")
        beyond = max(owner.search())
    client.select_folder("INBOX")
    assert beyond not in client.search()
    assert client.fetch([beyond, 999_999], ["BODY[]", "FLAGS", "ENVELOPE"]) == {}
    client.add_flags([beyond], [b"\\Deleted"])
    client.expunge()
    with server.imapclient(theirs.address, PASSWORD) as owner:
        owner.select_folder("INBOX")
        assert beyond in owner.search()
    rows = client.fetch(client.search(), ["BODY.PEEK[]"])
    assert not [one for one in rows.values() if b"Secret of theirs" in one[b"BODY[]"]]


def test_nobody_sends_as_another_organizations_person(
    server: Server, ours: Tenant, theirs: Tenant
) -> None:
    with server.smtp(ours.address, PASSWORD) as sender:
        with pytest.raises(smtplib.SMTPSenderRefused):
            sender.send_message(compose(theirs.address, ours.address, "Forged"))
        sender.rset()
        with pytest.raises(smtplib.SMTPDataError):
            sender.sendmail(
                ours.address,
                [ours.address],
                f"From: {theirs.address}\r\nSubject: Forged\r\n\r\nx\r\n".encode(),
            )


def test_no_session_without_login_sees_anything(server: Server) -> None:
    with socket.create_connection(server.address("imap"), timeout=30) as line:
        line.recv(1000)
        for command in (b"SELECT INBOX", b'LIST "" *', b"UID FETCH 1:* BODY[]", b"IDLE"):
            line.sendall(b"a " + command + b"\r\n")
            answer = line.recv(1000)
            assert answer.startswith((b"a BAD", b"a NO")), (command, answer)
