"""The main job: make an organization and two people, send, and read it at once elsewhere."""

from __future__ import annotations

import email
import email.policy
import imaplib
import json
import smtplib
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest

from tests.support.server import Server, command_line, compose

PASSWORD = "Correct-Horse-7-Battery"


@dataclass
class Company:
    """An organization made with boto3, as an administrator does."""

    server: Server
    client: Any
    organization: str
    domain: str
    ids: dict[str, str] = field(default_factory=dict)

    def user(self, name: str) -> str:
        user = self.client.create_user(
            OrganizationId=self.organization,
            Name=name,
            DisplayName=name.title(),
            Password=PASSWORD,
        )["UserId"]
        self.register(user, name)
        return user

    def register(self, entity: str, name: str) -> None:
        self.client.register_to_work_mail(
            OrganizationId=self.organization, EntityId=entity, Email=f"{name}@{self.domain}"
        )

    def group(self, name: str, *members: str) -> str:
        group = self.client.create_group(OrganizationId=self.organization, Name=name)["GroupId"]
        self.register(group, name)
        for member in members:
            self.client.associate_member_to_group(
                OrganizationId=self.organization, GroupId=group, MemberId=member
            )
        return group

    def smtp(self, name: str, listener: str = "submission"):
        return self.server.smtp(f"{name}@{self.domain}", PASSWORD, listener=listener)

    def imapclient(self, name: str):
        return self.server.imapclient(f"{name}@{self.domain}", PASSWORD)

    def imap(self, name: str, listener: str = "imaps"):
        return self.server.imap(f"{name}@{self.domain}", PASSWORD, listener=listener)

    def send(self, sender: str, to: str, subject: str) -> EmailMessage:
        message = compose(f"{sender}@{self.domain}", to, subject)
        with self.smtp(sender) as client:
            client.send_message(message)
        return message

    def subjects(self, name: str) -> list[str]:
        with self.imapclient(name) as client:
            client.select_folder("INBOX", readonly=True)
            found = client.fetch(client.search(), ["ENVELOPE"])
            return [row[b"ENVELOPE"].subject.decode() for row in found.values()]

    def queue(self) -> list[dict[str, Any]]:
        listed = command_line("queue", "list", "--data", str(self.server.data), env=self.server.env)
        assert listed.returncode == 0, listed.stderr
        rows: list[dict[str, Any]] = json.loads(listed.stdout)
        return rows


@pytest.fixture(scope="module")
def company(server: Server) -> Company:
    client = server.aws()
    organization = client.create_organization(Alias="lovelace")["OrganizationId"]
    made = Company(server, client, organization, "lovelace.test")
    made.ids = {name: made.user(name) for name in ("ada", "grace", "joan")}
    return made


def test_the_organization_is_active_with_its_test_domain(company: Company) -> None:
    described = company.client.describe_organization(OrganizationId=company.organization)
    assert described["State"] == "Active"
    assert described["DefaultMailDomain"] == company.domain
    names = [user["Name"] for user in company.client.get_paginator("list_users").paginate(
        OrganizationId=company.organization).build_full_result()["Users"]]  # fmt: skip
    assert {"ada", "grace", "joan"} <= set(names)


def test_the_aws_cli_sees_and_changes_the_same(company: Company) -> None:
    server = company.server
    listed = server.aws_cli("list-organizations")["OrganizationSummaries"]
    assert company.organization in [row["OrganizationId"] for row in listed]
    made = server.aws_cli(
        "create-user", "--organization-id", company.organization,
        "--name", "mary", "--display-name", "Mary", "--password", PASSWORD,
    )  # fmt: skip
    server.aws_cli(
        "register-to-work-mail", "--organization-id", company.organization,
        "--entity-id", made["UserId"], "--email", f"mary@{company.domain}",
    )  # fmt: skip
    user = company.client.describe_user(OrganizationId=company.organization, UserId=made["UserId"])
    assert (user["State"], user["Email"]) == ("ENABLED", f"mary@{company.domain}")
    company.send("ada", f"mary@{company.domain}", "Made by the command line")
    assert company.subjects("mary") == ["Made by the command line"]


@pytest.mark.parametrize("listener", ["submission", "submissions"])
def test_what_one_sends_the_other_reads_byte_for_byte(company: Company, listener: str) -> None:
    message = compose(f"ada@{company.domain}", f"grace@{company.domain}", f"By {listener}")
    message.add_attachment(b"\x00\x01\xff" * 100, maintype="image", subtype="png", filename="a.png")
    raw = message.as_bytes(policy=email.policy.SMTP)
    with company.smtp("ada", listener) as client:
        assert client.sendmail(f"ada@{company.domain}", [f"grace@{company.domain}"], raw) == {}
    with company.imap("grace") as reader:
        reader.select("INBOX", readonly=True)
        number = reader.search(None, "SUBJECT", f'"By {listener}"')[1][0].split()[-1].decode()
        data = reader.fetch(number, "(BODY.PEEK[])")[1][0][1]
    assert data.endswith(raw)
    assert b"\r\nReceived: from " in data.removesuffix(raw)


