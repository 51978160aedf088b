"""Everything that belongs into DNS for a mail domain, each record with its reason. Pure.

`dns_records` has those that GetMailDomain lists; here are the ones of the host, of the policies and
of the clients' set-up beside them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from workpost.domain.organizations.dns_records import (
    OWNERSHIP_LABEL,
    DnsRecord,
    records_of,
)

Need = Literal["needed", "advised", "optional"]
TTL = 3600
TEXT_PIECE = 255
"""Octets in one string of a TXT (RFC 1035 3.3.14)."""


class Published(msgspec.Struct, frozen=True):
    """One record. `value` is as in a zone file, a TXT without quotes; "" is not known here."""

    type: str
    name: str
    value: str
    reason: str
    need: Need = "needed"
    elsewhere: bool = False
    """In a zone that is not the owner's: that of the addresses."""

    @property
    def comes_alone(self) -> bool:
        """Whether it can be copied as it is: it is known, and harms nobody who has no DNSSEC."""
        return bool(self.value) and not self.elsewhere and self.type != "TLSA"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What of a server goes into records: `tlsa` is the SHA-256 of its public key, in hex."""

    host: str
    addresses: Sequence[str] = ()
    sts_id: str = ""
    """Id of the MTA-STS policy; "" for none."""
    authority: str = ""
    """The authority's name in CAA (RFC 8659 4.2); "" where there is none or it is not known."""
    tlsa: str = ""


def host_records(site: Site) -> Iterator[Published]:
    """The records of the server itself."""
    why = "where the server is"
    for address in site.addresses:
        yield Published("AAAA" if ":" in address else "A", site.host, address, why)
    if not site.addresses:
        yield Published("A", site.host, "", why)
    for address in site.addresses:
        reason = f"{address} calls itself {site.host}; set by whoever gave you the address"
        name = ipaddress.ip_address(address).reverse_pointer
        yield Published("PTR", name, site.host, reason, elsewhere=True)
    reason = "only the host's own addresses use its name in HELO and in reports"
    yield Published("TXT", site.host, "v=spf1 a -all", reason, "advised")
    if site.authority:
        reason = "no other authority gives certificates for it"
        yield Published("CAA", site.host, f'0 issue "{site.authority}"', reason, "optional")
    if site.tlsa:
        reason = "DANE: other servers insist on this key; in a zone signed with DNSSEC only"
        yield Published("TLSA", f"_25._tcp.{site.host}", f"3 1 1 {site.tlsa}", reason, "optional")


def domain_records(
    name: str, token: str, keys: Sequence[DnsRecord], site: Site
) -> Iterator[Published]:
    """The records of a domain (ASCII), with its DKIM `keys` in the server's zone."""
    used = {key.name.partition(".")[0] for key in keys}
    for record in records_of(name, token, site.host):
        yield _explained(record, name, used)
    for key in keys:
        kind = "Ed25519" if "k=ed25519" in key.value else "RSA"
        yield Published(
            key.type, key.name, key.value, f"the {kind} key that the CNAME above leads to"
        )
    if site.sts_id:
        why = "others send with TLS and to this server only (MTA-STS)"
        yield Published("CNAME", f"mta-sts.{name}", site.host, f"{why}: the policy", "advised")
        value = f"v=STSv1; id={site.sts_id}"
        yield Published("TXT", f"_mta-sts.{name}", value, f"{why}: its version", "advised")
    value = f"v=TLSRPTv1; rua=mailto:postmaster@{name}"
    reason = "others report when TLS to this server fails"
    yield Published("TXT", f"_smtp._tls.{name}", value, reason, "advised")
    services = (
        ("_imaps", 993),
        ("_imap", 143),
        ("_submissions", 465),
        ("_submission", 587),
        ("_sieve", 4190),
    )
    for service, port in services:
        value = f"{0 if service.endswith('s') else 10} 1 {port} {site.host}"
        reason = "mail programs find the server (RFC 6186, RFC 8314, RFC 5804)"
        yield Published("SRV", f"{service}._tcp.{name}", value, reason, "advised")


def _explained(record: DnsRecord, domain: str, used: set[str]) -> Published:
    reason, need = _reason(record, domain)
    if "._domainkey." in record.name and record.name.partition(".")[0] not in used:
        # Of the selector that waits for the next change of keys.
        need = "advised"
    return Published(record.type, record.name, record.value, reason, need)


def _reason(record: DnsRecord, domain: str) -> tuple[str, Need]:
    if record.type == "MX":
        return "other servers bring mail for the domain here", "needed"
    if record.name == f"{OWNERSHIP_LABEL}.{domain}":
        return "you own the domain", "needed"
    if "._domainkey." in record.name:
        return (
            "DKIM: others verify what the domain signs; three names, for keys to change",
            "needed",
        )
    if record.name == f"_dmarc.{domain}":
        return "DMARC: what others do with mail that is not the domain's", "needed"
    if record.name == f"autodiscover.{domain}":
        return "Outlook and phones find the server", "advised"
    return "SPF: which servers send for the domain", "needed"


def zone_block(records: Sequence[Published]) -> str:
    """The records as lines of a zone file, each under its reason.

    What cannot be copied as it is, because something is to be filled in or to be done elsewhere
    first, is a comment.
    """
    lines: list[str] = []
    reason = ""
    for record in records:
        if record.reason != reason:
            reason = record.reason
            lines += ["", f"; {reason}" + ("" if record.need == "needed" else f" ({record.need})")]
        mark = "" if record.comes_alone else "; "
        lines.append(f"{mark}{zone_line(record)}")
    return "\n".join(lines[1:]) + "\n"


def zone_line(record: Published) -> str:
    """One record as a line of a zone file."""
    value = record.value or "<the public address of this machine>"
    if record.type == "TXT":
        pieces = [value[at : at + TEXT_PIECE] for at in range(0, len(value), TEXT_PIECE)]
        value = " ".join(f'"{piece}"' for piece in pieces)
    elif record.type in {"CNAME", "MX", "PTR", "SRV"}:
        value += "."
    return f"{record.name}. {TTL} IN {record.type} {value}"
