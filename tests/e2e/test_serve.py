"""The contract of `workpost serve`: what it tells and refuses, how it starts and stops."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import smtplib
import socket
import ssl
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.e2e.conftest import MakeServer
from tests.support import crash
from tests.support.server import Server, command_line, compose
from workpost.protocols.listening.tls import ensure_self_signed

LISTENERS = {"http", "https", "smtp", "submission", "submissions", "imap", "imaps", "managesieve"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    """A demo server that these tests share and none of them stops."""
    server = Server(tmp_path_factory.mktemp("serve") / "data").start()
    yield server
    server.kill()


def get(url: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=30, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def one_line(text: str) -> bool:
    return text.startswith("workpost") and text.count("\n") == 1 and text.endswith("\n")


def subjects(server: Server, name: str = "ada") -> list[str]:
    with server.imapclient(name) as client:
        client.select_folder("INBOX", readonly=True)
        rows = client.fetch(client.search(), ["ENVELOPE"]).values()
        return [row[b"ENVELOPE"].subject.decode() for row in rows]


# --- what it tells ---


def test_endpoints_names_every_listener_and_all_accept(demo: Server) -> None:
    told = demo.told
    assert set(told) == LISTENERS | {"api", "pid"}
    assert told["pid"] == demo.pid
    assert told["api"] == told["http"]
    assert told["http"].startswith("http://127.0.0.1:")
    assert told["https"].startswith("https://127.0.0.1:")
    for listener in LISTENERS:
        socket.create_connection(demo.address(listener), timeout=30).close()


def test_demo_json_is_private_and_complete(demo: Server) -> None:
    path = demo.data / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    account = json.loads(path.read_bytes())
    assert set(account) == {
        "account_id", "region", "access_key_id", "secret_access_key",
        "organization_id", "domain", "users",
    }  # fmt: skip
    assert (account["region"], account["domain"]) == ("us-east-1", "demo.test")
    assert [user["email"] for user in account["users"]] == ["ada@demo.test", "grace@demo.test"]
    assert all(set(user) == {"email", "name", "password"} for user in account["users"])


def test_the_demo_has_a_room_a_group_and_six_messages(demo: Server) -> None:
    client, organization = demo.aws(), demo.account["organization_id"]
    kinds = {
        name: client.describe_entity(OrganizationId=organization, Email=f"{name}@demo.test")["Type"]
        for name in ("ada", "everyone", "boardroom")
    }
    assert kinds == {"ada": "USER", "everyone": "GROUP", "boardroom": "RESOURCE"}
    demo_mail = {*subjects(demo, "ada"), *subjects(demo, "grace")}
    assert len(demo_mail) >= 6


def test_the_data_directory_is_for_its_owner_only(demo: Server) -> None:
    assert stat.S_IMODE(demo.data.stat().st_mode) == 0o700


def test_health_and_metrics_answer(demo: Server) -> None:
    assert get(f"{demo.told['http']}/healthz") == (200, b"ok\n")
    assert get(f"{demo.told['https']}/healthz", demo.tls) == (200, b"ok\n")
    status, text = get(f"{demo.told['http']}/metrics")
    assert status == 200
    assert b"# TYPE " in text


def test_the_self_signed_certificate_names_this_host(demo: Server) -> None:
    certificate = x509.load_pem_x509_certificate(
        (demo.data / "tls" / "self-signed.crt").read_bytes()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    left = certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=360) < left <= dt.timedelta(days=366)


# --- what it refuses ---


def test_a_second_serve_on_the_same_directory_exits_75(demo: Server) -> None:
    done = command_line("serve", "--data", str(demo.data), "--random-ports")
    assert done.returncode == 75
    assert one_line(done.stderr), done.stderr
    assert demo.told["pid"] == demo.pid


def test_a_demo_refuses_listeners_that_others_can_reach(tmp_path: Path) -> None:
    done = command_line(
        "serve", "--data", str(tmp_path / "data"), "--demo",
        env={"WORKPOST_LISTENERS__IMAP": "0.0.0.0:0"},
    )  # fmt: skip
    assert done.returncode == 78
    assert one_line(done.stderr), done.stderr
    assert "listeners.imap" in done.stderr
    assert not (tmp_path / "data" / "run" / "endpoints.json").exists()


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("WORKPOST_LISTENERS__IMAPP", "127.0.0.1:0", "listeners.imapp"),
        ("WORKPOST_LISTENERS__IMAP", "nonsense", "listeners.imap"),
        ("WORKPOST_PROCESSES__FRONT_ENDS", "many", "FRONT_ENDS"),
        ("WORKPOST_DATABASE__URL", "mysql://x", "database.url"),
        ("WORKPOST_TLS__CERTIFICATE", "/nowhere/cert.pem", "tls"),
    ],
)
def test_settings_that_cannot_be_used_exit_78(
    tmp_path: Path, variable: str, value: str, word: str
) -> None:
    done = command_line(
        "serve", "--data", str(tmp_path / "data"), "--random-ports", env={variable: value}
    )
    assert done.returncode == 78
    assert one_line(done.stderr), done.stderr
    assert word in done.stderr


@pytest.mark.parametrize("name", ["absent.pem", "nonsense.pem"])
@pytest.mark.parametrize("option", ["--random-ports", "--inline"])
def test_certificate_files_that_cannot_be_used_exit_78(
    tmp_path: Path, name: str, option: str
) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    file = str(tmp_path / name)
    done = command_line(
        "serve", "--data", str(tmp_path / "data"), "--random-ports", option,
        env={"WORKPOST_TLS__CERTIFICATE": file, "WORKPOST_TLS__KEY": file},
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert one_line(done.stderr), done.stderr
    assert file in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path, demo: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command_line(
            "serve", "--data", str(tmp_path / "data"), env={"WORKPOST_LISTENERS__HTTP": at}
        )
    assert done.returncode == 78
    assert one_line(done.stderr), done.stderr
    assert at in done.stderr


def test_roles_that_do_not_exist_are_named(tmp_path: Path) -> None:
    done = command_line("serve", "--data", str(tmp_path / "data"), "--roles", "imap,pop3")
    assert done.returncode == 78
    assert one_line(done.stderr)
    assert "pop3" in done.stderr


# --- how it runs ---


def test_roles_serve_only_their_listeners(make_server: MakeServer) -> None:
    server = make_server("data", "--roles", "api").start()
    assert set(server.told) == {"api", "http", "https", "pid"}
    assert server.aws().list_organizations()["OrganizationSummaries"]
    assert server.stop() == 0


def test_a_listener_that_is_off_is_absent(make_server: MakeServer) -> None:
    server = make_server(env={"WORKPOST_LISTENERS__SMTP": "off"}).start()
    assert set(server.told) == (LISTENERS - {"smtp"}) | {"api", "pid"}


def test_inline_is_the_whole_server_in_one_process(make_server: MakeServer) -> None:
    server = make_server("data", "--inline").start()
    assert server.children == []
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Inline"))
    assert "Inline" in subjects(server, "grace")
    assert server.aws().list_organizations()["OrganizationSummaries"]
    assert server.stop() == 0
    assert server.told == {}


def test_the_number_of_front_ends_is_a_setting(make_server: MakeServer) -> None:
    server = make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "3"}).start()
    assert len(server.front_ends) == 3
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Three"))
    assert "Three" in subjects(server, "grace")


def make_certificate(folder: Path, name: str) -> dict[str, str]:
    pem = ensure_self_signed(folder / name, name, dt.datetime.now(dt.UTC)).read_bytes()
    (folder / "live.pem").write_bytes(pem)
    return {
        "WORKPOST_TLS__CERTIFICATE": str(folder / "live.pem"),
        "WORKPOST_TLS__KEY": str(folder / "live.pem"),
    }


def served_certificate(server: Server, listener: str) -> str:
    """The name in the certificate that a listener shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(server.address(listener), timeout=30) as line:
        if listener == "submission":
            client = smtplib.SMTP()
            client.sock = line
            client.getreply()
            client.ehlo("client.example")
            client.docmd("STARTTLS")
        with context.wrap_socket(line) as tls:
            certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    return certificate.subject.rfc4514_string()


