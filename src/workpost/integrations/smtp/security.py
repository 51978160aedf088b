"""How a session must be protected, and whether it is: contexts, DANE's certificates (RFC 7672)."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ssl
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from workpost.formats.mta_sts import covers
from workpost.integrations.dns.base import Tlsa

Level = Literal["none", "may", "encrypt", "verify", "dane"]
"""No TLS; TLS where it is offered; always, with any certificate; with one of a trusted authority
for the host's name; with one that TLSA records name."""

MAX_CHAIN = 10
CA_USAGE, END_USAGE = 2, 3
"""DANE-TA and DANE-EE; the PKIX usages 0 and 1 are not for SMTP (RFC 7672 3.1.3)."""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """What one session is held to."""

    level: Level
    names: tuple[str, ...] = ()
    """What a certificate under DANE-TA may be for, beside the host's own name."""
    tlsa: tuple[Tlsa, ...] = ()
    ca_file: str = ""
    """PEM file of authorities beside the machine's own, for `verify`."""


class Contexts:
    """Makes the client's side of TLS; a context for each file of authorities is kept."""

    def __init__(self) -> None:
        self._unverified: ssl.SSLContext | None = None
        self._verifying: dict[str, ssl.SSLContext] = {}

    async def find(self, security: Security) -> ssl.SSLContext:
        """The context for a handshake. Raises OSError where the file cannot be read."""
        if security.level != "verify":
            self._unverified = self._unverified or _unverified()
            return self._unverified
        kept = self._verifying.get(security.ca_file)
        if kept is None:
            # Reading the machine's authorities takes longer than others may wait.
            kept = await asyncio.to_thread(_verifying, security.ca_file)
            self._verifying[security.ca_file] = kept
        return kept


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


def describe(tls: ssl.SSLObject, level: Level) -> str:
    """`TLSv1.3 TLS_AES_256_GCM_SHA384 verified`."""
    cipher = tls.cipher()
    words = [tls.version() or "TLS", cipher[0] if cipher else ""]
    words.append({"verify": "verified", "dane": "DANE"}.get(level, ""))
    return " ".join(word for word in words if word)


def presented_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the server sent, its own first, in DER."""
    leaf = tls.getpeercert(binary_form=True)
    if leaf is None:
        return []
    # Public since Python 3.13 only; before, the object inside has it.
    inner: Any = tls if hasattr(tls, "get_unverified_chain") else getattr(tls, "_sslobj", None)
    find = getattr(inner, "get_unverified_chain", None)
    chain = (find() or []) if find is not None else []
    found = [each if isinstance(each, bytes) else _der(each) for each in chain[:MAX_CHAIN]]
    return found or [leaf]


def _der(certificate: Any) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())


def usable(records: Sequence[Tlsa]) -> list[Tlsa]:
    """The TLSA records that SMTP can use (RFC 7672 3.1)."""
    lengths = {1: 32, 2: 64}
    return [
        each
        for each in records
        if each.usage in {CA_USAGE, END_USAGE}
        and each.selector in {0, 1}
        and (each.matching == 0 or lengths.get(each.matching) == len(each.data))
    ]


def fits_dane(
    records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: dt.datetime
) -> bool:
    """Whether a chain (DER, the server's own first) is what the records name; never raises.

    DANE-EE asks nothing of names and dates (RFC 7672 3.1.1); DANE-TA asks for both (3.1.2).
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
        if not certificates:
            return False
        leaf = certificates[0]
        if any(each.usage == END_USAGE and _fits(each, leaf) for each in records):
            return True
        anchors = [each for each in records if each.usage == CA_USAGE]
        return (
            bool(anchors)
            and is_for(leaf, names)
            and _leads_to(leaf, certificates[1:], anchors, now)
        )
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        return False


def _fits(record: Tlsa, certificate: x509.Certificate) -> bool:
    if record.selector == 1:
        data = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    else:
        data = certificate.public_bytes(Encoding.DER)
    hashed = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}
    return hashed.get(record.matching) == record.data


def _leads_to(
    leaf: x509.Certificate,
    others: list[x509.Certificate],
    anchors: Sequence[Tlsa],
    now: dt.datetime,
) -> bool:
    for anchor in anchors:
        # A whole certificate in the DNS need not be sent by the server (RFC 7671 5.2.2).
        if anchor.selector == 0 and anchor.matching == 0:
            others = [*others, x509.load_der_x509_certificate(anchor.data)]
    current = leaf
    for _ in range(MAX_CHAIN):
        if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
            return False
        if any(_fits(anchor, current) for anchor in anchors):
            return True
        issuer = next((each for each in others if _issued(each, current)), None)
        if issuer is None:
            return False
        current = issuer
    return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
        if not constraints.value.ca or issuer == certificate:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return True


def is_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether one of the certificate's DNS names is one of `names` (RFC 6125 6.4)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    presented = found.value.get_values_for_type(x509.DNSName)
    return any(covers(pattern, name) for pattern in presented for name in names)
