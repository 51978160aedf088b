"""The DNS records of a mail domain: what its owner publishes, in an order that never changes. Pure.

Ownership TXT, MX, autodiscover CNAME, DKIM CNAMEs, SPF TXT, DMARC TXT, as GetMailDomain lists them.
DKIM has three names, so that keys can be rotated without a change in the owner's zone: they point
into the server's own zone, where the operator publishes the keys (`key_record`). An owner may as
well publish a key's TXT under the name itself. Host names end without a dot.
"""

from __future__ import annotations

import base64
import hashlib

import msgspec

SELECTORS = 3
OWNERSHIP_LABEL = "_workpost"
DMARC = "v=DMARC1;p=quarantine;pct=100;fo=1"


class DnsRecord(msgspec.Struct, frozen=True):
    """One record; `type` as in RFC 1035, the value of an MX with its preference."""

    type: str
    name: str
    value: str


def selector(token: str, number: int) -> str:
    """One of the three DKIM selectors of a domain: 32 letters and digits that follow its token."""
    digest = hashlib.blake2b(token.encode(), digest_size=20, person=b"dkim %d" % number).digest()
    return base64.b32encode(digest).decode().lower()


def records_of(name: str, token: str, host: str) -> list[DnsRecord]:
    """The records of the domain `name` (ASCII) for the server `host`.

    Those of a test domain, which has no token, prove no ownership and have no DKIM.
    """
    mail = [
        DnsRecord("MX", name, f"10 {host}"),
        DnsRecord("CNAME", f"autodiscover.{name}", host),
    ]
    policies = [
        DnsRecord("TXT", name, f"v=spf1 mx a:{host} ~all"),
        DnsRecord("TXT", f"_dmarc.{name}", DMARC),
    ]
    if not token:
        return mail + policies
    return [
        DnsRecord("TXT", f"{OWNERSHIP_LABEL}.{name}", token),
        *mail,
        *dkim_records(name, token, host),
        *policies,
    ]


def dkim_records(name: str, token: str, host: str) -> list[DnsRecord]:
    """The three names of a domain's DKIM keys, one of which may have no key at a time."""
    selectors = [selector(token, number) for number in range(SELECTORS)]
    return [
        DnsRecord("CNAME", f"{each}._domainkey.{name}", key_host(each, host)) for each in selectors
    ]


def key_host(selector: str, host: str) -> str:
    """Where in the server's zone the key of a selector is published."""
    return f"{selector}.dkim.{host}"


def key_record(selector: str, algorithm: str, public: str, host: str) -> DnsRecord:
    """The TXT of a DKIM key in the server's zone (RFC 6376 3.6.1, RFC 8463 4)."""
    return DnsRecord("TXT", key_host(selector, host), f"v=DKIM1; k={algorithm}; p={public}")
