"""Is an own address on a list of those that send what nobody wants (RFC 5782)?"""

from __future__ import annotations

import ipaddress

from workpost.kernel.errors import TryLater
from workpost.operations.doctor.addresses import addresses_of
from workpost.operations.doctor.patient import (
    NEEDS_ONLINE,
    Patient,
    Verdict,
    failure,
    ok,
    skipped,
)

TEST_V4 = "127.0.0.2"
TEST_V6 = "::ffff:7f00:2"
"""Listed by every list that works (RFC 5782 5)."""
REFUSED = ipaddress.ip_network("127.255.255.0/24")
"""Answers of lists that do not talk to the DNS server that asks."""


async def check_block_lists(patient: Patient) -> list[Verdict]:
    """Look for each address in each list of the settings."""
    lists = patient.settings.doctor.block_lists
    if not patient.online:
        return [skipped("blocklist", "", NEEDS_ONLINE)]
    try:
        found = await addresses_of(patient, patient.settings.host_name)
    except TryLater as error:
        return [skipped("blocklist", "", error.message)]
    addresses = list(dict.fromkeys([*patient.addresses, *found]))
    return [await _listed(patient, address, each) for address in addresses for each in lists]


def query_name(address: str, zone: str) -> str:
    """The name under which a list has an address (RFC 5782 2.1, 2.4)."""
    pointer = ipaddress.ip_address(address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


async def _listed(patient: Patient, address: str, zone: str) -> Verdict:
    try:
        test = await _codes(patient, TEST_V6 if ":" in address else TEST_V4, zone)
        codes = await _codes(patient, address, zone)
    except TryLater as error:
        return skipped("blocklist", address, error.message)
    if any(ipaddress.ip_address(code) in REFUSED for code in (*test, *codes)):
        return skipped("blocklist", address, f"{zone} does not answer this DNS server")
    if codes:
        why = (await patient.resolver.txt(query_name(address, zone))).values
        said = f": {why[0]}" if why else ""
        advice = f"Find out why at the list's site, end the cause, then ask {zone} to forget it."
        text = f"{zone} lists it ({', '.join(codes)}){said}"
        return failure("blocklist", address, text, advice)
    if not test:
        return skipped("blocklist", address, f"{zone} does not answer; does it still exist?")
    return ok("blocklist", address, f"not on {zone}")


async def _codes(patient: Patient, address: str, zone: str) -> list[str]:
    return (await patient.resolver.a(query_name(address, zone))).values
