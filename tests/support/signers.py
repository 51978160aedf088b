"""Keys that sign in tests, what the DNS shows of them, and messages worth signing."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import strategies as st

from workpost.formats.mailauth.dkim import Signer

DOMAIN = "example.test"
NOW = 1_795_806_529
"""Seconds; 27 November 2026."""

MESSAGE = (
    b"From: Ada <ada@example.test>\r\nTo: grace@example.org\r\nSubject: Two\r\n\t lines\r\n"
    b"Date: Fri, 27 Nov 2026 19:00:00 +0000\r\nMessage-ID: <one@example.test>\r\n"
    b"Content-Type: text/plain\r\n\r\nHello  there, \t \r\n\r\nGrace.\r\n\r\n\r\n"
)


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """A private key as dkimpy reads it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def rsa_record(key: rsa.RSAPrivateKey, more: str = "") -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa;{more} p={base64.b64encode(public).decode()}"


def ed25519_record(key: ed25519.Ed25519PrivateKey) -> str:
    public = key.public_key().public_bytes_raw()
    return f"v=DKIM1; k=ed25519; p={base64.b64encode(public).decode()}"


def rsa_signer() -> Signer:
    return Signer("rsa-sha256", DOMAIN, "r", rsa_key())


def ed25519_signer() -> Signer:
    return Signer("ed25519-sha256", DOMAIN, "e", ed25519_key())


@cache
def texts() -> dict[str, str]:
    """Names of keys and what stands there."""
    return {
        f"r._domainkey.{DOMAIN}": rsa_record(rsa_key()),
        f"e._domainkey.{DOMAIN}": ed25519_record(ed25519_key()),
    }


def zone() -> dict[tuple[str, str], list[str]]:
    """The same as a MemoryResolver and a DnsServer have it."""
    return {("TXT", name): [text] for name, text in texts().items()}


def ask(name: bytes, timeout: int = 5) -> bytes | None:
    """The same as dkimpy asks for it."""
    text = texts().get(name.decode().removesuffix("."))
    return text.encode() if text else None


_LINE = st.text(alphabet='ab \t:;=<>"é', max_size=12).map(lambda text: text.encode())
_FOLDED = st.lists(_LINE, min_size=1, max_size=3).map(
    # A line of white space alone would be an empty line to some.
    lambda lines: b"\r\n ".join(line.strip() + b"x" for line in lines)
)
_NAMES = st.sampled_from(
    [b"Subject", b"To", b"CC", b"reply-to", b"Date", b"Received", b"X-Other", b"MIME-Version"]
)
_COLONS = st.sampled_from([b":", b": ", b":\t ", b":\r\n "])
_FIELDS = st.lists(st.tuples(_NAMES, _COLONS, _FOLDED).map(b"".join), max_size=8)
BODIES = st.lists(
    st.one_of(_LINE, st.sampled_from([b"", b" ", b"\t \t", b"text  \t text \t"])), max_size=8
).flatmap(lambda lines: st.sampled_from([b"\r\n".join(lines), b"\r\n".join([*lines, b""])]))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages with folded, repeated and oddly spaced fields, and with every end of a body."""
    fields = [*draw(_FIELDS), b"From: Ada\t<ada@example.test>", *draw(_FIELDS)]
    return b"\r\n".join(fields) + b"\r\n\r\n" + draw(BODIES)


def sent() -> st.SearchStrategy[bytes]:
    """Messages as SMTP carries them: the last line has its end."""
    return messages().map(lambda raw: raw if raw.endswith(b"\r\n") else raw + b"\r\n")
