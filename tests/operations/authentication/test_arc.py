"""Verifying ARC chains: what RFC 8617 5.2 says, over a resolver."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.formats.mailauth.test_arc import RESULTS, sealed
from tests.support.signers import DOMAIN, MESSAGE, NOW, ed25519_signer, zone
from workpost.formats.mailauth.arc import NONE, seal
from workpost.formats.mailauth.canonical import LARGEST_HEADER, Fields
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.authentication.arc import ArcResult, verify_arc

AT = NOW * 1000
TOLD = b"mx.example.test; spf=pass; dkim=pass header.d=example.test"


async def test_a_chain_passes_and_tells_what_its_sealers_said() -> None:
    resolver = MemoryResolver(zone())
    found = await verify_arc(resolver, sealed(times=2), AT)
    assert found == ArcResult("pass", 2, (DOMAIN, DOMAIN), 0, (TOLD, TOLD))
    assert [name for kind, name in resolver.asked if kind == "TXT"] == [f"r._domainkey.{DOMAIN}"]


async def test_a_message_without_a_chain() -> None:
    assert await verify_arc(MemoryResolver(), MESSAGE, AT) == ArcResult("none")


async def test_a_broken_chain_tells_nothing_that_anybody_could_believe() -> None:
    resolver = MemoryResolver(zone())
    for raw in (
        sealed().replace(b"Grace.", b"Grase."),
        sealed().replace(b"cv=none", b"cv=pass"),
        b"X: " + b"x" * LARGEST_HEADER + b"\r\n" + sealed(),
    ):
        found = await verify_arc(resolver, raw, AT)
        assert (found.result, found.domains, found.sealed) == ("fail", (), ())
        assert found.reason


async def test_keys_that_are_not_there() -> None:
    resolver = MemoryResolver()
    found = await verify_arc(resolver, sealed(), AT)
    assert (found.result, found.reason) == ("fail", f"r._domainkey.{DOMAIN}: there is no key")
    resolver.broken = True
    assert (await verify_arc(resolver, sealed(), AT)).result == "temperror"


async def test_the_key_of_an_older_message_signature_only_ends_the_oldest_pass() -> None:
    # The first sealer signed the message with a key that is gone, and its seal with another.
    old = seal(Fields(MESSAGE), ed25519_signer(), RESULTS, NONE, NOW)
    resolver = MemoryResolver(zone())
    both = sealed(old + MESSAGE)
    assert (await verify_arc(resolver, both, AT)).oldest_pass == 0
    changed = sealed(sealed(times=1).replace(b"Grace.", b"Joan."))
    assert (await verify_arc(resolver, changed, AT)).oldest_pass == 2


@given(st.integers(0, 3), st.integers(0, 2000), st.binary(max_size=3))
def test_no_chain_raises(times: int, at: int, put: bytes) -> None:
    import asyncio

    raw = sealed(times=times)
    at %= len(raw)
    found = asyncio.run(verify_arc(MemoryResolver(zone()), raw[:at] + put + raw[at + 2 :], AT))
    assert found.result in ("none", "pass", "fail")