def test_imap_with_starttls_reads_too(company: Company) -> None:
    company.send("ada", f"joan@{company.domain}", "Over STARTTLS")
    with company.imap("joan", "imap") as reader:
        assert reader.select("INBOX")[0] == "OK"
        assert b"Over STARTTLS" in reader.fetch("*", "(BODY.PEEK[HEADER])")[1][0][1]


def test_imapclient_gets_envelope_structure_and_flags(company: Company) -> None:
    company.send("ada", f"grace@{company.domain}", "Structure")
    with company.imapclient("grace") as client:
        client.select_folder("INBOX")
        uid = client.search(["SUBJECT", "Structure"])[-1]
        row = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "RFC822.SIZE"])[uid]
        assert row[b"ENVELOPE"].subject == b"Structure"
        assert row[b"ENVELOPE"].from_[0].mailbox == b"ada"
        assert row[b"BODYSTRUCTURE"][:2] == (b"TEXT", b"PLAIN")
        assert b"\\Seen" not in row[b"FLAGS"]
        whole = client.fetch([uid], ["BODY[]"])[uid][b"BODY[]"]
        assert len(whole) == row[b"RFC822.SIZE"]
        assert b"\\Seen" in client.fetch([uid], ["FLAGS"])[uid][b"FLAGS"]
        client.create_folder("Kept")
        client.move([uid], "Kept")
        client.select_folder("Kept")
        assert client.search() == [1]


def test_a_session_in_idle_hears_of_mail_within_a_second(company: Company) -> None:
    with company.imapclient("grace") as idler, company.smtp("ada") as sender:
        idler.select_folder("INBOX")

        def took(number: int) -> float:
            """Seconds from the answer to the news."""
            news = (len(idler.search()) + 1, b"EXISTS")
            message = compose(f"ada@{company.domain}", f"grace@{company.domain}", f"Heard {number}")
            idler.idle()
            sender.send_message(message)
            sent, heard = time.monotonic(), []
            while news not in heard:
                assert time.monotonic() < sent + 30
                heard += idler.idle_check(timeout=1)
            seconds = time.monotonic() - sent
            idler.idle_done()
            assert len(idler.search(["SUBJECT", f"Heard {number}"])) == 1
            return seconds

        # The best of some: the machine may be busy.
        assert any(took(number) < 1 for number in range(4))


def test_each_sees_what_the_other_session_does(company: Company) -> None:
    company.send("ada", f"joan@{company.domain}", "Two views")
    with company.imapclient("joan") as first, company.imapclient("joan") as second:
        first.select_folder("INBOX")
        second.select_folder("INBOX")
        second.idle()
        uid = first.search()[-1]
        first.add_flags([uid], [b"\\Flagged"])
        heard = second.idle_check(timeout=30)
        assert any(row[1] == b"FETCH" and b"\\Flagged" in row[2][-1] for row in heard), heard


def test_mail_from_outside_comes_in_and_is_not_relayed(company: Company) -> None:
    ours, theirs = f"grace@{company.domain}", "someone@elsewhere.example"
    with company.server.smtp(listener="smtp") as client:
        message = compose(theirs, ours, "From outside")
        client.send_message(message)
        client.ehlo()
        client.mail(theirs)
        code, text = client.rcpt("third@party.example")
        assert code == 550, text
        code, text = client.rcpt(f"nobody@{company.domain}")
        assert (code, text[:5]) == (550, b"5.1.1")
        assert client.rcpt(ours)[0] == 250
    assert "From outside" in company.subjects("grace")


def test_without_login_nothing_is_submitted(company: Company) -> None:
    with company.server.smtp(listener="submission") as client:
        client.ehlo()
        code, _ = client.mail(f"ada@{company.domain}")
        assert code == 530


def test_nobody_sends_as_somebody_else(company: Company) -> None:
    with company.smtp("ada") as client:
        client.ehlo_or_helo_if_needed()
        code, text = client.mail(f"grace@{company.domain}")
        assert code == 550
        assert text.startswith(b"5.7.1")
        message = compose(f"grace@{company.domain}", f"joan@{company.domain}", "Forged")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(f"ada@{company.domain}", [f"joan@{company.domain}"], message.as_bytes())
        assert refused.value.smtp_code == 550
    assert "Forged" not in company.subjects("joan")


