"""Verification: the records of GetMailDomain, published at a real DNS server, verify the domain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.directories import Directory, bare_core, demo, other
from tests.support.dns import DnsServer
from tests.support.stores import Run
from workpost.domain.organizations import domains_shell as shell
from workpost.domain.organizations.mail_domains import WAIT_MS
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.dns.real import DnsResolver
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import MailDomainInUse, MailDomainNotFound
from workpost.operations.domains import verification
from workpost.operations.domains.verification import DomainVerifier, verify_due, verify_now
from workpost.store.tables.domains import FAILED, PENDING, VERIFIED

__all__ = ["bare_core", "demo", "other"]

NAME = "mail.example"
START = 1_767_225_600_000


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment(START)


@pytest.fixture
def server(run: Run[Any]) -> Iterator[tuple[DnsServer, DnsResolver]]:
    made = DnsServer()
    address = run(made.start())
    yield made, DnsResolver([address], seconds=2)
    made.close()


async def publish(zone: dict[tuple[str, str], list[str]], house: Directory, name: str) -> None:
    """Put the records that the owner is shown into a zone."""
    domain = await shell.get_domain(house.core, house.grant, name)
    for record in domain.records:
        zone.setdefault((record.type, record.name), []).append(record.value)


async def states(house: Directory, name: str = NAME) -> tuple[str, str]:
    row = (await shell.get_domain(house.core, house.grant, name)).row
    return row.state, row.dkim


async def test_published_records_verify_a_domain(
    demo: Directory, server: tuple[DnsServer, DnsResolver], env: FixedEnvironment
) -> None:
    zone, resolver = server[0].records, server[1]
    await shell.register_domain(demo.core, demo.grant, NAME.upper())
    assert await verify_due(demo.core, resolver) == 1
    assert await states(demo) == (PENDING, PENDING)
    assert await verify_due(demo.core, resolver) == 0
    await publish(zone, demo, NAME)
    env.advance(60_000)
    assert await verify_due(demo.core, resolver) == 1
    assert await states(demo) == (VERIFIED, VERIFIED)
    assert await demo.run("SELECT id FROM job") == []
    await shell.set_default_domain(demo.core, demo.grant, NAME)


async def test_the_token_may_stand_at_the_bare_domain_and_the_key_itself_in_the_owners_zone(
    demo: Directory,
) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    (token,) = (await shell.get_domain(demo.core, demo.grant, NAME)).records[:1]
    rsa = next(r for r in await shell.key_records(demo.core, demo.grant, NAME) if "rsa" in r.value)
    selector = rsa.name.partition(".")[0]
    zone = {
        ("TXT", NAME): ["v=spf1 ~all", token.value],
        ("TXT", f"{selector}._domainkey.{NAME}"): [rsa.value],
    }
    await verify_due(demo.core, MemoryResolver(zone))
    assert await states(demo) == (VERIFIED, VERIFIED)


async def test_ownership_comes_before_dkim_and_alone(demo: Directory) -> None:
    zone: dict[tuple[str, str], list[str]] = {}
    await shell.register_domain(demo.core, demo.grant, NAME)
    await publish(zone, demo, NAME)
    without = {key: value for key, value in zone.items() if "_domainkey" not in key[1]}
    await verify_due(demo.core, MemoryResolver(without))
    assert await states(demo) == (VERIFIED, PENDING)


async def test_after_72_hours_it_has_failed_and_registering_again_begins_anew(
    demo: Directory, env: FixedEnvironment
) -> None:
    resolver = MemoryResolver()
    await shell.register_domain(demo.core, demo.grant, NAME)
    rounds = 0
    for _ in range(2000):
        rounds += await verify_due(demo.core, resolver)
        if await states(demo) != (PENDING, PENDING):
            break
        env.advance(10 * 60_000)
    assert await states(demo) == (FAILED, FAILED)
    assert env.now() - START == WAIT_MS
    assert 400 < rounds < 500
    assert await verify_due(demo.core, resolver) == 0
    await shell.register_domain(demo.core, demo.grant, NAME)
    assert await states(demo) == (PENDING, PENDING)
    await publish(resolver.records, demo, NAME)
    await verify_due(demo.core, resolver)
    assert await states(demo) == (VERIFIED, VERIFIED)


async def test_a_silent_dns_changes_nothing(demo: Directory, env: FixedEnvironment) -> None:
    resolver = MemoryResolver()
    resolver.broken = True
    await shell.register_domain(demo.core, demo.grant, NAME)
    assert await verify_due(demo.core, resolver) == 1
    assert await states(demo) == (PENDING, PENDING)
    env.advance(60_000)
    assert await verify_due(demo.core, resolver) == 1


async def test_two_may_register_one_may_verify(
    demo: Directory, other: Directory, env: FixedEnvironment
) -> None:
    resolver = MemoryResolver()
    for house in (demo, other):
        await shell.register_domain(house.core, house.grant, NAME)
    await publish(resolver.records, other, NAME)
    await verify_due(demo.core, resolver)
    assert (await states(demo), await states(other)) == ((PENDING,) * 2, (VERIFIED,) * 2)
    await publish(resolver.records, demo, NAME)
    env.advance(60_000)
    await verify_due(demo.core, resolver)
    assert await states(demo) == (PENDING, PENDING)
    with pytest.raises(MailDomainInUse):
        await verify_now(demo.core, resolver, demo.grant, NAME)
    await shell.deregister_domain(other.core, other.grant, NAME)
    assert await verify_now(demo.core, resolver, demo.grant, NAME) == (VERIFIED, VERIFIED)


async def test_a_domain_deregistered_meanwhile_ends_its_job(demo: Directory) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    await shell.deregister_domain(demo.core, demo.grant, NAME)
    assert await verify_due(demo.core, MemoryResolver()) == 1
    assert await demo.run("SELECT id FROM job") == []
    assert await demo.run("SELECT selector FROM dkim_key") == []


async def test_an_answer_for_an_older_token_counts_for_nothing(demo: Directory) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    (lease,) = await demo.core.store.write(verification.lease_due, limit=1, lease_ms=1000)
    found = verification.Found(ownership=True, dkim=True)
    await demo.core.store.write(
        verification.settle_job, lease=lease, name=NAME, found=found, token="another"
    )
    assert await states(demo) == (PENDING, PENDING)


async def test_an_operator_may_look_now_or_force(demo: Directory) -> None:
    resolver = MemoryResolver()
    await shell.register_domain(demo.core, demo.grant, NAME)
    assert await verify_now(demo.core, resolver, demo.grant, NAME) == (PENDING, PENDING)
    forced = await verify_now(demo.core, resolver, demo.grant, NAME, force=True)
    assert forced == (VERIFIED, VERIFIED)
    with pytest.raises(MailDomainNotFound):
        await verify_now(demo.core, resolver, demo.grant, "nobody.example")
    assert await verify_now(demo.core, resolver, demo.grant, demo.domain) == (VERIFIED, VERIFIED)


async def test_the_verifier_wakes_when_a_domain_is_registered(demo: Directory) -> None:
    import asyncio

    resolver = MemoryResolver()
    task = asyncio.create_task(DomainVerifier(demo.core, resolver).run())
    await asyncio.sleep(0.05)
    asked = asyncio.Event()
    resolver.records = _Telling(asked)
    await shell.register_domain(demo.core, demo.grant, NAME)
    async with asyncio.timeout(30):
        await asked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _Telling(dict[tuple[str, str], list[str]]):
    def __init__(self, asked: Any) -> None:
        super().__init__()
        self._asked = asked

    def get(self, key: Any, default: Any = None) -> Any:
        self._asked.set()
        return default


async def test_of_two_at_the_same_moment_one_has_it(demo: Directory, other: Directory) -> None:
    import asyncio

    for house in (demo, other):
        await shell.register_domain(house.core, house.grant, NAME)
    resolver = MemoryResolver()
    outcomes = await asyncio.gather(
        *(
            verify_now(house.core, resolver, house.grant, NAME, force=True)
            for house in (demo, other)
        ),
        return_exceptions=True,
    )
    assert [each for each in outcomes if each == (VERIFIED, VERIFIED)] == [(VERIFIED, VERIFIED)]
    (refused,) = [each for each in outcomes if isinstance(each, BaseException)]
    assert isinstance(refused, MailDomainInUse)
    assert sorted([await states(demo), await states(other)]) == [(PENDING,) * 2, (VERIFIED,) * 2]


async def test_of_two_jobs_at_the_same_moment_one_has_it(
    demo: Directory, other: Directory, env: FixedEnvironment
) -> None:
    resolver = MemoryResolver()
    for house in (demo, other):
        await shell.register_domain(house.core, house.grant, NAME)
        await publish(resolver.records, house, NAME)
    assert await verify_due(demo.core, resolver) == 2
    assert sorted([await states(demo), await states(other)]) == [(PENDING,) * 2, (VERIFIED,) * 2]
