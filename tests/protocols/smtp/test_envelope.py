"""RFC 5321 4.1.4: the order of commands; MAIL, RCPT, RSET and the small verbs."""

import base64
import time

import pytest

from tests.protocols.smtp.harness import HOST, Client, Running
from workpost.kernel.errors import (
    Fault,
    QuotaExceeded,
    SenderNotAllowed,
    StaleGrant,
    TryLater,
    UnknownRecipient,
)
from workpost.protocols.smtp.limits import Limits
from workpost.protocols.smtp.session import Refused, Role
from workpost.protocols.smtp.wire.paths import Address


def test_rfc_5321_section_4_2_greeting_names_the_host(mx):
    with Client(mx.address, greeting=False) as client:
        assert client.reply() == f"220 {HOST} ESMTP Workpost".encode()


def test_ehlo_announces_what_there_is(client):
    assert client.ask(b"EHLO client.test").split(b"\n") == [
        b"250-mail.a.test",
        b"250-SIZE 41943040",
        b"250-8BITMIME",
        b"250-SMTPUTF8",
        b"250-PIPELINING",
        b"250-CHUNKING",
        b"250-ENHANCEDSTATUSCODES",
        b"250-DSN",
        b"250 HELP",
    ]


def test_helo_announces_nothing(client):
    assert client.ask(b"HELO client.test") == b"250 mail.a.test"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"NOOP", b"250 2.0.0"),
        (b"noop whatever", b"250 2.0.0"),
        (b"RSET", b"250 2.0.0"),
        (b"RSET x", b"501 5.5.4"),
        (b"VRFY ada", b"252 2.5.0"),
        (b"EXPN staff", b"252 2.5.0"),
        (b"VRFY", b"501 5.5.4"),
        (b"HELP", b"214 2.0.0"),
        (b"EHLO", b"501 5.5.4"),
        (b"QUIT now", b"501 5.5.4"),
        (b"WHAT", b"500 5.5.1"),
        (b"", b"500 5.5.1"),
        (b"NOOP \0", b"500 5.5.2"),
        (b"NOOP " + b"x" * 600, b"500 5.5.2"),
        (b"STARTTLS", b"454 4.7.0"),
        (b"STARTTLS x", b"501 5.5.4"),
        (b"AUTH PLAIN", b"502 5.5.1"),
        (b"RCPT TO:<ada@a.test>", b"503 5.5.1"),
        (b"DATA", b"503 5.5.1"),
        (b"DATA x", b"501 5.5.4"),
        (b"MAIL FROM:ada", b"501 5.1.7"),
        (b"MAIL FROM:<ada@a.test> MT-PRIORITY=3", b"555 5.5.4"),
        (b"MAIL FROM:<ada@a.test> RET=FULL ENVID=x", b"250 2.1.0"),
        (b"MAIL FROM:<ada@a.test> REQUIRETLS", b"530 5.7.10"),
        (b"LHLO client.test", b"500 5.5.1"),
        (b"MAIL FROM:<ada@a.test> SIZE=41943041", b"552 5.3.4"),
        (b"MAIL FROM:<ada@a.test> SIZE=41943040", b"250 2.1.0"),
        (b"MAIL FROM:<>", b"250 2.1.0"),
    ],
)
def test_section_4_1_each_command_has_its_reply(client, command, reply):
    assert client.ask(command).startswith(reply)
    assert client.ask(b"NOOP") == b"250 2.0.0 Ok"


def test_section_4_1_1_10_quit_closes(client):
    assert client.ask(b"QUIT") == b"221 2.0.0 Bye"
    assert client.at_end()


def test_section_4_1_4_mail_comes_after_a_greeting(mx):
    with Client(mx.address) as client:
        assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"503 5.5.1")


def test_section_4_1_4_mail_comes_once(client):
    client.ask(b"MAIL FROM:<ada@a.test>")
    assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"503 5.5.1")
    assert client.ask(b"EHLO again.test").startswith(b"250")
    assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"250 2.1.0")


def test_data_without_a_valid_recipient(client, mx):
    mx.mailroom.errors["rcpt_to"] = UnknownRecipient("Nobody is called x@a.test here")
    assert client.ask(b"MAIL FROM:<>") == b"250 2.1.0 Sender ok"
    assert client.ask(b"RCPT TO:<x@a.test>") == b"550 5.1.1 Nobody is called x@a.test here"
    assert client.ask(b"DATA").startswith(b"554 5.5.1")


