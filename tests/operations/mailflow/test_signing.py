"""Signing what leaves: with the keys in use, judged by implementations that are not ours."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import dkim
import pytest

from tests.support.directories import Directory, bare_core, demo, other
from tests.support.signers import MESSAGE
from workpost.domain.organizations import domains_shell as shell
from workpost.domain.organizations.dkim_rotation import LATEST_MS, rotate_key
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import KeyDestroyed, TryLater
from workpost.operations.authentication.arc import verify_arc
from workpost.operations.authentication.dkim import verify_dkim
from workpost.operations.domains.verification import verify_due
from workpost.operations.mailflow import signing
from workpost.operations.mailflow.signing import REMEMBERED, SECONDS, seal_arc, sign
from workpost.store.tables.dkim_keys import ED25519, RSA

__all__ = ["bare_core", "demo", "other"]

# What is signed does not depend on the engine; the life of keys is tested on both.
pytestmark = pytest.mark.parametrize("shared_settings", ["sqlite"], indirect=True)

NAME = "bücher.example"
ASCII = "xn--bcher-kva.example"
RESULTS = b"Authentication-Results: mx.example.test;\r\n\tspf=pass smtp.mailfrom=a@b.test\r\n"
ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / ".venv-node"


class Clock(FixedEnvironment):
    """The machine's time, which the judges know too; ids of its own: destroyed ones stay so."""

    def __init__(self) -> None:
        super().__init__(int(time.time()) * 1000)

    def new_hex(self) -> str:
        return os.urandom(16).hex()


@pytest.fixture
def env() -> Clock:
    return Clock()


def dns(house: Directory) -> MemoryResolver:
    assert isinstance(house.core.resolver, MemoryResolver)
    return house.core.resolver


async def publish(house: Directory) -> None:
    """Put into the DNS exactly what owner and operator are shown."""
    domain = await shell.get_domain(house.core, house.grant, NAME)
    keys = await shell.key_records(house.core, house.grant, NAME)
    dns(house).records.clear()
    for record in (*domain.records, *keys):
        dns(house).records.setdefault((record.type, record.name), []).append(record.value)


async def begin(house: Directory) -> None:
    await shell.register_domain(house.core, house.grant, NAME)
    await publish(house)
    await verify_due(house.core, dns(house))


async def signed(house: Directory, raw: bytes = MESSAGE, author: str = NAME) -> bytes:
    fields = await sign(house.core, house.organization, raw, author_domain=author)
    return fields + raw


async def sealed(house: Directory, raw: bytes) -> bytes:
    return await seal_arc(house.core, house.organization, NAME, raw, RESULTS) + raw


async def judged(house: Directory, raw: bytes) -> list[tuple[str, str, str]]:
    found = await verify_dkim(dns(house), raw, house.core.env.now())
    return [(each.result, each.algorithm, each.domain) for each in found]


async def published(house: Directory) -> dict[str, str]:
    """The TXT that a receiver finds at each name of a key."""
    names = [name for kind, name in dns(house).records if "_domainkey" in name]
    found = {name: (await dns(house).txt(name)).values for name in names}
    return {name: values[0] for name, values in found.items() if values}


async def test_what_leaves_is_signed_with_both_keys(demo: Directory) -> None:
    await begin(demo)
    for author in (NAME, NAME.upper(), ASCII):
        assert await judged(demo, await signed(demo, author=author)) == [
            ("pass", "rsa-sha256", ASCII),
            ("pass", "ed25519-sha256", ASCII),
        ]


async def test_dkimpy_verifies_what_leaves(demo: Directory) -> None:
    await begin(demo)
    texts = await published(demo)

    def ask(name: bytes, timeout: int = 5) -> bytes | None:
        text = texts.get(name.decode().removesuffix("."))
        return text.encode() if text else None

    once = await sealed(demo, await signed(demo))
    twice = await sealed(demo, once)
    for raw in (once, twice):
        assert [dkim.DKIM(raw).verify(number, dnsfunc=ask) for number in range(2)] == [True, True]
        assert dkim.ARC(raw).verify(dnsfunc=ask)[0] == b"pass"


