"""What an installation keeps of an authority, in `tls/acme/` of the data directory (mode 0700).

account.json      the account's private key, a JWK (mode 0600)
thumbprint        of that key, with which questions on port 80 are answered
key.pem           the certificate's private key (mode 0600); it stays at a renewal, so that a TLSA
                  record stays true (RFC 7671 8.1)
certificate.pem   that key and the chain, replaced in one step: what listeners load (mode 0600)
state.json        how the last attempt went
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from workpost.integrations.acme import client

FOLDER = "acme"


class State(msgspec.Struct, frozen=True):
    """How the last attempt went; times in milliseconds since 1970."""

    tried: int = 0
    failures: int = 0
    """In a row."""
    not_before: int = 0
    """When the next attempt may be made."""
    reason: str = ""
    """Why there is no certificate, or none for some names; "" when all is well."""


class AcmeFiles:
    """The files; `tls_dir` is that of the data directory."""

    def __init__(self, tls_dir: Path) -> None:
        self.folder = tls_dir / FOLDER
        self.certificate = self.folder / "certificate.pem"
        self._account = self.folder / "account.json"
        self._thumbprint = self.folder / "thumbprint"
        self._key = self.folder / "key.pem"
        self._state = self.folder / "state.json"

    def account_key(self) -> str:
        """The account's key, made if need be. Raises OSError."""
        try:
            return self._account.read_text()
        except FileNotFoundError:
            made = client.new_account_key()
            self._write(self._account, made.encode())
            return made

    def prepare(self) -> None:
        """Make what questions are answered with. Raises OSError, ValueError for a broken key."""
        made = client.thumbprint(self.account_key())
        if made != self.thumbprint():
            self._write(self._thumbprint, made.encode())

    def thumbprint(self) -> str:
        """The account key's thumbprint, "" before there is one."""
        try:
            return self._thumbprint.read_text()
        except OSError:
            return ""

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The certificate's key, made if need be. Raises OSError, ValueError when it is broken."""
        try:
            found = serialization.load_pem_private_key(self._key.read_bytes(), None)
        except FileNotFoundError:
            found = ec.generate_private_key(ec.SECP256R1())
            self._write(self._key, _pem(found))
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{self._key} is no key of an elliptic curve")
        return found

    def put(self, chain: str) -> None:
        """Keep a chain with its key. Raises OSError, ValueError when it is not of our key."""
        key = self.private_key()
        first = x509.load_pem_x509_certificate(chain.encode())
        if first.public_key() != key.public_key():
            raise ValueError("the certificate is of another key")
        self._write(self.certificate, _pem(key) + chain.encode())

    def state(self) -> State:
        """The state; that of a beginning where there is none."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError):
            return State()

    def put_state(self, state: State) -> None:
        """Keep the state. Raises OSError."""
        self._write(self._state, msgspec.json.encode(state))

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def csr_of(key: ec.EllipticCurvePrivateKey, names: list[str]) -> bytes:
    """A request (PEM) for a certificate of these names."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