def test_the_service_sees_the_transaction(client, mx):
    client.ask(b"MAIL FROM:<ada@b.test> SIZE=20 BODY=8BITMIME SMTPUTF8 AUTH=<>")
    client.ask(b'RCPT TO:<"grace h"@a.test>')
    client.ask("RCPT TO:<ådå@a.test>".encode())
    client.ask(b"DATA")
    assert client.ask(b"Subject: x\r\n\r\n..\r\n.") == b"250 2.0.0 Message 1 accepted"
    [(transaction, content)] = mx.mailroom.messages
    assert content == b"Subject: x\r\n\r\n.\r\n"
    assert transaction.peer.host == "127.0.0.1"
    assert transaction.helo == "client.test"
    assert transaction.protocol == "UTF8SMTP"
    assert transaction.sender == Address("ada", "b.test")
    assert (transaction.size, transaction.body, transaction.auth) == (20, "8BITMIME", "")
    assert [recipient.address for recipient in transaction.recipients] == [
        Address("grace h", "a.test"),
        Address("ådå", "a.test"),
    ]


def test_rfc_3461_the_service_sees_what_the_sender_wants_to_hear(client, mx):
    client.ask(b"MAIL FROM:<ada@b.test> RET=HDRS ENVID=QQ+2B1")
    client.ask(b"RCPT TO:<ada@a.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ada@a.test")
    client.ask(b"RCPT TO:<grace@a.test>")
    client.ask_all(b"DATA\r\n.\r\n", 2)
    [(transaction, _)] = mx.mailroom.messages
    assert (transaction.ret, transaction.envid) == ("HDRS", "QQ+2B1")
    assert [(each.notify, each.orcpt) for each in transaction.recipients] == [
        (("SUCCESS", "DELAY"), "rfc822;Ada@a.test"),
        ((), ""),
    ]


def test_rfc_8689_section_2_requiretls_is_there_within_tls_only(certificate, ca):
    with Running(certificate) as mx, Client(mx.address) as client:
        assert b"REQUIRETLS" not in client.ask(b"EHLO client.test")
        assert client.ask(b"MAIL FROM:<> REQUIRETLS").startswith(b"530 5.7.10")
        client.ask(b"STARTTLS")
        client.start_tls(ca)
        said = client.ask(b"EHLO client.test").split(b"\n")
        assert b"250-REQUIRETLS" in said
        assert b"250-STARTTLS" not in said
        assert client.ask(b"MAIL FROM:<> REQUIRETLS").startswith(b"250")
        client.ask_all(b"RCPT TO:<ada@a.test>\r\nDATA\r\n.\r\n", 3)
        assert mx.mailroom.messages[0][0].requiretls


def test_rfc_3848_a_session_by_helo_is_smtp(mx):
    with Client(mx.address) as client:
        client.ask(b"HELO client.test")
        client.ask_all(b"MAIL FROM:<>\r\nRCPT TO:<ada@a.test>\r\nDATA\r\n", 3)
        client.ask(b"x\r\n.")
    assert mx.mailroom.messages[0][0].protocol == "SMTP"


def test_rset_forgets_the_transaction(client):
    client.ask(b"MAIL FROM:<>")
    client.ask(b"RSET")
    assert client.ask(b"RCPT TO:<ada@a.test>").startswith(b"503")


def test_rfc_2920_section_3_2_replies_of_a_group_leave_in_one_write(client, mx):
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@a.test>\r\nRCPT TO:<b@a.test>\r\nDATA\r\n")
    first = client.socket.recv(65536)
    assert first.count(b"\r\n") == 4
    assert first.endswith(b"354 End the message with <CR><LF>.<CR><LF>\r\n")
    codes = client.ask_all(b"x\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n", 3)
    assert codes == [b"250", b"250", b"221"]
    assert mx.mailroom.contents == [b"x\r\n"]


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (SenderNotAllowed("Not yours"), b"550 5.7.1 Not yours"),
        (SenderNotAllowed(), b"550 5.7.1 You may not send as this sender"),
        (QuotaExceeded(), b"452 4.2.2 Mailbox is full"),
        (TryLater(), b"451 4.3.0 Temporary failure, try later"),
        (Fault("secret detail"), b"451 4.3.0 Local error, try later"),
        (Refused(553, "5.1.8", "No such domain"), b"553 5.1.8 No such domain"),
        (ZeroDivisionError("bug"), b"451 4.3.0 Local error, try later"),
    ],
)
def test_what_the_service_raises_becomes_a_reply(client, mx, error, reply):
    mx.mailroom.errors["mail_from"] = error
    assert client.ask(b"MAIL FROM:<ada@a.test>") == reply
    assert client.ask(b"RCPT TO:<ada@a.test>").startswith(b"503")


