"""What a certificate says of itself. Pure."""

from __future__ import annotations

import datetime as dt

import msgspec
from cryptography import x509


class Facts(msgspec.Struct, frozen=True):
    """Names (in lower case) and times (aware, UTC) of a certificate."""

    names: frozenset[str]
    begins: dt.datetime
    ends: dt.datetime
    issuer: str
    self_signed: bool

    def covers(self, name: str) -> bool:
        """Whether it is valid for a host (RFC 9525 6.3: a wildcard stands for one whole label)."""
        folded = name.lower()
        return folded in self.names or f"*.{folded.partition('.')[2]}" in self.names

    def left(self, now: dt.datetime) -> float:
        """The share of its life that is left, 1 at the beginning, 0 or less at the end."""
        return (self.ends - now) / (self.ends - self.begins)


def facts_of(certificate: x509.Certificate) -> Facts:
    """The facts of a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.DNSName)
        addresses = found.get_values_for_type(x509.IPAddress)
    except (x509.ExtensionNotFound, ValueError):
        names, addresses = [], []
    return Facts(
        names=frozenset([*(name.lower() for name in names), *(str(each) for each in addresses)]),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
        issuer=certificate.issuer.rfc4514_string(),
        self_signed=certificate.issuer == certificate.subject,
    )


def read_facts(pem: bytes) -> Facts:
    """The facts of the first certificate in a PEM file. Raises ValueError."""
    return facts_of(x509.load_pem_x509_certificate(pem))
