"""Each DNS record of each mail domain, against what it should be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from workpost.domain.organizations.dns_records import OWNERSHIP_LABEL, DnsRecord, key_record
from workpost.domain.organizations.publishing import (
    Published,
    Site,
    domain_records,
    host_records,
    zone_line,
)
from workpost.formats.addresses import ascii_domain
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.spf import check_spf
from workpost.operations.doctor.addresses import addresses_of
from workpost.operations.doctor.patient import (
    NEEDS_DATA,
    Level,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
    warning,
)
from workpost.operations.domains.site import site_of
from workpost.store.core import Core
from workpost.store.tables.dkim_keys import list_keys
from workpost.store.tables.domains import DomainRow, list_verified

MOST_DOMAINS = 200
"""Domains that are looked at; the others wait for a tool that knows more."""

Judge = Callable[[Patient, Published], Awaitable[tuple[Level, str]]]


async def check_domains(patient: Patient) -> list[Verdict]:
    """The records of the host and of every verified domain."""
    core = patient.core
    site = site_of(patient.settings, patient.addresses)
    found = [
        await _judged(patient, record)
        for record in host_records(site)
        if record.type in {"TXT", "CAA", "TLSA"}
    ]
    if core is None:
        return [*found, skipped("dns.domain", "", NEEDS_DATA)]
    rows = await core.store.read(list_verified, after="", limit=MOST_DOMAINS)
    if not rows:
        advice = "Register one by RegisterMailDomain, or begin with `workpost quickstart`."
        found.append(warning("dns.domain", "", "there is no verified mail domain", advice))
    for row in rows:
        found += [await _judged(patient, record) for record in await _records(core, row, site)]
    if len(rows) == MOST_DOMAINS:
        found.append(skipped("dns.domain", "", f"domains after {rows[-1].name}: too many"))
    return found


async def _records(core: Core, row: DomainRow, site: Site) -> list[Published]:
    keys = await core.store.read(list_keys, org=row.org, domain=row.name)
    shown: Sequence[DnsRecord] = [
        key_record(key.selector, key.algorithm, key.public, site.host) for key in keys
    ]
    return list(domain_records(ascii_domain(row.name), row.token, shown, site))


async def _judged(patient: Patient, record: Published) -> Verdict:
    name = _check_name(record)
    try:
        level, text = await _judge_of(record)(patient, record)
    except TryLater as error:
        return warning(name, record.name, error.message, "Try again; the DNS may be at fault.")
    if level == "ok":
        return ok(name, record.name, text)
    if level == "skipped":
        return skipped(name, record.name, text)
    harms = record.need == "needed" or record.type in {"CAA", "TLSA"}
    say = failure if level == "failure" and harms else warning
    return say(name, record.name, text, f"{record.reason}. Publish: {zone_line(record)}")


def _check_name(record: Published) -> str:
    for mark, name in (
        (f"{OWNERSHIP_LABEL}.", "ownership"),
        ("_dmarc.", "dmarc"),
        ("_mta-sts.", "mta-sts"),
        ("mta-sts.", "mta-sts"),
        ("_smtp._tls.", "tlsrpt"),
        ("autodiscover.", "autodiscover"),
    ):
        if record.name.startswith(mark):
            return f"dns.{name}"
    if "._domainkey." in record.name or ".dkim." in record.name:
        return "dns.dkim"
    return "dns.spf" if record.type == "TXT" else f"dns.{record.type.lower()}"


def _judge_of(record: Published) -> Judge:
    name = _check_name(record)
    if record.type == "CNAME":
        return _alias if name == "dns.dkim" else _leads_here
    judges: dict[str, Judge] = {
        "dns.mx": _mx,
        "dns.spf": _spf,
        "dns.dmarc": _dmarc,
        "dns.dkim": _key,
        "dns.srv": _srv,
        "dns.caa": _caa,
        "dns.tlsa": _tlsa,
        "dns.tlsrpt": _tlsrpt,
    }
    return judges.get(name, _text)


async def _text(patient: Patient, record: Published) -> tuple[Level, str]:
    values = (await patient.resolver.txt(record.name)).values
    if record.value in values:
        return "ok", "as it should be"
    prefix = record.value.partition(";")[0]
    others = [value for value in values if value.startswith(prefix)] if ";" in record.value else []
    return "failure", f"it says {others[0]!r}" if others else "it is not there"


async def _mx(patient: Patient, record: Published) -> tuple[Level, str]:
    host = patient.settings.host_name.lower()
    values = (await patient.resolver.mx(record.name)).values
    hosts = [each for _, each in values]
    if not hosts:
        return "failure", "there is none"
    if host not in hosts:
        return "failure", f"mail goes to {', '.join(hosts) or 'nobody'}, not here"
    if hosts[0] != host:
        return "warning", f"mail goes to {hosts[0]} first"
    return "ok", f"{values[0][0]} {host}"


async def _spf(patient: Patient, record: Published) -> tuple[Level, str]:
    values = (await patient.resolver.txt(record.name)).values
    found = [each for each in values if each.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return "failure", "there is no SPF record"
    if len(found) > 1:
        return "failure", "there are several SPF records, which counts as an error (RFC 7208 4.5)"
    if "+all" in found[0].lower().split():
        return "failure", f"{found[0]!r} lets everybody send"
    return await _evaluated(patient, record.name, found[0])


async def _evaluated(patient: Patient, domain: str, text: str) -> tuple[Level, str]:
    """What others find who get mail from each of our addresses (RFC 7208 4)."""
    host = patient.settings.host_name
    addresses = list(dict.fromkeys([*patient.addresses, *await addresses_of(patient, host)]))
    if not addresses:
        return "skipped", f"{text!r}; the host has no address for which to try it"
    for address in addresses:
        heard = await check_spf(
            patient.resolver, peer=address, helo=host, sender=f"postmaster@{domain}", host=host
        )
        if heard.result == "temperror":
            raise TryLater(f"{address}: {heard.reason}")
        if heard.result != "pass":
            return "failure", f"{text!r} gives {address} {heard.result}: {heard.reason}"
    return "ok", text


async def _dmarc(patient: Patient, record: Published) -> tuple[Level, str]:
    values = (await patient.resolver.txt(record.name)).values
    found = [each for each in values if each.replace(" ", "").lower().startswith("v=dmarc1")]
    if len(found) != 1:
        return "failure", "there are several" if found else "there is no DMARC record"
    tags = {tag.strip().lower() for tag in found[0].replace(" ", "").split(";")}
    if not tags & {"p=none", "p=quarantine", "p=reject"}:
        return "failure", f"{found[0]!r} names no policy"
    if "p=none" in tags:
        return "warning", "p=none: forged mail of the domain is let in everywhere"
    return "ok", found[0]


async def _key(patient: Patient, record: Published) -> tuple[Level, str]:
    values = (await patient.resolver.txt(record.name)).values
    wanted = record.value.rpartition("p=")[2]
    for value in values:
        tags = dict(tag.strip().split("=", 1) for tag in value.split(";") if "=" in tag)
        if tags.get("p", "").replace(" ", "") == wanted:
            return "ok", "the key is there"
    return "failure", "another key is there" if values else "the key is not there"


async def _alias(patient: Patient, record: Published) -> tuple[Level, str]:
    if record.value.lower() in (await patient.resolver.cname(record.name)).values:
        return "ok", "it leads to the key"
    if any("p=" in value for value in (await patient.resolver.txt(record.name)).values):
        return "ok", "a key is there in its place"
    return "failure", "it leads nowhere"


async def _leads_here(patient: Patient, record: Published) -> tuple[Level, str]:
    host = patient.settings.host_name.lower()
    if host in (await patient.resolver.cname(record.name)).values:
        return "ok", "it leads here"
    found = await addresses_of(patient, record.name)
    if found and set(found) <= set(await addresses_of(patient, host)):
        return "ok", "it leads here"
    return "failure", f"it leads to {', '.join(found)}" if found else "it is not there"


async def _srv(patient: Patient, record: Published) -> tuple[Level, str]:
    port = int(record.value.split()[2])
    host = patient.settings.host_name.lower()
    values = (await patient.resolver.srv(record.name)).values
    if any((each.port, each.target) == (port, host) for each in values):
        return "ok", f"{host}:{port}"
    if any(not each.target for each in values):
        return "warning", "it says that there is no such service"
    return "failure", f"it leads to {values[0].target}:{values[0].port}" if values else "none"


async def _tlsrpt(patient: Patient, record: Published) -> tuple[Level, str]:
    values = (await patient.resolver.txt(record.name)).values
    if any(each.replace(" ", "").startswith("v=TLSRPTv1;rua=") for each in values):
        return "ok", "reports are asked for"
    return "failure", "it is not there"


async def _caa(patient: Patient, record: Published) -> tuple[Level, str]:
    """RFC 8659 3: the nearest name with such records decides."""
    wanted = record.value.split('"')[1]
    labels = record.name.split(".")
    for at in range(len(labels) - 1):
        name = ".".join(labels[at:])
        issuers = [v for tag, v in (await patient.resolver.caa(name)).values if tag == "issue"]
        if any(each.partition(";")[0].strip() == wanted for each in issuers):
            return "ok", f"{name} names {wanted}"
        if issuers:
            return "failure", f"{name} forbids {wanted} to give certificates"
    return "skipped", "there is none; every authority may give certificates"


async def _tlsa(patient: Patient, record: Published) -> tuple[Level, str]:
    answer = await patient.resolver.tlsa(record.name)
    digest = bytes.fromhex(record.value.split()[3])
    if not answer.values:
        return "skipped", "there is none; DANE is not used"
    if any((t.usage, t.selector, t.matching, t.data) == (3, 1, 1, digest) for t in answer.values):
        return "ok", "it names this key" + ("" if answer.secure else ", but is not signed")
    level: Level = "failure" if answer.secure else "warning"
    return level, "no record names this server's key: others that use DANE do not deliver"
