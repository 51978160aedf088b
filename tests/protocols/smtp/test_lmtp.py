"""RFC 2033: LMTP, with a reply for each recipient."""

import pytest

from tests.protocols.smtp.harness import Client, Running
from workpost.kernel.errors import QuotaExceeded, TryLater, UnknownRecipient
from workpost.protocols.smtp.session import Accepted, Refused, Role

ENVELOPE = b"MAIL FROM:<ada@b.test>\r\nRCPT TO:<grace@a.test>\r\nRCPT TO:<alan@a.test>\r\n"


@pytest.fixture
def lmtp():
    with Running(role=Role.LMTP) as server:
        yield server


@pytest.fixture
def client(lmtp):
    with Client(lmtp.address, greeting=False) as client:
        assert client.reply() == b"220 mail.a.test LMTP Workpost"
        assert client.ask(b"LHLO relay.test").startswith(b"250-mail.a.test")
        yield client


def test_section_4_1_lhlo_takes_the_place_of_helo_and_ehlo(client):
    assert client.ask(b"EHLO relay.test").startswith(b"500 5.5.1")
    assert client.ask(b"HELO relay.test").startswith(b"500 5.5.1")
    said = client.ask(b"LHLO relay.test").split(b"\n")
    assert {b"250-PIPELINING", b"250-ENHANCEDSTATUSCODES", b"250-8BITMIME"} <= set(said)
    assert client.ask(b"AUTH PLAIN").startswith(b"502 5.5.1")


def test_section_4_1_mail_comes_after_lhlo(lmtp):
    with Client(lmtp.address) as client:
        assert client.ask(b"MAIL FROM:<>").startswith(b"503 5.5.1")


def test_section_4_2_each_recipient_has_a_reply(client, lmtp):
    lmtp.mailroom.errors["rcpt_to", "alan"] = UnknownRecipient()
    assert client.ask_all(ENVELOPE + b"RCPT TO:<bob@a.test>\r\nDATA\r\n", 5) == [
        b"250",
        b"250",
        b"550",
        b"250",
        b"354",
    ]
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\nNOOP\r\n")
    assert [client.reply() for _ in range(3)] == [
        b"250 2.0.0 Message 1 accepted",
        b"250 2.0.0 Message 1 accepted",
        b"250 2.0.0 Ok",
    ]
    [(transaction, _)] = lmtp.mailroom.messages
    assert transaction.protocol == "LMTP"


def test_section_4_2_a_recipient_who_went_away_is_told_alone(client, lmtp, monkeypatch):
    async def message(transaction, content):
        return Accepted("Done", {0: Refused(550, "5.1.1", "Gone")})

    monkeypatch.setattr(lmtp.mailroom, "message", message)
    assert client.ask_all(ENVELOPE + b"DATA\r\n", 4) == [b"250"] * 3 + [b"354"]
    assert client.ask(b"x\r\n.") == b"550 5.1.1 Gone"
    assert client.reply() == b"250 2.0.0 Done"


def test_section_4_2_however_many_went_away_all_are_told(client, lmtp, monkeypatch):
    async def message(transaction, content):
        return Accepted("Done", {number: Refused(550, "5.1.1", "Gone") for number in range(1, 60)})

    monkeypatch.setattr(lmtp.mailroom, "message", message)
    client.ask(b"MAIL FROM:<>")
    for number in range(60):
        client.ask(b"RCPT TO:<%d@a.test>" % number)
    assert client.ask(b"DATA").startswith(b"354")
    client.send(b"x\r\n.\r\n")
    assert [client.reply()[:3] for _ in range(60)] == [b"250"] + [b"550"] * 59


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (TryLater(), b"451 4.3.0"),
        (QuotaExceeded(), b"452 4.2.2"),
        (Refused(550, "5.7.1", "No"), b"550 5.7.1"),
        (ZeroDivisionError("bug"), b"451 4.3.0"),
    ],
)
def test_section_4_2_a_refused_message_has_as_many_replies(client, lmtp, error, answer):
    lmtp.mailroom.errors["message"] = error
    assert client.ask_all(ENVELOPE + b"DATA\r\n", 4) == [b"250"] * 3 + [b"354"]
    client.send(b"x\r\n.\r\nNOOP\r\n")
    assert [client.reply()[:9] for _ in range(3)] == [answer, answer, b"250 2.0.0"]


def test_section_4_2_a_message_that_is_no_message_has_as_many_replies(client):
    client.ask_all(ENVELOPE + b"DATA\r\n", 4)
    client.send(b"x\ny\r\n.\r\nNOOP\r\n")
    assert [client.reply()[:3] for _ in range(3)] == [b"550", b"550", b"250"]


def test_section_4_2_the_same_recipient_twice_has_two_replies(client, lmtp):
    twice = b"MAIL FROM:<>\r\n" + b"RCPT TO:<grace@a.test>\r\n" * 2 + b"DATA\r\n.\r\nNOOP\r\n"
    assert client.ask_all(twice, 7) == [b"250", b"250", b"250", b"354", b"250", b"250", b"250"]
    assert len(lmtp.mailroom.messages) == 1


def test_section_4_2_without_recipients_data_is_503(client, lmtp):
    lmtp.mailroom.errors["rcpt_to"] = UnknownRecipient()
    codes = client.ask_all(b"MAIL FROM:<>\r\nRCPT TO:<x@a.test>\r\nDATA\r\nBDAT 1 LAST\r\nx", 4)
    assert codes == [b"250", b"550", b"503", b"503"]


def test_rfc_3030_the_last_chunk_has_a_reply_for_each_recipient(client, lmtp):
    codes = client.ask_all(ENVELOPE + b"BDAT 3\r\nx\r\nBDAT 0 LAST\r\nNOOP\r\n", 7)
    assert codes == [b"250"] * 7
    assert lmtp.mailroom.contents == [b"x\r\n"]


def test_rfc_3848_keywords_of_received(lmtp, certificate, ca):
    with (
        Running(certificate, role=Role.LMTP) as secure,
        Client(secure.address) as client,
    ):
        client.ask(b"LHLO relay.test")
        client.ask(b"STARTTLS")
        client.start_tls(ca)
        client.ask(b"LHLO relay.test")
        for parameter in (b"", b" SMTPUTF8"):
            client.ask(b"MAIL FROM:<>" + parameter)
            client.ask_all(b"RCPT TO:<ada@a.test>\r\nDATA\r\n.\r\n", 3)
        assert [each.protocol for each, _ in secure.mailroom.messages] == ["LMTPS", "UTF8LMTPS"]


def test_lmtp_over_a_unix_socket(tmp_path_factory):
    path = tmp_path_factory.mktemp("l") / "s"
    with Running(role=Role.LMTP, unix=path) as server, Client(str(path)) as client:
        client.ask(b"LHLO relay.test")
        assert client.ask_all(ENVELOPE + b"DATA\r\n.\r\n", 6)[-2:] == [b"250"] * 2
        assert server.mailroom.messages[0][0].peer.host == ""