@pytest.mark.parametrize("error", [StaleGrant(), Refused(421, "4.7.0", "Please log in again")])
def test_section_3_8_code_421_ends_the_session(client, mx, error):
    mx.mailroom.errors["mail_from"] = error
    assert client.ask(b"MAIL FROM:<ada@a.test>") == b"421 4.7.0 Please log in again"
    assert client.at_end()


@pytest.mark.parametrize(("code", "status"), [(250, "2.0.0"), (550, "4.1.1"), (600, "6.0.0")])
def test_a_refusal_is_a_refusal(code, status):
    with pytest.raises(ValueError, match="not a refusal"):
        Refused(code, status, "text")


def test_section_4_5_3_1_8_recipients_are_bounded():
    with Running(limits=Limits(recipients=3)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        client.ask(b"MAIL FROM:<>")
        rcpt = b"RCPT TO:<ada@a.test>\r\n"
        assert client.ask_all(rcpt * 6, 6) == [b"250"] * 3 + [b"452"] * 3
        assert client.ask(rcpt[:-2]).startswith(b"421 4.5.3")
        assert client.at_end()


def test_permanent_errors_are_bounded():
    with Running(limits=Limits(errors=3)) as mx, Client(mx.address) as client:
        assert client.ask_all(b"WHAT\r\n" * 10, 5) == [b"500"] * 4 + [b"421"]
        assert client.at_end()


def test_a_message_forgives_earlier_errors():
    with Running(limits=Limits(errors=3)) as mx, Client(mx.address) as client:
        client.ask(b"EHLO client.test")
        for _ in range(4):
            assert client.ask_all(b"DATA\r\n" * 3, 3) == [b"503"] * 3
            client.ask_all(b"MAIL FROM:<>\r\nRCPT TO:<ada@a.test>\r\nDATA\r\n", 3)
            assert client.ask(b".").startswith(b"250")


def test_commands_that_lead_nowhere_are_bounded():
    with Running(limits=Limits(idle_commands=5)) as mx, Client(mx.address) as client:
        assert client.ask_all(b"NOOP\r\n" * 10, 6) == [b"250"] * 5 + [b"421"]
        assert client.at_end()


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25"])
def test_browsers_are_shown_the_door(client, request_line):
    client.send(request_line + b"\r\nHost: mail.a.test\r\nMAIL FROM:<>\r\n")
    assert client.reply().startswith(b"521 5.5.1")
    assert client.at_end()


LOGIN = b"AUTH PLAIN " + base64.b64encode(b"\0ada@a.test\0right")
MAIL = b"MAIL FROM:<ada@a.test> "


def submission(hold: int) -> Running:
    return Running(role=Role.SUBMISSION, plaintext_auth=True, limits=Limits(hold=hold))


def test_rfc_4865_people_may_submit_for_later():
    with submission(3600) as server, Client(server.address) as client:
        before = time.time()
        offered = client.ask(b"EHLO client.test").split(b"\n")[-1].split()
        assert offered[:3] == [b"250", b"FUTURERELEASE", b"3600"]
        client.ask(LOGIN)
        assert client.ask(MAIL + b"HOLDFOR=60").startswith(b"250")
        client.ask(b"RCPT TO:<bob@b.test>")
        client.ask(b"DATA")
        assert client.ask(b"Subject: later\r\n.").startswith(b"250")
        ((transaction, _),) = server.mailroom.messages
        assert transaction.hold_until is not None
        assert int(before) + 60 <= transaction.hold_until / 1000 <= time.time() + 60
        # The latest moment that was offered is good.
        assert client.ask(MAIL + b"HOLDUNTIL=" + offered[-1]).startswith(b"250")


@pytest.mark.parametrize("hold", [b"HOLDFOR=3601", b"HOLDUNTIL=9999-01-01T00:00:00Z"])
def test_rfc_4865_not_for_longer_than_is_offered(hold):
    with submission(3600) as server, Client(server.address) as client:
        client.ask(b"EHLO client.test")
        client.ask(LOGIN)
        assert client.ask(MAIL + hold).startswith(b"501 5.5.4")
        assert client.ask(MAIL).startswith(b"250")


@pytest.mark.parametrize("hold", [b"HOLDFOR=1", b"HOLDUNTIL=2000-01-01T00:00:00Z"])
def test_rfc_4865_who_does_not_offer_it_does_not_take_it(client, hold):
    client.ask(b"EHLO client.test")
    assert client.ask(MAIL + hold).startswith(b"555 5.5.4")
    with submission(0) as server, Client(server.address) as other:
        assert b"FUTURERELEASE" not in other.ask(b"EHLO client.test")
        other.ask(LOGIN)
        assert other.ask(MAIL + hold).startswith(b"555 5.5.4")
