"""Certificates and contexts of the listeners."""

import datetime as dt
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from workpost.protocols.listening.tls import (
    Certificates,
    ensure_self_signed,
    server_context,
)

NOW = dt.datetime.now(dt.UTC)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def handshake(certificates: Certificates, ca: Path, hostname: str) -> dict[str, object]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=serve, args=(certificates.context, ours))
        thread.start()
        context = ssl.create_default_context(cafile=str(ca))
        try:
            with context.wrap_socket(theirs, server_hostname=hostname) as tls:
                return {"serial": tls.getpeercert()["serialNumber"], "version": tls.version()}
        finally:
            theirs.close()
            thread.join()


def serve(context, raw):
    try:
        with context.wrap_socket(raw, server_side=True) as tls:
            tls.recv(1)
    except OSError:
        pass


def test_the_certificate_is_p_256_for_a_year_and_the_names_of_the_host(tmp_path):
    path = ensure_self_signed(tmp_path / "tls", "mail.a.test", NOW)
    certificate = load(path)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mail.a.test", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    assert certificate.not_valid_after_utc - NOW == pytest.approx(
        dt.timedelta(days=365), abs=dt.timedelta(seconds=2)
    )


def test_the_key_is_for_its_owner_only(tmp_path):
    path = ensure_self_signed(tmp_path, "mail.a.test", NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in (tmp_path / "self-signed.crt").read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "self-signed.crt",
        "self-signed.pem",
    ]


@pytest.mark.parametrize("hostname", ["localhost", "höhle.test", "a" * 63 + ".b.test"])
def test_any_host_name_gets_a_certificate(tmp_path, hostname):
    assert ensure_self_signed(tmp_path, hostname, NOW).exists()


def test_it_is_kept_while_it_serves(tmp_path):
    first = ensure_self_signed(tmp_path, "mail.a.test", NOW).read_bytes()
    later = NOW + dt.timedelta(days=300)
    assert ensure_self_signed(tmp_path, "mail.a.test", later).read_bytes() == first


@pytest.mark.parametrize(
    ("hostname", "later"), [("other.a.test", 0), ("mail.a.test", 340), ("mail.a.test", 400)]
)
def test_it_is_renewed_for_another_name_and_before_its_end(tmp_path, hostname, later):
    first = ensure_self_signed(tmp_path, "mail.a.test", NOW).read_bytes()
    path = ensure_self_signed(tmp_path, hostname, NOW + dt.timedelta(days=later))
    assert path.read_bytes() != first


def test_rubbish_in_its_place_is_replaced(tmp_path):
    (tmp_path / "self-signed.pem").write_bytes(b"rubbish")
    assert load(ensure_self_signed(tmp_path, "mail.a.test", NOW))


@pytest.mark.parametrize("hostname", ["mail.a.test", "localhost", "127.0.0.1"])
def test_a_client_that_trusts_it_verifies_every_name(tmp_path, hostname):
    path = ensure_self_signed(tmp_path, "mail.a.test", NOW)
    seen = handshake(Certificates(path), tmp_path / "self-signed.crt", hostname)
    assert seen["version"] == "TLSv1.3"


def test_new_files_are_taken_up_without_a_new_context(tmp_path):
    path = ensure_self_signed(tmp_path, "mail.a.test", NOW)
    certificates = Certificates(path)
    context = certificates.context
    path.unlink()
    ensure_self_signed(tmp_path, "mail.a.test", NOW)
    certificates.reload()
    assert certificates.context is context
    seen = handshake(certificates, tmp_path / "self-signed.crt", "localhost")
    assert int(str(seen["serial"]), 16) == load(path).serial_number


def test_files_that_are_no_good_leave_the_old_ones_in_use(tmp_path):
    path = ensure_self_signed(tmp_path, "mail.a.test", NOW)
    certificates = Certificates(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ssl.SSLError):
        certificates.reload()
    assert handshake(certificates, tmp_path / "self-signed.crt", "localhost")


def test_rfc_8996_tls_1_2_is_the_least():
    assert server_context().minimum_version is ssl.TLSVersion.TLSv1_2
