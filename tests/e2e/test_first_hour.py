"""The operator's first hour: quickstart, DNS, serve, doctor, selftest, as a stranger does it."""

from __future__ import annotations

import http.client
import imaplib
import json
import os
import signal
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509

from tests.support.acme import AcmeServer
from tests.support.dns import DnsServer, dns_beside
from tests.support.installation import ADDRESS, HOST, Installation, secret, zone_of
from tests.support.server import Server, command_line

pytestmark = pytest.mark.e2e


@pytest.fixture
def dns_server() -> Iterator[tuple[DnsServer, str]]:
    """A DNS server on a loop of its own."""
    with dns_beside() as made:
        yield made


def test_from_nothing_to_a_server_that_writes_to_itself(
    tmp_path: Path, dns_server: tuple[DnsServer, str]
) -> None:
    zone, where = dns_server
    made = Installation(tmp_path)
    said = made.quickstart()
    password = secret(said, "password")

    # Rights, and where the keys are.
    assert stat.S_IMODE(made.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data-keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(made.config.stat().st_mode) & 0o037 == 0
    assert (tmp_path / "data-keys" / "keys.db").exists()
    assert password not in "".join(
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    )

    # A second run says what there is and changes nothing.
    before = made.tree()
    again = made.quickstart()
    assert "Nothing was changed" in again
    assert "password" not in again
    assert zone_of(again) == zone_of(said)
    assert made.tree() == before

    # The owner copies the block, and asks for the PTR.
    zone.records |= zone_of(said)
    assert {kind for kind, _ in zone.records} == {"A", "MX", "TXT", "CNAME", "SRV"}
    assert f"25.2.0.192.in-addr.arpa. 3600 IN PTR {HOST}." in said
    zone.records["PTR", "25.2.0.192.in-addr.arpa"] = [HOST]

    made.env = {"WORKPOST_DNS__SERVERS": where, "WORKPOST_PROCESSES__FRONT_ENDS": "2"}
    server = made.server().start()
    try:
        _doctor_is_content(made)
        _selftest_leaves_nothing(made, server)
        _first_person_and_key_work(server, said, password)
        _policy_is_served(server)
    finally:
        server.stop()


def _doctor_is_content(made: Installation) -> None:
    assert made.run("backup", str(made.folder / "data.tar")).returncode == 0
    keys = str(made.folder / "keys.tar")
    done = command_line("keys", "backup", keys, "--config", str(made.config), env=made.env)
    assert done.returncode == 0
    done = made.run("doctor", "--json", "--address", ADDRESS)
    found = json.loads(done.stdout)
    complaints = {
        one["check"] for one in found["Findings"] if one["level"] in {"warning", "failure"}
    }
    # The certificate is its own.
    assert complaints <= {"certificate", "certificate.mta-sts", "disk.space"}, done.stdout
    assert {"port.smtp", "port.imaps", "port.managesieve", "dns.mx", "dns.dkim", "dns.reverse"} <= {
        one["check"] for one in found["Findings"]
    }


def _selftest_leaves_nothing(made: Installation, server: Server) -> None:
    done = made.run("selftest", "--json")
    steps = json.loads(done.stdout)
    assert (done.returncode, steps["Good"]) == (0, True), done.stdout + done.stderr
    names = [step["name"] for step in steps["Steps"]]
    assert names[0].startswith("submission")
    assert any("another server" in name for name in names)
    assert all(0 < step["milliseconds"] < 20_000 for step in steps["Steps"])
    assert names[-1] == "its DKIM signatures"
    assert steps["Steps"][-1]["remark"] == "pass rsa-sha256, pass ed25519-sha256"


def _first_person_and_key_work(server: Server, said: str, password: str) -> None:
    host, port = server.address("imaps")
    context = ssl.create_default_context(cafile=str(server.data / "tls" / "self-signed.crt"))
    context.check_hostname = False
    with imaplib.IMAP4_SSL(host, port, ssl_context=context) as client:
        assert client.login("ada@example.org", password)[0] == "OK"
    workmail = boto3.client(
        "workmail",
        region_name="us-east-1",
        endpoint_url=server.told["api"],
        aws_access_key_id=secret(said, "access key id"),
        aws_secret_access_key=secret(said, "secret access key"),
    )
    (organization,) = workmail.list_organizations()["OrganizationSummaries"]
    assert organization["DefaultMailDomain"] == "example.org"
    users = workmail.list_users(OrganizationId=organization["OrganizationId"])["Users"]
    assert [user["Email"] for user in users] == ["ada@example.org"]
    aliases = workmail.list_aliases(
        OrganizationId=organization["OrganizationId"], EntityId=users[0]["Id"]
    )["Aliases"]
    assert {"postmaster@example.org", "abuse@example.org"} <= set(aliases)


def _policy_is_served(server: Server) -> None:
    host, port = server.address("https")
    context = ssl.create_default_context(cafile=str(server.data / "tls" / "self-signed.crt"))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=30)
    connection.request("GET", "/.well-known/mta-sts.txt", headers={"Host": "mta-sts.example.org"})
    answer = connection.getresponse()
    assert (answer.status, b"mx: mail.example.org" in answer.read()) == (200, True)
    connection.close()


def shown(server: Server) -> str:
    """Who issued the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(server.address("imaps"), 5) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()


def test_a_certificate_is_fetched_and_shown_by_every_process(
    tmp_path: Path, dns_server: tuple[DnsServer, str]
) -> None:
    authority = AcmeServer(tmp_path / "authority")
    made = Installation(
        tmp_path / "here",
        *("--tls", "acme", "--agree-tos", "--acme-directory", authority.directory),
    )
    made.folder.mkdir()
    made.quickstart()
    made.env = {
        "WORKPOST_ACME__CA_FILE": str(authority.ca_file),
        "WORKPOST_PROCESSES__FRONT_ENDS": "2",
        # DNS knows nothing: only the host's own name is ordered.
        "WORKPOST_DNS__SERVERS": dns_server[1],
    }
    server = made.server().start()
    try:
        assert shown(server) == f"CN={HOST}"
        state = made.data / "tls" / "acme" / "state.json"
        _until(lambda: state.exists() and "no address" in state.read_text(), 30)
        # The operator has mended it, and says so.
        authority.ports[HOST] = server.address("acme")[1]
        os.kill(server.pid, signal.SIGHUP)
        _until(lambda: "Test authority" in shown(server), 30)
        # Whichever process accepts: all take it up.
        _until(lambda: {shown(server) for _ in range(20)} == {"CN=Test authority"}, 30)
    finally:
        server.stop()
        authority.close()


def _until(true: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
