"""RFC 4954 (AUTH), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS), RFC 6409 (submission)."""

import asyncio
import base64
import smtplib
import socket
import ssl
import subprocess
from email.message import EmailMessage

import pytest

from tests.protocols.smtp.harness import HOST, PASSWORD, Client, Mailroom, Running
from tests.support.peers import require_peer
from workpost.kernel.errors import AccessDenied, TryLater
from workpost.protocols.listening.guard import Guard, GuardLimits
from workpost.protocols.listening.shared import Shared
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.session import Role

ADA = "ada@a.test"


def plain(password: bytes = PASSWORD, name: str = ADA, authorization: str = "") -> bytes:
    fields = (authorization.encode(), name.encode(), password)
    return base64.b64encode(b"\0".join(fields))


@pytest.fixture
def clear():
    """Submission where passwords may come in clear, from loopback."""
    with Running(role=Role.SUBMISSION, plaintext_auth=True) as running:
        yield running


@pytest.fixture
def client(clear):
    with Client(clear.address) as client:
        assert b"AUTH PLAIN LOGIN" in client.ask(b"EHLO client.test")
        yield client


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_rfc_3207_a_session_over_starttls(certificate, ca, loop):
    with Running(certificate, role=Role.SUBMISSION, loop=loop) as running:
        context = ssl.create_default_context(cafile=str(ca))
        with smtplib.SMTP("localhost", running.address[1]) as client:
            client.ehlo()
            assert client.has_extn("starttls")
            assert not client.has_extn("auth")
            client.starttls(context=context)
            client.login(ADA, "right")
            assert not client.has_extn("starttls")
            message = EmailMessage()
            message["Subject"] = "x"
            message.set_content("line\n.dot\n" * 50_000)
            client.send_message(message, ADA, ["grace@a.test"])
    [(transaction, content)] = running.mailroom.messages
    assert transaction.protocol == "ESMTPSA"
    assert transaction.tls.startswith("TLSv1.3 ")
    assert transaction.login.name == ADA
    assert content.count(b"\r\n.dot\r\n") == 50_000


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_rfc_8314_section_3_3_a_session_over_implicit_tls(certificate, ca, loop, mechanism):
    with Running(certificate, role=Role.SUBMISSION, implicit_tls=True, loop=loop) as running:
        context = ssl.create_default_context(cafile=str(ca))
        with smtplib.SMTP_SSL("localhost", running.address[1], context=context) as client:
            client.ehlo()
            client.user, client.password = ADA, "right"
            client.auth(mechanism, getattr(client, f"auth_{mechanism}"))
            client.sendmail(ADA, ["grace@a.test"], "Subject: x\n\nx\n")
    assert running.mailroom.logins == [(ADA, PASSWORD, mechanism.upper())]
    assert running.mailroom.contents == [b"Subject: x\r\n\r\nx\r\n"]


def test_rfc_6409_section_8_submission_mends_the_line_ends_of_scripts(submission, ca):
    """`sendmail(..., message.as_bytes())` is in every other script, and ends lines in LF."""
    context = ssl.create_default_context(cafile=str(ca))
    raw = b"Subject: x\n\nfirst\n.dot\n..two\n\nlast\n"
    with smtplib.SMTP("localhost", submission.address[1]) as client:
        client.starttls(context=context)
        client.login(ADA, "right")
        client.sendmail(ADA, ["grace@a.test"], raw)
        client.sendmail(ADA, ["grace@a.test"], raw + b"line\n" * 40_000)
    first, second = submission.mailroom.contents
    # smtplib itself adds the last CRLF, since it sees none.
    assert first == raw.replace(b"\n", b"\r\n") + b"\r\n"
    assert second.count(b"\r\n") == second.count(b"\n") == raw.count(b"\n") + 40_001


