"""Signing with both keys and verifying both signatures, beside dkimpy, in one process."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator

import dkim

from benchmarks.scale import Scale
from benchmarks.table import Row
from tests.support.signers import (
    DOMAIN,
    ask,
    ed25519_key,
    ed25519_signer,
    pem,
    rsa_key,
    rsa_signer,
    zone,
)
from workpost.formats.mailauth.canonical import Fields
from workpost.formats.mailauth.dkim import sign
from workpost.integrations.dns.memory import MemoryResolver
from workpost.operations.authentication.dkim import verify_dkim

SECTION = "DKIM, RSA-2048 and Ed25519"
SIZES = (("5 KB", 5_000), ("50 KB", 50_000), ("1 MB", 1_000_000))

_HEADER = (
    b"From: Ada Lovelace <ada@example.test>\r\nTo: Grace Hopper <grace@example.org>\r\n"
    b"Subject: The minutes of our meeting, and what is\r\n to be done until the next\r\n"
    b"Date: Fri, 27 Nov 2026 19:00:00 +0000\r\nMessage-ID: <20261127190000.1@example.test>\r\n"
    b"References: <1@example.org> <2@example.test>\r\nIn-Reply-To: <2@example.test>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=next\r\n\r\n"
)


def message(size: int) -> bytes:
    """A message of this size: 2 KB of text, the rest an attachment in base64."""
    line = b"Lines of text have words,  spaces and ends. \r\n"
    text = b"--next\r\n\r\n" + line * (2_000 // len(line))
    row = base64.b64encode(bytes(range(57))) + b"\r\n"
    rows = row * ((size - len(_HEADER) - len(text)) // len(row))
    return _HEADER + text + b"--next\r\nContent-Transfer-Encoding: base64\r\n\r\n" + rows


def measure(scale: Scale) -> Iterator[Row]:
    """Milliseconds of processor time; the two take turns, the best round of each is told."""
    for name, size in SIZES:
        yield from _measure_size(name, message(size), scale)


def _measure_size(name: str, raw: bytes, scale: Scale) -> Iterator[Row]:
    now = int(time.time())
    signers = [rsa_signer(), ed25519_signer()]
    private, seed = pem(rsa_key()), base64.b64encode(ed25519_key().private_bytes_raw())
    domain = DOMAIN.encode()
    forms = (b"relaxed", b"relaxed")
    signed = sign(Fields(raw), signers, now) + raw
    resolver = MemoryResolver(zone())

    def sign_ours() -> None:
        sign(Fields(raw), signers, now)

    def sign_theirs() -> None:
        dkim.sign(raw, b"r", domain, private, canonicalize=forms)
        dkim.sign(
            raw, b"e", domain, seed, canonicalize=forms, signature_algorithm=b"ed25519-sha256"
        )

    def verify_theirs() -> None:
        for number in range(2):
            assert dkim.DKIM(signed).verify(number, dnsfunc=ask)

    async def verify_ours() -> None:
        found = await verify_dkim(resolver, signed, now * 1000)
        assert [each.result for each in found] == ["pass", "pass"]

    with asyncio.Runner() as runner:
        for what, ours, theirs in (
            ("sign", sign_ours, sign_theirs),
            ("verify", lambda: runner.run(verify_ours()), verify_theirs),
        ):
            value, peer = _compare(ours, theirs, scale.rounds)
            yield Row(
                section=SECTION,
                what=f"{what} {name}",
                value=value,
                unit="ms",
                peer="dkimpy",
                peer_value=peer,
                lower_is_better=True,
            )


def _compare(
    ours: Callable[[], None], theirs: Callable[[], None], rounds: int
) -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for number, work in enumerate((ours, theirs)):
            best[number] = min(best[number], _milliseconds(work, 40 * rounds if rounds > 1 else 2))
    return best[0], best[1]


def _milliseconds(work: Callable[[], None], most: int) -> float:
    """Of one call, over up to 0.5 s of calls."""
    began, count = time.process_time(), 0
    while count < most and (not count or time.process_time() - began < 0.5):
        work()
        count += 1
    return (time.process_time() - began) / count * 1000
