"""What of this server goes into DNS: its name, its addresses, its certificate, its policy."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from workpost.domain.organizations.domains_shell import get_domain, key_records
from workpost.domain.organizations.mail_policies import mta_sts_id
from workpost.domain.organizations.publishing import (
    Published,
    Site,
    domain_records,
    host_records,
)
from workpost.integrations.egress.addresses import is_allowed
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.certificates.files import AcmeFiles
from workpost.operations.domains.mta_sts import policy_text
from workpost.store.core import Core

AUTHORITIES = {
    "letsencrypt.org": "letsencrypt.org",
    "zerossl.com": "sectigo.com",
    "pki.goog": "pki.goog",
    "buypass.com": "buypass.com",
}
"""The name in CAA by the end of the directory's host name."""
_PROBES = ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1"))


def site_of(settings: Settings, addresses: Sequence[str]) -> Site:
    """What records of this server are made from; reads the certificate's file if there is one."""
    return Site(
        host=settings.host_name,
        addresses=tuple(addresses),
        sts_id=mta_sts_id(policy_text(settings)) if settings.mta_sts.mode != "none" else "",
        authority=_authority(settings),
        tlsa=_tlsa(settings),
    )


async def all_records(
    core: Core, grant: Grant, name: str, addresses: Sequence[str] = ()
) -> list[Published]:
    """Every record of the host and of one of its domains, as they are to be published.

    `addresses` are the public ones of the host where the machine does not know them. Raises
    MailDomainNotFound.
    """
    domain = await get_domain(core, grant, name)
    keys = [] if domain.row.is_test else await key_records(core, grant, name)
    site = site_of(core.settings, addresses or own_addresses())
    return [
        *host_records(site),
        *domain_records(domain.name, domain.row.token, keys, site),
    ]


def _authority(settings: Settings) -> str:
    if not settings.acme.enabled:
        return ""
    host = urlsplit(settings.acme.directory).hostname or ""
    for end, name in AUTHORITIES.items():
        if host == end or host.endswith(f".{end}"):
            return name
    return ""


def _tlsa(settings: Settings) -> str:
    """The data of a TLSA `3 1 1`; none for a self-signed certificate, whose key does not last."""
    if settings.tls.certificate:
        path = Path(settings.tls.certificate)
    elif settings.acme.enabled:
        path = AcmeFiles(settings.tls_dir).certificate
    else:
        return ""
    try:
        return public_key_digest(x509.load_pem_x509_certificate(path.read_bytes()))
    except (OSError, ValueError):
        return ""


def public_key_digest(certificate: x509.Certificate) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, in hex (RFC 6698 2.1, selector 1, matching type 1)."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def own_addresses() -> list[str]:
    """The public addresses from which this machine would speak; nothing is sent to find them.

    Behind address translation there are none.
    """
    found = []
    for family, target in _PROBES:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        if is_allowed(address, ()):
            found.append(address)
    return found