def test_sighup_takes_up_new_certificates_and_disturbs_nobody(
    make_server: MakeServer, tmp_path: Path
) -> None:
    files = make_certificate(tmp_path, "old.example")
    server = make_server(env=files).start()
    listeners = ("https", "imaps", "submissions", "submission")
    assert {served_certificate(server, one) for one in listeners} == {"CN=old.example"}
    with socket.create_connection(server.address("imap"), timeout=30) as session:
        session.recv(1000)
        make_certificate(tmp_path, "new.example")
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 30
        for listener in listeners * 4:  # every front end
            while served_certificate(server, listener) != "CN=new.example":
                assert time.monotonic() < deadline
                time.sleep(0.02)
        session.sendall(b"a NOOP\r\n")
        assert b"a OK" in session.recv(1000)
        (tmp_path / "live.pem").write_bytes(b"not a certificate")
        os.kill(server.pid, signal.SIGHUP)
        session.sendall(b"b NOOP\r\n")
        assert b"b OK" in session.recv(1000)
    assert {served_certificate(server, one) for one in listeners} == {"CN=new.example"}
    assert "the new certificate cannot be used" in server.last_words


# --- how it stops and starts again ---


def test_sigterm_exits_0_takes_the_announcement_back_and_keeps_everything(
    make_server: MakeServer,
) -> None:
    server = make_server().start()
    before = server.account
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Kept"))
    assert server.stop() == 0
    assert not (server.data / "run" / "endpoints.json").exists()
    server.start()
    assert server.account == before
    assert subjects(server, "grace").count("Kept") == 1
    assert len(server.aws().list_organizations()["OrganizationSummaries"]) == 1