def mailauth(texts: dict[str, str], messages: list[bytes]) -> list[dict[str, object]]:
    """What mailauth, under Node.js, says of messages; skips with the reason where it is not."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (version 20 or later)")
    if not (PACKAGES / "node_modules/mailauth/package.json").exists():
        pytest.skip("mailauth is not installed (script/test does where npm is)")
    question = {"zone": texts, "messages": [base64.b64encode(raw).decode() for raw in messages]}
    done = subprocess.run(
        [node, str(ROOT / "tests" / "javascript" / "mailauth.mjs")],
        input=json.dumps(question),
        env={"PATH": os.environ["PATH"], "PACKAGES": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: list[dict[str, object]] = json.loads(done.stdout)
    return answer


async def test_mailauth_verifies_what_leaves_and_sees_what_was_changed(demo: Directory) -> None:
    await begin(demo)
    whole = await signed(demo)
    once = await sealed(demo, whole)
    twice = await sealed(demo, once)
    changed = twice.replace(b"Grace.", b"Grase.")
    found = mailauth(await published(demo), [whole, once, twice, changed])
    good = [["rsa-sha256", "pass"], ["ed25519-sha256", "pass"]]
    assert found[0] == {"dkim": good, "arc": "none", "instances": 0}
    assert found[1] == {"dkim": good, "arc": "pass", "instances": 1}
    assert found[2] == {"dkim": good, "arc": "pass", "instances": 2}
    assert found[3]["arc"] == "fail"
    assert "pass" not in str(found[3]["dkim"])


async def test_domains_without_keys_in_use_sign_nothing(demo: Directory, other: Directory) -> None:
    for author in (demo.domain, NAME, "example.org", ""):
        assert await signed(demo, author=author) == MESSAGE
    await begin(demo)
    # Another organization's keys are not ours to sign with.
    assert await signed(other) == MESSAGE
    assert await sealed(other, MESSAGE) == MESSAGE
    assert await signed(demo, author=f"sub.{NAME}") == MESSAGE


async def test_after_a_rotation_the_new_key_signs_and_old_mail_still_verifies(
    demo: Directory, env: Clock
) -> None:
    await begin(demo)
    before = await signed(demo)
    await rotate_key(demo.core, demo.grant, NAME, RSA)
    await publish(demo)
    env.advance(LATEST_MS)
    await demo.work()
    after = await signed(demo)
    selectors = [
        [each.selector for each in await verify_dkim(dns(demo), raw, env.now())]
        for raw in (before, after)
    ]
    assert selectors[0][0] != selectors[1][0]
    assert selectors[0][1] == selectors[1][1]
    for raw in (before, after):
        assert [each[0] for each in await judged(demo, raw)] == ["pass", "pass"]


async def test_keys_in_clear_live_sixty_seconds(demo: Directory, env: Clock) -> None:
    await begin(demo)
    await signed(demo)
    await demo.change("DELETE FROM dkim_key WHERE algorithm = ?", ED25519)
    assert len(await judged(demo, await signed(demo))) == 2
    env.advance(int(SECONDS * 1000))
    assert len(await judged(demo, await signed(demo))) == 1


async def test_keys_in_clear_are_dropped_without_being_asked_for(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SECONDS", 0.05)
    await begin(demo)
    await signed(demo)
    assert len(signing._ready[demo.core.keys]) == 1
    await asyncio.sleep(0.1)
    assert len(signing._ready[demo.core.keys]) == 0


async def test_destroyed_keys_sign_nothing(demo: Directory, other: Directory) -> None:
    await begin(demo)
    await signed(demo)
    await demo.core.keys.shred_organization(demo.organization)
    with pytest.raises(KeyDestroyed):
        await signed(demo)
    assert not [each for each in signing._ready[demo.core.keys] if each[0] == demo.organization]


async def test_not_every_domain_is_remembered(demo: Directory) -> None:
    for number in range(REMEMBERED + 3):
        await signed(demo, author=f"{number}.example")
    ready = signing._ready[demo.core.keys]
    assert len(ready) == REMEMBERED
    assert (demo.organization, "0.example") not in ready


async def test_a_chain_that_is_broken_or_full_is_left_alone(demo: Directory) -> None:
    await begin(demo)
    good = await sealed(demo, MESSAGE)
    broken = good.replace(b"cv=none", b"cv=fail")
    assert await sealed(demo, broken) == broken
    assert await sealed(demo, good.replace(b"Grace.", b"Joan.")) != good
    changed = good.replace(b"Grace.", b"Joan.")
    assert await sealed(demo, changed) == changed
    full = MESSAGE
    for _ in range(50):
        full = await sealed(demo, full)
    assert (await verify_arc(dns(demo), full, demo.core.env.now())).instances == 50
    assert await sealed(demo, full) == full


async def test_a_chain_that_the_dns_does_not_tell_of_waits(demo: Directory) -> None:
    await begin(demo)
    good = await sealed(demo, MESSAGE)
    await signed(demo)
    dns(demo).broken = True
    with pytest.raises(TryLater):
        await sealed(demo, good)
    # A first set asks nobody.
    assert await sealed(demo, MESSAGE) != MESSAGE


async def test_a_large_message_is_signed_too_and_a_header_without_measure_is_not(
    demo: Directory,
) -> None:
    await begin(demo)
    large = MESSAGE + b"x" * 70 * 1024 + (b"\r\n" + b"y" * 900) * 1000 + b"\r\n"
    assert [each[0] for each in await judged(demo, await signed(demo, large))] == ["pass", "pass"]
    endless = b"X: " + b"x" * (1 << 20) + b"\r\n" + MESSAGE
    assert await signed(demo, endless) == endless
