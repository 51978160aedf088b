"""TLS of the listeners: a self-signed certificate to begin with, contexts, reloading.

Nothing here is made at import: the supervisor forks after importing everything, and a TLS object
must not be shared over a fork. Each process makes its own ``Certificates``.
"""

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)
HANDSHAKE_SECONDS = 30.0


def ensure_self_signed(directory: Path, hostname: str, now: dt.datetime) -> Path:
    """Path of a PEM file (mode 0600) with key and certificate for this host, made if need be.

    Names: ``hostname``, localhost, 127.0.0.1; P-256; a year. It is kept until 30 days before its
    end or until the host is called otherwise. ``self-signed.crt`` beside it holds the certificate
    alone, for clients that shall trust it. ``now`` is an aware time. Raises OSError.
    """
    path = directory / "self-signed.pem"
    names = _alternative_names(hostname)
    if not _is_usable(path, names, now):
        directory.mkdir(parents=True, exist_ok=True)
        key, certificate = _make(hostname, names, now)
        _write(path, key + certificate, 0o600)
        _write(directory / "self-signed.crt", certificate, 0o644)
    return path


class Certificates:
    """The server side's SSLContext, which takes up new files without being replaced.

    ``key`` may be None where the certificate file holds the key too. Raises OSError and
    ssl.SSLError (a subclass of it) where the files are missing or do not fit together.
    """

    def __init__(self, certificate: Path, key: Path | None = None) -> None:
        self._certificate = certificate
        self._key = key
        self.context = server_context()
        self.context.load_cert_chain(certificate, key)

    def reload(self, certificate: Path | None = None, key: Path | None = None) -> None:
        """Use the files as they are now, or other ones, for new connections.

        At an error the old ones stay; raises as the constructor does.
        """
        if certificate is None:
            certificate, key = self._certificate, self._key
        server_context().load_cert_chain(certificate, key)
        self.context.load_cert_chain(certificate, key)
        self._certificate, self._key = certificate, key


def server_context() -> ssl.SSLContext:
    """TLS 1.2 or later, no renegotiation (RFC 8996, RFC 9325), no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _alternative_names(hostname: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if hostname.isascii() and hostname != "localhost":
        names.insert(0, x509.DNSName(hostname))
    return [*names, x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]


def _is_usable(path: Path, names: Sequence[x509.GeneralName], now: dt.datetime) -> bool:
    try:
        pem = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        serialization.load_pem_private_key(pem, None)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return list(found.value) == list(names) and certificate.not_valid_after_utc - now > RENEW_BEFORE


def _make(
    hostname: str, names: Sequence[x509.GeneralName], now: dt.datetime
) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    # X.520 bounds a common name to 64 characters; the alternative names are what counts.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signing_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace in one step, so that a process that starts at the same moment reads one whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