def test_sigint_to_the_whole_group_is_a_clean_stop_too(make_server: MakeServer) -> None:
    server = make_server().start()
    os.killpg(server.pid, signal.SIGINT)
    assert server.process.wait(30) == 0
    assert server.told == {}
    assert "rror" not in server.last_words


def test_sigterm_to_the_whole_group_is_a_clean_stop_too(make_server: MakeServer) -> None:
    server = make_server().start()
    os.killpg(server.pid, signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert server.told == {}
    assert "rror" not in server.last_words


def test_sigterm_ends_within_ten_seconds_whatever_clients_do(make_server: MakeServer) -> None:
    server = make_server().start()
    lines = {name: socket.create_connection(server.address(name), 30) for name in LISTENERS}
    idler = lines["imap"]
    secret = server.password("ada")
    say(idler, f'a LOGIN ada@demo.test "{secret}"', "b SELECT INBOX", "c IDLE")
    half = lines["smtp"]
    say(half, "EHLO x.example", "MAIL FROM:<x@x.example>", "RCPT TO:<ada@demo.test>", "DATA")
    half.sendall(b"Subject: never finished\r\n\r\nand so")
    started = time.monotonic()
    assert server.stop(10) == 0
    assert time.monotonic() - started < 10
    heard = idler.makefile("rb").read()
    assert b"* BYE" in heard
    for line in lines.values():
        line.close()
    server.start()
    assert "never finished" not in subjects(server)


def say(line: socket.socket, *commands: str) -> None:
    """Send commands and wait for each one's answer to begin."""
    line.settimeout(30)
    line.recv(4000)
    for command in commands:
        line.sendall(command.encode() + b"\r\n")
        assert line.recv(4000)


def test_what_is_under_way_at_sigterm_is_finished(make_server: MakeServer) -> None:
    server = make_server().start()
    raw = compose("x@x.example", "ada@demo.test", "Under way").as_bytes().replace(b"\n", b"\r\n")
    line = socket.create_connection(server.address("smtp"), 30)
    say(line, "EHLO x.example", "MAIL FROM:<x@x.example>", "RCPT TO:<ada@demo.test>", "DATA")
    line.sendall(raw[:50])
    stopped: list[int] = []
    stopping = threading.Thread(target=lambda: stopped.append(server.stop()))
    stopping.start()
    time.sleep(0.3)
    line.sendall(raw[50:] + b".\r\n")
    answer = line.recv(1000)
    line.close()
    stopping.join()
    assert stopped == [0]
    server.start()
    assert answer.startswith((b"250", b"421"))
    assert subjects(server).count("Under way") == int(answer.startswith(b"250"))


def test_a_stop_under_load_loses_nothing_and_breaks_no_promise(make_server: MakeServer) -> None:
    server = make_server().start()
    field = crash.Field([server], seed=time.time_ns())
    for number in range(3):
        crash.play_round(field, number, crash.STRIKES["stop"])
    assert field.ledger.unanswered == 0
    assert "went wrong" not in server.last_words


def test_after_kill_9_the_next_start_needs_no_help(make_server: MakeServer) -> None:
    server = make_server().start()
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Before"))
    server.kill()
    stale = server.told
    assert stale["pid"] == server.pid
    server.start(wait=False)
    deadline = time.monotonic() + 30
    while server.told.get("pid") == stale["pid"]:
        assert time.monotonic() < deadline, "the stale announcement stays"
        time.sleep(0.001)
    server.wait_ready()
    assert subjects(server, "grace").count("Before") == 1


def test_a_child_that_dies_is_replaced_and_the_address_stays(make_server: MakeServer) -> None:
    server = make_server().start()
    told = server.told
    dead = server.children
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(set(server.children) - set(dead)) < len(dead):
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.02)
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Again"))
    assert "Again" in subjects(server, "grace")
    assert server.told == told