def test_rfc_6531_addresses_and_headers_in_utf_8(submission, ca):
    context = ssl.create_default_context(cafile=str(ca))
    with smtplib.SMTP("localhost", submission.address[1]) as client:
        client.starttls(context=context)
        client.login(ADA, "right")
        message = EmailMessage()
        message["Subject"] = "Grüße"
        message["From"] = "ådå@a.test"
        message["To"] = "gråce@höhle.test"
        client.send_message(message)
    [(transaction, content)] = submission.mailroom.messages
    assert transaction.protocol == "UTF8SMTPSA"
    assert str(transaction.recipients[0].address) == "gråce@höhle.test"
    assert "Grüße".encode() in content


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_rfc_3207_section_6_what_came_in_clear_behind_starttls_is_forgotten(certificate, ca, loop):
    with (
        Running(certificate, role=Role.SUBMISSION, loop=loop) as running,
        Client(running.address) as client,
    ):
        client.ask(b"EHLO client.test")
        client.send(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<eve@a.test>\r\n")
        assert client.reply() == b"220 2.0.0 Ready to start TLS"
        client.start_tls(ca)
        assert client.ask(b"EHLO client.test").endswith(b"250 HELP")


def test_rfc_3207_section_4_2_the_session_starts_anew(certificate, ca):
    with (
        Running(certificate, role=Role.SUBMISSION, plaintext_auth=True) as running,
        Client(running.address) as client,
    ):
        client.ask(b"EHLO client.test")
        assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"235")
        assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"250")
        client.ask(b"STARTTLS")
        client.start_tls(ca)
        assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"503 5.5.1 Say EHLO")
        assert b"STARTTLS" not in client.ask(b"EHLO client.test")
        assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"530 5.7.0")
        assert client.ask(b"STARTTLS").startswith(b"503 5.5.1")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_handshake_that_fails_leaves_nothing_behind(certificate, loop):
    with Running(certificate, loop=loop) as running:
        with Client(running.address) as client:
            client.ask(b"STARTTLS")
            client.send(b"this is no ClientHello\r\n" * 10)
            assert client.at_end() or client.at_end()
        with Client(running.address) as client:
            client.send(b"STARTTLS\r\n")
            client.socket.shutdown(socket.SHUT_WR)
            assert client.reply().startswith(b"220")
            assert client.at_end()


def test_implicit_tls_needs_a_certificate():
    options = ListenerOptions(Role.SUBMISSION, HOST, implicit_tls=True)
    server = SmtpServer(Mailroom(), options, Shared(), certificates=None)
    with pytest.raises(ValueError, match="certificate"):
        asyncio.run(server.start([]))


# --- AUTH -----------------------------------------------------------------------------------------


def test_rfc_6409_section_4_3_submission_needs_authentication(client):
    assert client.ask(b"MAIL FROM:<ada@a.test>") == b"530 5.7.0 Authentication required"


def test_rfc_4954_section_4_plain_with_an_initial_response(client, clear):
    assert client.ask(b"AUTH PLAIN " + plain()) == b"235 2.7.0 Authentication succeeded"
    assert client.ask(b"MAIL FROM:<ada@a.test>").startswith(b"250")
    assert clear.mailroom.logins == [(ADA, PASSWORD, "PLAIN")]


def test_rfc_4954_section_4_plain_without_an_initial_response(client):
    assert client.ask(b"auth plain") == b"334 "
    assert client.ask(plain()).startswith(b"235")


@pytest.mark.parametrize("initial", [b"", b" " + base64.b64encode(ADA.encode())])
def test_login_asks_for_name_and_password(client, clear, initial):
    if initial:
        assert client.ask(b"AUTH LOGIN" + initial) == b"334 UGFzc3dvcmQ6"
    else:
        assert client.ask(b"AUTH LOGIN") == b"334 VXNlcm5hbWU6"
        assert client.ask(base64.b64encode(ADA.encode())) == b"334 UGFzc3dvcmQ6"
    assert client.ask(base64.b64encode(PASSWORD)).startswith(b"235")
    assert clear.mailroom.logins == [(ADA, PASSWORD, "LOGIN")]