def test_mail_for_later_waits_until_it_is_let_go_rfc4865(company: Company) -> None:
    ours, theirs = f"ada@{company.domain}", f"joan@{company.domain}"
    with company.server.smtp(listener="smtp") as client:
        client.ehlo()
        assert "futurerelease" not in client.esmtp_features
    with company.smtp("ada") as client:
        client.ehlo_or_helo_if_needed()
        assert client.esmtp_features["futurerelease"].split()[0] == str(168 * 3600)
        message = compose(ours, theirs, "For later")
        client.send_message(message, ours, [theirs], mail_options=["HOLDFOR=3600"])
    (row,) = [one for one in company.queue() if one["recipient"] == theirs]
    data = ("--data", str(company.server.data))
    for which, comes in (("--all", False), (row["trace"], True)):
        done = command_line("queue", "retry", which, *data, env=company.server.env)
        assert done.returncode == 0, done.stderr
        company.send("ada", theirs, f"After retry {which}")
        deadline = time.monotonic() + 30
        while comes and "For later" not in company.subjects("joan"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ("For later" in company.subjects("joan")) == comes


def test_nested_groups_reach_each_person_once(company: Company) -> None:
    ids = company.ids
    inner = company.group("inner", ids["ada"], ids["grace"])
    company.group("outer", inner, ids["grace"], ids["joan"])
    company.send("ada", f"outer@{company.domain}", "To all of us")
    for name in ("ada", "grace", "joan"):
        assert company.subjects(name).count("To all of us") == 1


def test_an_alias_receives(company: Company) -> None:
    company.client.create_alias(
        OrganizationId=company.organization,
        EntityId=company.ids["joan"],
        Alias=f"jeanne@{company.domain}",
    )
    company.send("ada", f"jeanne@{company.domain}", "By another name")
    assert "By another name" in company.subjects("joan")


def test_mail_for_outside_is_held_in_the_demo(company: Company) -> None:
    company.send("ada", "friend@outside.example", "For later")
    listed = command_line(
        "queue", "list", "--data", str(company.server.data), env=company.server.env
    )
    assert listed.returncode == 0, listed.stderr
    rows = [
        row for row in json.loads(listed.stdout) if row["recipient"] == "friend@outside.example"
    ]
    assert [row["state"] for row in rows] == ["held"]
    assert rows[0]["sender"] == f"ada@{company.domain}"


def ask_for(client: imaplib.IMAP4, seconds: float) -> None:
    """Go on working in a session."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        client.noop()
        client.search(None, "ALL")
        time.sleep(0.05)


def test_a_disabled_person_is_out_at_once(company: Company) -> None:
    mina = company.user("mina")
    with company.imap("mina") as client:
        client.select("INBOX")
        company.client.deregister_from_work_mail(OrganizationId=company.organization, EntityId=mina)
        with pytest.raises((client.abort, client.error, OSError)):
            ask_for(client, seconds=3)
    with pytest.raises(smtplib.SMTPAuthenticationError), company.smtp("mina"):
        pass


def test_a_full_mailbox_refuses_outsiders_and_keeps_colleagues_waiting(company: Company) -> None:
    company.user("jean")
    full = f"jean@{company.domain}"
    with company.imap("jean") as client:
        client.append("INBOX", None, None, b"Subject: ballast\r\n\r\n".ljust((1 << 20) - 100))
    with company.server.smtp(listener="smtp") as sender:
        sender.ehlo()
        sender.mail("someone@elsewhere.example", ["SIZE=101"])
        code, text = sender.rcpt(full)
        assert (code, text[:5]) == (452, b"4.2.2")
    company.send("ada", full, "Comes later")
    assert "Comes later" not in company.subjects("jean")
    assert ("waiting", full) in [(row["state"], row["recipient"]) for row in company.queue()]


def test_a_quota_that_the_administrator_sets_holds_in_smtp_and_imap_at_once(
    company: Company,
) -> None:
    user = {"OrganizationId": company.organization, "UserId": company.user("jill")}
    half = b"Subject: half\r\n\r\n".ljust((1 << 20) // 2)
    address = f"jill@{company.domain}"

    def append(client: imaplib.IMAP4) -> tuple[str, bytes]:
        answer, data = client.append("INBOX", None, None, half)
        return answer, data[0]

    def rcpt() -> int:
        with company.server.smtp(listener="smtp") as sender:
            sender.ehlo()
            sender.mail("someone@elsewhere.example", [f"SIZE={len(half)}"])
            return int(sender.rcpt(address)[0])

    with company.imap("jill") as client:
        for _ in range(2):
            assert append(client)[0] == "OK"
        assert append(client)[0] == "NO"
        assert b"OVERQUOTA" in append(client)[1]
        assert rcpt() == 452
        company.client.update_mailbox_quota(**user, MailboxQuota=2)
        assert rcpt() == 250
        assert append(client)[0] == "OK"
        details = company.client.get_mailbox_details(**user)
        assert (details["MailboxQuota"], details["MailboxSize"]) == (2, 1.5)
        company.client.update_mailbox_quota(**user, MailboxQuota=1)
        assert (append(client)[0], rcpt()) == ("NO", 452)


def test_a_deleted_organization_is_gone_within_seconds(company: Company) -> None:
    client = company.client
    organization = client.create_organization(Alias="brief")["OrganizationId"]
    brief = Company(company.server, client, organization, "brief.test")
    brief.user("ada")
    with brief.imap("ada") as session:
        session.append("INBOX", None, None, b"Subject: soon gone\r\n\r\n")
    answer = client.delete_organization(
        OrganizationId=organization, DeleteDirectory=True, ForceDelete=True
    )
    assert answer["State"] == "Deleting"
    deadline = time.monotonic() + 30
    while client.describe_organization(OrganizationId=organization)["State"] != "Deleted":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(imaplib.IMAP4.error), brief.imap("ada"):
        pytest.fail("a deleted organization lets nobody in")
