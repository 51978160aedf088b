"""Verifying DKIM over a real DNS server: every result of RFC 8601 2.7.1, and what is bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.mailauth.test_dkim import hand_signed, rsa_numbers, signed
from tests.formats.mailauth.vectors import BOTH, BOTH_KEYS
from tests.support.dns import DnsServer
from tests.support.signers import (
    DOMAIN,
    MESSAGE,
    NOW,
    ed25519_signer,
    rsa_key,
    rsa_record,
    rsa_signer,
    zone,
)
from tests.support.stores import Run
from workpost.formats.mailauth.canonical import LARGEST_HEADER, Fields
from workpost.formats.mailauth.dkim import Signer, sign
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.operations.authentication.dkim import MOST_SIGNATURES, DkimResult, verify_dkim

AT = NOW * 1000
RSA_KEY = f"r._domainkey.{DOMAIN}"


@pytest.fixture
def server(run: Run[Any]) -> Iterator[tuple[DnsServer, DnsResolver]]:
    made = DnsServer()
    address = run(made.start())
    made.records.update(zone())
    yield made, DnsResolver([address], seconds=0.3)
    made.close()


async def test_signatures_of_both_kinds_pass(server: tuple[DnsServer, DnsResolver]) -> None:
    assert await verify_dkim(server[1], signed(), AT) == [
        DkimResult("pass", DOMAIN, f"@{DOMAIN}", "r", "rsa-sha256"),
        DkimResult("pass", DOMAIN, f"@{DOMAIN}", "e", "ed25519-sha256"),
    ]


async def test_an_unsigned_message_has_no_results_and_asks_nothing() -> None:
    resolver = MemoryResolver()
    assert await verify_dkim(resolver, MESSAGE, AT) == []
    assert await verify_dkim(resolver, b"", AT) == []
    assert resolver.asked == []


async def test_the_example_of_rfc_8463_passes() -> None:
    keys = {("TXT", f"{s}._domainkey.football.example.com"): [t] for s, t in BOTH_KEYS.items()}
    found = await verify_dkim(MemoryResolver(keys), BOTH, AT)
    assert [each.result for each in found] == ["pass", "pass"]


async def test_a_changed_message_fails(server: tuple[DnsServer, DnsResolver]) -> None:
    changed = signed().replace(b"Grace.", b"Grase.")
    found = await verify_dkim(server[1], changed, AT)
    assert [(each.result, each.reason) for each in found] == [("fail", "the body has changed")] * 2


@pytest.mark.parametrize(
    ("records", "result", "reason"),
    [
        ([], "permerror", "there is no key"),
        (["v=DKIM1; p="], "permerror", "the key was revoked"),
        (["v=spf1 -all"], "permerror", "the key record is of another version"),
        (["v=spf1 -all", "KEY"], "pass", ""),
        (["KEY", "KEY"], "permerror", "there are several keys"),
        (["v=spf1 -all", "v=spf1 ~all"], "permerror", "there is no key"),
        (["SMALL"], "policy", "the key is shorter than 1024 bits"),
        (["LARGE"], "policy", "the key is longer than 4096 bits"),
    ],
)
async def test_what_the_dns_has_of_the_key(records: list[str], result: str, reason: str) -> None:
    known = {
        "KEY": rsa_record(rsa_key()),
        "SMALL": rsa_numbers(768, 65537),
        "LARGE": rsa_numbers(16384, 65537),
    }
    resolver = MemoryResolver({("TXT", RSA_KEY): [known.get(each, each) for each in records]})
    (found,) = await verify_dkim(resolver, hand_signed(""), AT)
    assert (found.result, found.reason) == (result, reason)


async def test_a_silent_dns_is_a_temporary_error(server: tuple[DnsServer, DnsResolver]) -> None:
    server[0].failing.add(RSA_KEY)
    found = await verify_dkim(server[1], signed(), AT)
    assert [each.result for each in found] == ["temperror", "pass"]
    server[0].silent = True
    found = await verify_dkim(server[1], signed(), AT)
    assert [each.result for each in found] == ["temperror", "temperror"]


async def test_a_key_that_is_tested_says_so() -> None:
    resolver = MemoryResolver({("TXT", RSA_KEY): [rsa_record(rsa_key(), " t=y;")]})
    (found,) = await verify_dkim(resolver, hand_signed(""), AT)
    assert (found.result, found.testing) == ("pass", True)


async def test_expired_and_broken_signatures_ask_nothing() -> None:
    resolver = MemoryResolver(zone())
    raw = hand_signed(f"t={NOW - 9}; x={NOW - 1}")
    raw = raw.replace(b"a=rsa-sha256", b"a=rsa-sha1", 1)
    (old,) = await verify_dkim(resolver, hand_signed(f"t={NOW - 9}; x={NOW - 1}"), AT)
    assert (old.result, old.reason) == ("fail", "the signature expired")
    (sha1,) = await verify_dkim(resolver, raw, AT)
    assert (sha1.result, sha1.algorithm) == ("permerror", "rsa-sha1")
    assert resolver.asked == []


async def test_domains_of_other_letters_are_asked_for_as_the_dns_has_them() -> None:
    signer = Signer("rsa-sha256", "bücher.test", "schlüssel", rsa_key())
    name = "schl\u00fcssel".encode("idna").decode() + "._domainkey.xn--bcher-kva.test"
    resolver = MemoryResolver({("TXT", name): [rsa_record(rsa_key())]})
    raw = sign(Fields(MESSAGE), [signer], NOW) + MESSAGE
    (found,) = await verify_dkim(resolver, raw, AT)
    assert (found.result, found.domain) == ("pass", "xn--bcher-kva.test")


async def test_no_more_than_ten_signatures_are_verified_and_each_key_is_asked_once() -> None:
    resolver = MemoryResolver(zone())
    raw = sign(Fields(MESSAGE), [ed25519_signer()] * 2000, NOW)
    raw += MESSAGE
    assert LARGEST_HEADER / 2 < len(raw) < LARGEST_HEADER
    began = time.process_time()
    found = await verify_dkim(resolver, raw, AT)
    assert [each.result for each in found] == ["pass"] * MOST_SIGNATURES
    asked = [name for kind, name in resolver.asked if kind == "TXT"]
    assert asked == [f"e._domainkey.{DOMAIN}"]
    assert time.process_time() - began < 2


async def test_a_header_beyond_all_measure_is_not_authenticated() -> None:
    raw = b"X: " + b"x" * LARGEST_HEADER + b"\r\n" + signed()
    (found,) = await verify_dkim(MemoryResolver(zone()), raw, AT)
    assert (found.result, found.domain) == ("permerror", "")


async def test_what_people_read_of_a_result_cannot_leave_its_line() -> None:
    field = (
        b"DKIM-Signature: v=1; a=rsa-sha256\r\n x; d=example.test; s=r;"
        b" i=a\r\n b@example.test; h=from; bh=QQ; b=QQ"
    )
    (found,) = await verify_dkim(MemoryResolver(), field + b"\r\n" + MESSAGE, AT)
    assert found.result == "permerror"
    assert not set("\r\n\t ") & set(found.identity + found.algorithm + found.domain)


async def test_a_long_header_is_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    async def to_thread(function: Any, *args: Any) -> Any:
        used.append(function)
        return function(*args)

    monkeypatch.setattr("asyncio.to_thread", to_thread)
    for raw, threads in ((signed(), 0), (b"X: y\r\n" * 6000 + signed(), 2)):
        used.clear()
        found = await verify_dkim(MemoryResolver(zone()), raw, AT)
        assert [each.result for each in found] == ["pass", "pass"]
        assert len(used) == threads


async def test_a_large_message_is_verified_without_holding_the_loop() -> None:
    import asyncio

    large = MESSAGE + b"A line of text\twith two kinds of space. \r\n" * 200_000
    raw = sign(Fields(large), [rsa_signer()], NOW) + large
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    task = asyncio.create_task(tick())
    (found,) = await verify_dkim(MemoryResolver(zone()), raw, AT)
    task.cancel()
    assert found.result == "pass"
    assert ticks > 1


@given(
    st.lists(
        st.sampled_from(
            [
                b"v=1",
                b"a=rsa-sha256",
                b"d=example.test",
                b"s=r",
                b"h=from",
                b"b=QQ==",
                b"bh=" + b"A" * 43 + b"=",
                b"l=1",
                b"i=@",
                b"\xff",
            ]
        ),
        max_size=12,
    ),
    st.binary(max_size=40),
)
def test_no_message_raises(tags: list[bytes], more: bytes) -> None:
    import asyncio

    raw = b"DKIM-Signature: " + b"; ".join([*tags, more]) + b"\r\n" + MESSAGE
    found = asyncio.run(verify_dkim(MemoryResolver(zone()), raw, AT))
    assert all(each.result in ("permerror", "fail", "policy") for each in found)