@pytest.mark.parametrize("start", [b"AUTH PLAIN", b"AUTH LOGIN", b"AUTH LOGIN YWRh"])
def test_rfc_4954_section_4_a_star_cancels(client, clear, start):
    client.ask(start)
    assert client.ask(b"*") == b"501 5.7.0 Authentication cancelled"
    assert client.ask(b"NOOP").startswith(b"250")
    assert clear.mailroom.logins == []


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"AUTH"], b"501 5.5.4"),
        ([b"AUTH CRAM-MD5"], b"504 5.5.4"),
        ([b"AUTH PLAIN !"], b"501 5.5.2"),
        ([b"AUTH PLAIN ="], b"501 5.5.2"),
        ([b"AUTH PLAIN", b""], b"501 5.5.2"),
        ([b"AUTH PLAIN", b"x" * 12_287], b"500 5.5.6"),
        ([b"AUTH PLAIN " + plain(authorization="grace@a.test")], b"535 5.7.8"),
        ([b"AUTH PLAIN " + plain(authorization=ADA)], b"235 2.7.0"),
        ([b"AUTH PLAIN " + plain(b"wrong")], b"535 5.7.8"),
    ],
)
def test_rfc_4954_section_4_each_outcome_has_its_reply(client, lines, reply):
    *before, last = lines
    for line in before:
        assert client.ask(line).startswith(b"334")
    assert client.ask(last).startswith(reply)


def test_rfc_4954_section_4_auth_comes_once_and_before_mail(clear):
    with Client(clear.address) as client:
        assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"503")
        client.ask(b"EHLO client.test")
        assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"235")
        assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"503")


def test_rfc_4954_section_4_no_password_is_taken_in_clear(submission):
    with Client(submission.address) as client:
        assert b"AUTH" not in client.ask(b"EHLO client.test")
        assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"538 5.7.11")
    assert submission.mailroom.logins == []


@pytest.mark.parametrize(
    ("error", "reply"),
    [(TryLater(), b"454 4.7.0"), (AccessDenied("rule"), b"535 5.7.8 Authentication failed")],
)
def test_other_reasons_against_a_login(client, clear, error, reply):
    clear.mailroom.errors["authenticate"] = error
    assert client.ask(b"AUTH PLAIN " + plain()).startswith(reply)


def test_failed_logins_of_a_connection_are_bounded(client):
    for _ in range(2):
        assert client.ask(b"AUTH PLAIN " + plain(b"wrong")).startswith(b"535")
    assert client.ask(b"AUTH PLAIN " + plain(b"wrong")).startswith(b"535")
    assert client.reply().startswith(b"421 4.7.0")
    assert client.at_end()


def test_failed_logins_of_a_peer_are_delayed_and_not_checked():
    shared = Shared(guard=Guard(GuardLimits(peer_free=2, first_delay=5)))
    with Running(role=Role.SUBMISSION, plaintext_auth=True, shared=shared) as running:
        for expected in (b"535", b"535", b"535", b"454"):
            with Client(running.address) as client:
                client.ask(b"EHLO client.test")
                reply = client.ask(b"AUTH PLAIN " + plain(b"wrong"))
                assert reply.startswith(expected)
        assert reply == b"454 4.7.0 Too many failures, try again in 5 seconds"
        assert len(running.mailroom.logins) == 3
        running.now += 5
        with Client(running.address) as client:
            client.ask(b"EHLO client.test")
            assert client.ask(b"AUTH PLAIN " + plain()).startswith(b"235")


# --- another client -------------------------------------------------------------------------------


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_submits(clear, mechanism):
    """Without TLS: Debian's swaks brings it only with another package."""
    done = subprocess.run(
        [
            require_peer("swaks"), "--server", "127.0.0.1", "--port", str(clear.address[1]),
            "--auth", mechanism, "--auth-user", ADA, "--auth-password", "right",
            "--from", ADA, "--to", "grace@a.test", "--helo", "client.test", "--pipeline",
            "--body", "hello\\n.\\n..dots",
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [(transaction, content)] = clear.mailroom.messages
    assert transaction.protocol == "ESMTPA"
    assert b"\r\nhello\r\n.\r\n..dots" in content
