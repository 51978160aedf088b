"""Behind others: a mail server that hands mail on over LMTP, and proxies that name the client."""

from __future__ import annotations

import imaplib
import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.peers import require_peer
from tests.support.postfix_front import PostfixInFront
from tests.support.server import Server, compose

MESSAGE = b"From: bob@b.test\r\nSubject: %b\r\n\r\nHello.\r\n"
VIA = b"PROXY TCP4 %b 127.0.0.1 40000 25\r\n"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not tmp_path: its long name does not fit a Unix socket's.
    made = Path(tempfile.mkdtemp(prefix="wp-front-"))
    made.chmod(0o755)  # for Postfix, whose daemons change to another user
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    environment = {
        "WORKPOST_LISTENERS__LMTP": f"127.0.0.1:0, unix:{folder}/lmtp",
        "WORKPOST_LISTENERS__PROXIES": "127.0.0.1 smtp submission imaps https",
        "WORKPOST_PROCESSES__FRONT_ENDS": "1",
        "WORKPOST_SMTP__MESSAGES_PER_ADDRESS": "3",
    }
    started = Server(folder / "data", env=environment).start()
    yield started
    assert started.stop() == 0
    assert not (folder / "lmtp").exists()


def inbox(server: Server, user: str, subject: str, seconds: float = 30.0) -> bytes:
    """The message with this subject, waited for."""
    until = time.monotonic() + seconds
    with imap_via(server, "198.51.100.77", user) as client:
        while time.monotonic() < until:
            client.select()
            _, (found,) = client.search(None, "SUBJECT", f'"{subject}"')
            if found:
                _, fetched = client.fetch(found.split()[0].decode(), "(BODY[])")
                assert isinstance(fetched[0], tuple)
                return bytes(fetched[0][1])
            time.sleep(0.1)
    raise AssertionError(f"no message about {subject} came")


class imap_via(imaplib.IMAP4):  # noqa: N801 - used as a function
    """IMAP with TLS behind a proxy that names the client."""

    def __init__(self, server: Server, address: str, user: str) -> None:
        self._server, self._address = server, address
        super().__init__(*server.address("imaps"), timeout=30)
        try:
            self.login(f"{user}@demo.test", server.password(user))
        except imaplib.IMAP4.error:
            self.shutdown()
            raise

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self.host, self.port), timeout)
        plain.sendall(VIA % self._address.encode())
        return self._server.tls.wrap_socket(plain, server_hostname="localhost")


# --- LMTP -----------------------------------------------------------------------------------------


def test_lmtp_over_a_unix_socket_answers_for_each_recipient(server: Server, folder: Path) -> None:
    with smtplib.LMTP(f"{folder}/lmtp") as client:
        client.ehlo_or_helo_if_needed()
        client.mail("bob@b.test")
        codes = [client.rcpt(f"{name}@demo.test")[0] for name in ("ada", "nobody", "grace")]
        assert codes == [250, 550, 250]
        assert client.data(MESSAGE % b"through-a-file")[0] == 250
        assert client.getreply()[0] == 250
    for user in ("ada", "grace"):
        raw = inbox(server, user, "through-a-file")
        assert b" with LMTP id " in raw


