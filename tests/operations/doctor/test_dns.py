"""What the doctor says of DNS: every record that is missing or wrong is named, with its line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.doctor.conftest import ADDRESS, DOMAIN, HOST, Zone
from tests.support.stores import Run
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.doctor.addresses import check_addresses
from workpost.operations.doctor.blocklists import check_block_lists, query_name
from workpost.operations.doctor.patient import Patient, Verdict
from workpost.operations.doctor.records import check_domains

POINTER = "25.2.0.192.in-addr.arpa"


def worst(found: list[Verdict], check: str = "") -> list[tuple[str, str, str]]:
    """(check, level, subject) of what is not well."""
    return [
        (one.check, one.level, one.subject)
        for one in found
        if one.level != "ok" and one.check.startswith(check)
    ]


async def test_a_zone_as_quickstart_prints_it_has_nothing_wrong(patient: Patient) -> None:
    assert worst(await check_domains(patient)) == []
    assert worst(await check_addresses(patient)) == []


async def test_every_record_that_is_missing_is_told_with_the_line_to_publish(
    patient: Patient, zone: Zone
) -> None:
    """Take one record away at a time: exactly that one is complained of."""
    for place in list(zone):
        if place[0] in {"A", "PTR"}:
            continue
        kept = zone.pop(place)
        found = [one for one in await check_domains(patient) if one.level != "ok"]
        names = {one.subject for one in found}
        assert names == {place[1]}, place
        assert f"{place[1]}. 3600 IN {place[0]}" in found[0].advice
        zone[place] = kept


WRONG = [
    (("MX", DOMAIN), "10 mx.elsewhere.test", "failure", "mail goes to mx.elsewhere.test"),
    (("MX", DOMAIN), "0 .", "failure", "mail goes to nobody"),
    (("TXT", DOMAIN), "v=spf1 -all", "failure", f"gives {ADDRESS} fail"),
    (("TXT", DOMAIN), "v=spf1 +all", "failure", "everybody"),
    (("TXT", DOMAIN), f"v=spf1 ip4:{ADDRESS} -all", "ok", "ip4"),
    (("TXT", DOMAIN), "v=spf1 include:x.test -all", "failure", "permerror"),
    (("TXT", DOMAIN), "v=spf1 exists:%{i}._spf.test ~all", "failure", "softfail"),
    (("TXT", DOMAIN), "v=spf1 nonsense", "failure", "permerror"),
    (("TXT", f"_dmarc.{DOMAIN}"), "v=DMARC1; p=none", "warning", "p=none"),
    (("TXT", f"_dmarc.{DOMAIN}"), "v=DMARC1; p=reject", "ok", "reject"),
    (("TXT", f"_dmarc.{DOMAIN}"), "v=DMARC1", "failure", "no policy"),
    (("TXT", f"_mta-sts.{DOMAIN}"), "v=STSv1; id=1", "warning", "it says 'v=STSv1; id=1'"),
    (("SRV", f"_imaps._tcp.{DOMAIN}"), "0 0 0 .", "warning", "no such service"),
    (("SRV", f"_imaps._tcp.{DOMAIN}"), "0 1 993 a.test", "warning", "a.test:993"),
]
"""Place, value, what the doctor makes of it, and what it says."""


async def test_records_that_say_something_else(patient: Patient, zone: Zone) -> None:
    for place, value, level, text in WRONG:
        kept, zone[place] = zone[place], [value]
        about = [one for one in await check_domains(patient) if one.subject == place[1]]
        found = [one for one in about if (one.level == "ok") == (level == "ok")]
        assert {one.level for one in found} == {level}, value
        assert any(text in one.text for one in found), value
        zone[place] = kept


async def test_two_spf_records_count_as_an_error(patient: Patient, zone: Zone) -> None:
    """RFC 7208 4.5."""
    zone["TXT", DOMAIN].append("v=spf1 mx -all")
    (one,) = [
        one for one in await check_domains(patient) if one.subject == DOMAIN if "spf" in one.check
    ]
    assert (one.level, "several" in one.text) == ("failure", True)


async def test_a_second_mail_server_before_ours_is_remarked(patient: Patient, zone: Zone) -> None:
    zone["MX", DOMAIN].append("5 first.elsewhere.test")
    assert ("dns.mx", "warning", DOMAIN) in worst(await check_domains(patient))


async def test_a_key_may_stand_in_place_of_the_alias(patient: Patient, zone: Zone) -> None:
    """RFC 6376 3.6.2.1: who has both zones needs no CNAME."""
    for kind, name in list(zone):
        if kind == "CNAME" and "._domainkey." in name:
            (target,) = zone.pop((kind, name))
            if ("TXT", target) in zone:
                zone["TXT", name] = zone["TXT", target]
    left = worst(await check_domains(patient), "dns.dkim")
    assert [level for _, level, _ in left] == ["warning"], "of the selector without a key"


async def test_another_key_under_the_selector_is_a_failure(patient: Patient, zone: Zone) -> None:
    place = next(p for p in zone if p[0] == "TXT" and ".dkim." in p[1])
    zone[place] = ["v=DKIM1; k=rsa; p=AAAA"]
    assert ("dns.dkim", "failure", place[1]) in worst(await check_domains(patient))


async def test_a_dns_that_fails_is_not_a_missing_record(patient: Patient) -> None:
    assert isinstance(patient.resolver, MemoryResolver)
    patient.resolver.failing.add(DOMAIN)
    found = [one for one in await check_domains(patient) if one.subject == DOMAIN]
    assert {one.level for one in found} == {"warning"}


async def test_without_data_there_are_no_domains(patient: Patient) -> None:
    found = await check_domains(msgspec.structs.replace(patient, core=None))
    assert ("dns.domain", "skipped", "") in worst(found)


# --- addresses ---


async def test_a_host_without_address(patient: Patient, zone: Zone) -> None:
    del zone["A", HOST]
    assert worst(await check_addresses(patient)) == [("dns.address", "failure", HOST)]


async def test_a_host_with_somebody_elses_address(patient: Patient, zone: Zone) -> None:
    zone["A", HOST] = ["192.0.2.99"]
    assert ("dns.address", "failure", HOST) in worst(await check_addresses(patient))


async def test_an_address_of_ours_that_dns_does_not_have(patient: Patient) -> None:
    more = msgspec.structs.replace(patient, addresses=[ADDRESS, "2001:db8::25"])
    found = worst(await check_addresses(more))
    assert ("dns.address", "warning", HOST) in found
    assert ("dns.reverse", "failure", "2001:db8::25") in found


@pytest.mark.parametrize(
    ("names", "level"),
    [
        ([], "failure"),
        (["liar.example.org"], "failure"),
        (["other.example.org"], "warning"),
        (["other.example.org", HOST], "ok"),
    ],
)
async def test_reverse_dns_has_to_lead_back(
    patient: Patient, zone: Zone, names: list[str], level: str
) -> None:
    """RFC 1912 2.1: forward-confirmed."""
    zone["A", "other.example.org"] = [ADDRESS]
    zone["PTR", POINTER] = names
    (one,) = [one for one in await check_addresses(patient) if one.check == "dns.reverse"]
    assert one.level == level


# --- authorities and keys ---


async def test_caa_of_the_nearest_name_decides(run: Run[Any], patient: Patient, zone: Zone) -> None:
    """RFC 8659 3."""
    acme = msgspec.structs.replace(patient.settings.acme, enabled=True, agree_tos=True)
    settings = msgspec.structs.replace(patient.settings, acme=acme)
    asked = msgspec.structs.replace(patient, settings=settings)

    async def level() -> str:
        (one,) = [one for one in await check_domains(asked) if one.check == "dns.caa"]
        return one.level

    assert await level() == "skipped"
    zone["CAA", DOMAIN] = ['0 issue "other.test"']
    assert await level() == "failure"
    zone["CAA", HOST] = ['0 issue "letsencrypt.org; validationmethods=http-01"']
    assert await level() == "ok"


# --- block lists ---


def test_names_in_block_lists() -> None:
    """RFC 5782 2.1 and 2.4."""
    assert query_name("192.0.2.99", "bad.test") == "99.2.0.192.bad.test"
    assert query_name("2001:db8::1", "bad.test").startswith("1.0.0.0.0.0")
    assert query_name("2001:db8::1", "bad.test").endswith(".8.b.d.0.1.0.0.2.bad.test")


@pytest.mark.parametrize(
    ("records", "level"),
    [
        ({"2.0.0.127": "127.0.0.2"}, "ok"),
        ({"2.0.0.127": "127.0.0.2", "25.2.0.192": "127.0.0.4"}, "failure"),
        ({}, "skipped"),
        ({"2.0.0.127": "127.255.255.254", "25.2.0.192": "127.255.255.254"}, "skipped"),
    ],
)
async def test_own_addresses_are_sought_in_block_lists(
    patient: Patient, zone: Zone, records: dict[str, str], level: str
) -> None:
    """RFC 5782 5: a list that works lists 127.0.0.2."""
    doctor = msgspec.structs.replace(patient.settings.doctor, block_lists=("bad.test",))
    settings = msgspec.structs.replace(patient.settings, doctor=doctor)
    asked = msgspec.structs.replace(patient, settings=settings, online=True)
    for name, code in records.items():
        zone["A", f"{name}.bad.test"] = [code]
    zone["TXT", "25.2.0.192.bad.test"] = ["it sent 7 letters"]

    (one,) = await check_block_lists(asked)
    assert one.level == level
    assert level != "failure" or "it sent 7 letters" in one.text
