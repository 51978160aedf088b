"""Which addresses a tenant's URL may lead to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.egress.addresses import is_allowed, is_public

CLOSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "fe80::1%eth0",
]
OPEN = [
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("text", CLOSED)
def test_closed(text: str) -> None:
    assert not is_allowed(text, ())


@pytest.mark.parametrize("text", OPEN)
def test_open(text: str) -> None:
    assert is_allowed(text, ())


def test_the_operator_opens_networks() -> None:
    assert is_allowed("10.1.2.3", ("10.1.0.0/16",))
    assert not is_allowed("10.2.2.3", ("10.1.0.0/16",))
    assert is_allowed("::ffff:10.1.2.3", ("10.1.0.0/16",))
    assert is_allowed("fd00::1", ("10.1.0.0/16", "fd00::/8"))


def test_what_is_no_address_is_not_allowed() -> None:
    assert not is_allowed("localhost", ("0.0.0.0/0", "::/0"))


@given(st.ip_addresses())
def test_what_the_library_calls_special_is_never_public(address: object) -> None:
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    special = address.is_loopback or address.is_link_local or address.is_multicast
    assert not (special and is_public(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_one_counts_by_itself(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        assert is_public(ipaddress.IPv6Address(f"{prefix}{address}")) == is_public(address)