def test_swaks_speaks_lmtp(server: Server) -> None:
    host, port = server.address("lmtp")
    swaks = subprocess.run(
        [require_peer("swaks"), "--protocol", "LMTP", "--server", host, "--port", str(port),
         "--from", "bob@b.test", "--to", "ada@demo.test,grace@demo.test",
         "--header", "Subject: from-swaks"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert swaks.returncode == 0, swaks.stdout + swaks.stderr
    assert swaks.stdout.count("Accepted as") == 2
    inbox(server, "grace", "from-swaks")


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root to change users")
def test_postfix_hands_mail_on_and_bounces_what_we_refuse(server: Server, folder: Path) -> None:
    home = folder / "postfix"
    home.mkdir()
    host, port = server.address("lmtp")
    front = PostfixInFront(home, domain="demo.test", lmtp=f"{host}:{port}", tls="encrypt")
    try:
        with smtplib.SMTP("127.0.0.1", front.port) as client:
            to = ["ada@demo.test", "nobody@demo.test", "grace@demo.test"]
            raw = MESSAGE.replace(b"bob@b.test", b"ada@demo.test") % b"over-postfix"
            client.sendmail(
                "ada@demo.test", to, raw + b".dot\r\n..\r\n", rcpt_options=["NOTIFY=FAILURE"]
            )
        taken = inbox(server, "grace", "over-postfix")
        assert taken.endswith(b"\r\n.dot\r\n..\r\n")
        assert b"Received: from front.example ([127.0.0.1])" in taken
        assert b" with LMTPS id " in taken
        bounce = inbox(server, "ada", "Undelivered Mail Returned to Sender")
        assert b"Return-Path: <>" in bounce
        assert b"nobody@demo.test" in bounce
        assert b"5.1.1" in bounce
    finally:
        front.close()
    log = front.log
    assert log.count("status=sent") >= 3
    assert "status=bounced" in log
    assert "status=deferred" not in log


# --- proxies --------------------------------------------------------------------------------------


def test_received_tells_whom_the_proxy_has_named(server: Server) -> None:
    host, port = server.address("smtp")
    swaks = subprocess.run(
        [require_peer("swaks"), "--server", host, "--port", str(port), "--from", "bob@b.test",
         "--to", "ada@demo.test", "--header", "Subject: through-a-proxy", "--helo", "mx.b.test",
         "--proxy-version", "2", "--proxy-command", "PROXY", "--proxy-family", "AF_INET6",
         "--proxy-protocol", "STREAM", "--proxy-source", "2001:db8::25",
         "--proxy-source-port", "4711", "--proxy-dest", "::1", "--proxy-dest-port", "25"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert swaks.returncode == 0, swaks.stdout + swaks.stderr
    raw = inbox(server, "ada", "through-a-proxy")
    assert b"Received: from mx.b.test ([IPv6:2001:db8::25])" in raw


def test_curl_behind_a_proxy_delivers(server: Server, folder: Path) -> None:
    host, port = server.address("smtp")
    (folder / "mail").write_bytes(MESSAGE % b"from-curl")
    done = subprocess.run(
        [require_peer("curl"), "-sS", "--haproxy-protocol", f"smtp://{host}:{port}/mx.b.test",
         "--mail-from", "bob@b.test", "--mail-rcpt", "ada@demo.test", "-T", str(folder / "mail")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inbox(server, "ada", "from-curl")


def test_rates_count_the_client_and_not_the_proxy(server: Server) -> None:
    def codes(address: bytes, count: int) -> list[bytes]:
        with socket.create_connection(server.address("smtp"), timeout=30) as client:
            reader = client.makefile("rb")
            client.sendall(VIA % address)
            reader.readline()
            client.sendall(b"HELO mx.b.test\r\n" + b"MAIL FROM:<>\r\nRSET\r\n" * count)
            reader.readline()
            answers = [reader.readline()[:3] for _ in range(2 * count)]
        return answers[::2]

    assert codes(b"203.0.113.1", 4) == [b"250", b"250", b"250", b"450"]
    assert codes(b"203.0.113.1", 1) == [b"450"]
    assert codes(b"203.0.113.2", 1) == [b"250"]


def test_access_rules_see_the_client_behind_a_proxy(server: Server) -> None:
    workmail = server.aws()
    organization = server.account["organization_id"]
    workmail.put_access_control_rule(
        OrganizationId=organization, Name="elsewhere", Effect="DENY", Description="Not from there",
        IpRanges=["203.0.113.0/24"],
    )  # fmt: skip
    workmail.put_access_control_rule(
        OrganizationId=organization, Name="else", Effect="ALLOW", Description="All others"
    )
    with pytest.raises(imaplib.IMAP4.error, match="NOPERM"):
        imap_via(server, "203.0.113.9", "ada")
    with imap_via(server, "198.51.100.9", "ada") as client:
        assert client.select()[0] == "OK"
    workmail.delete_access_control_rule(OrganizationId=organization, Name="elsewhere")
    workmail.delete_access_control_rule(OrganizationId=organization, Name="else")


def test_health_is_told_to_the_clients_that_may_ask(server: Server) -> None:
    """Curl's own header says 127.0.0.1, one of ours says who is not."""

    def ask(address: str) -> bytes:
        with socket.create_connection(server.address("https"), timeout=30) as plain:
            plain.sendall(VIA % address.encode())
            with server.tls.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return client.makefile("rb").readline()

    assert b" 200 " in ask("127.0.0.1")
    assert b" 403 " in ask("203.0.113.9")


def test_a_listener_without_proxies_knows_no_header(server: Server) -> None:
    with socket.create_connection(server.address("imap"), timeout=30) as client:
        client.sendall(VIA % b"192.0.2.1")
        reader = client.makefile("rb")
        assert reader.readline().startswith(b"* OK")
        assert b" BAD " in reader.readline()


def test_people_log_in_behind_a_proxy_and_submit(server: Server) -> None:
    class Proxied(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            plain = socket.create_connection((host, port), timeout)
            plain.sendall(VIA % b"198.51.100.8")
            return plain

    with Proxied(*server.address("submission"), timeout=30) as client:
        client.starttls(context=server.tls)
        client.login("ada@demo.test", server.password("ada"))
        client.send_message(compose("ada@demo.test", "grace@demo.test", "submitted-behind"))
    assert b"[198.51.100.8]" in inbox(server, "grace", "submitted-behind")