def test_children_die_with_the_supervisor(make_server: MakeServer) -> None:
    server = make_server().start()
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 30
    while not server.is_gone:
        assert time.monotonic() < deadline, "children outlive the supervisor"
        time.sleep(0.01)
    server.start()
    assert subjects(server)


def test_a_first_start_that_is_cut_short_begins_again(make_server: MakeServer) -> None:
    server = make_server()
    for pause in (0.45, 0.6, 0.7, 0.8):
        server.start(wait=False)
        time.sleep(pause)
        server.kill()
    server.start()
    assert len(server.aws().list_organizations()["OrganizationSummaries"]) >= 1
    assert len(subjects(server, "ada")) + len(subjects(server, "grace")) >= 6


def test_a_demo_directory_can_be_served_without_demo(make_server: MakeServer) -> None:
    server = make_server().start()
    assert server.stop() == 0
    server.demo = False
    server.start()
    assert subjects(server)
    host, port = server.address("submission")
    with smtplib.SMTP(host, port, timeout=30) as plain:
        plain.ehlo("client.example")
        assert "auth" not in plain.esmtp_features
        with pytest.raises(smtplib.SMTPNotSupportedError):
            plain.login("ada@demo.test", server.password("ada"))
    with socket.create_connection(server.address("imap"), timeout=30) as line:
        assert b"LOGINDISABLED" in line.recv(1000)


def test_a_demo_leaves_an_organization_of_that_name_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Server(data).start()
    before = first.aws().list_organizations()["OrganizationSummaries"]
    key = (first.account["access_key_id"], first.account["secret_access_key"])
    first.stop()
    (data / "demo.json").unlink()

    refused = command_line("serve", "--demo", "--random-ports", "--data", str(data))
    assert refused.returncode != 0
    assert "already; serve without --demo" in refused.stderr

    again = Server(data, demo=False).start()
    assert again.aws(key=key).list_organizations()["OrganizationSummaries"] == before
    again.stop()


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def test_sighup_takes_up_live_settings_and_survives_wrong_ones(tmp_path: Path) -> None:
    file = tmp_path / "workpost.toml"
    file.write_text("[limits]\nmessage_bytes = 1000000\n")
    server = Server(tmp_path / "data", "--config", str(file)).start()

    def announced() -> set[str]:
        sizes = set()
        for _ in range(8):
            with smtplib.SMTP(*server.address("smtp"), timeout=30) as client:
                client.ehlo()
                sizes.add(client.esmtp_features["size"])
        return sizes

    assert announced() == {"1000000"}
    file.write_text("[limits]\nmessage_bytes = 2000000\n")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: announced() == {"2000000"})
    file.write_text("[limits]\nmessage_bytes = -1\n")
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: "the old ones stay" in server.log.read_text())
    assert announced() == {"2000000"}
    server.stop()
