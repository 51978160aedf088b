"""The life of DKIM keys: used once the DNS shows them, rotated by hand or age, removed at last."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.directories import Directory, bare_core, demo, other
from workpost.domain.organizations import dkim_rotation
from workpost.domain.organizations import domains_shell as shell
from workpost.domain.organizations.dkim_rotation import (
    KEEP_MS,
    LATEST_MS,
    TEND,
    Tended,
    choose,
    finish_tending,
    prepare,
    rotate_key,
)
from workpost.domain.organizations.dns_records import selector
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import Conflict, MailDomainNotFound, MailDomainStateInvalid
from workpost.operations.domains.tending import DAY_MS
from workpost.operations.domains.verification import verify_due, verify_now
from workpost.operations.jobs import runner
from workpost.operations.upkeep.rotation import rotate_organization
from workpost.store.core import Core
from workpost.store.tables.dkim_keys import ACTIVE, ED25519, RETIRING, RSA, WAITING

__all__ = ["bare_core", "demo", "other"]

NAME = "mail.example"
START = 1_767_225_600_000


@pytest.fixture
def env() -> FixedEnvironment:
    return FixedEnvironment(START)


def dns(house: Directory) -> MemoryResolver:
    assert isinstance(house.core.resolver, MemoryResolver)
    return house.core.resolver


async def publish(house: Directory, *, operator: bool = True, owner: bool = True) -> None:
    """Put into the DNS exactly what owner and operator are shown, and nothing else."""
    records = (await shell.get_domain(house.core, house.grant, NAME)).records if owner else []
    if operator:
        records = [*records, *await shell.key_records(house.core, house.grant, NAME)]
    dns(house).records.clear()
    for record in records:
        dns(house).records.setdefault((record.type, record.name), []).append(record.value)


async def keyring(house: Directory) -> dkim_rotation.Keyring:
    return await house.core.store.read(dkim_rotation.get_keyring, grant=house.grant, name=NAME)


async def states(house: Directory) -> dict[int, tuple[str, str]]:
    """Number of the selector to algorithm and state."""
    found = await keyring(house)
    numbers = {selector(found.row.token, number): number for number in range(3)}
    return {numbers[key.selector]: (key.algorithm, key.state) for key in found.keys}


async def begin(house: Directory) -> None:
    """A verified domain whose keys sign."""
    await shell.register_domain(house.core, house.grant, NAME)
    await publish(house)
    await verify_due(house.core, dns(house))
    assert await states(house) == {0: (RSA, ACTIVE), 1: (ED25519, ACTIVE)}


def with_rotation(house: Directory, days: int) -> Directory:
    dkim = msgspec.structs.replace(house.core.settings.dkim, rotate_days=days)
    settings = msgspec.structs.replace(house.core.settings, dkim=dkim)
    core = msgspec.structs.replace(house.core, settings=settings)
    return Directory(core, house.account, house.organization, house.domain)


async def test_keys_that_the_dns_does_not_show_sign_nothing(
    demo: Directory, env: FixedEnvironment
) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    await publish(demo, operator=False)
    await verify_due(demo.core, dns(demo))
    domain = await shell.get_domain(demo.core, demo.grant, NAME)
    # The owner has done what was asked of him; the operator not yet.
    assert (domain.row.state, domain.row.dkim) == ("VERIFIED", "VERIFIED")
    assert await states(demo) == {0: (RSA, WAITING), 1: (ED25519, WAITING)}
    await demo.work()
    assert await states(demo) == {0: (RSA, WAITING), 1: (ED25519, WAITING)}
    await publish(demo)
    env.advance(LATEST_MS)
    await demo.work()
    assert await states(demo) == {0: (RSA, ACTIVE), 1: (ED25519, ACTIVE)}


async def test_each_key_is_used_when_it_is_shown(demo: Directory, env: FixedEnvironment) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    await publish(demo)
    found = await keyring(demo)
    (reserve,) = [key.selector for key in found.keys if key.algorithm == ED25519]
    await publish(demo)
    (place,) = [each for each in dns(demo).records if each[1].startswith(f"{reserve}.dkim.")]
    (text,) = dns(demo).records.pop(place)
    await verify_due(demo.core, dns(demo))
    assert await states(demo) == {0: (RSA, ACTIVE), 1: (ED25519, WAITING)}
    # Another's key under our name is none of ours.
    for wrong in ([text[:-8] + "AAAAAAA="], ["v=spf1 -all"], [text, text]):
        dns(demo).records[place] = wrong
        env.advance(LATEST_MS)
        await demo.work()
        assert (await states(demo))[1] == (ED25519, WAITING)
    dns(demo).records[place] = [text]
    env.advance(LATEST_MS)
    await demo.work()
    assert (await states(demo))[1] == (ED25519, ACTIVE)


async def test_waiting_keys_are_asked_for_less_and_less_often(
    demo: Directory, env: FixedEnvironment
) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    await publish(demo, operator=False)
    await verify_due(demo.core, dns(demo))
    worked = 0
    for _ in range(48):
        worked += await demo.work()
        env.advance(60 * 60_000)
    assert 8 < worked < 14
    dns(demo).broken = True
    env.advance(LATEST_MS)
    assert await demo.work() == 1
    assert (await states(demo))[0] == (RSA, WAITING)


async def test_an_operator_without_a_dns_has_all_keys_by_force(demo: Directory) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    await verify_now(demo.core, dns(demo), demo.grant, NAME, force=True)
    assert await states(demo) == {0: (RSA, ACTIVE), 1: (ED25519, ACTIVE)}


async def test_a_rotation_from_beginning_to_end(demo: Directory, env: FixedEnvironment) -> None:
    await begin(demo)
    records = (await shell.get_domain(demo.core, demo.grant, NAME)).records
    first = await keyring(demo)
    after = await rotate_key(demo.core, demo.grant, NAME.upper(), RSA)
    assert len(after.keys) == 3
    assert await states(demo) == {0: (RSA, ACTIVE), 1: (ED25519, ACTIVE), 2: (RSA, WAITING)}
    # Until it is published, the one before signs.
    await demo.work()
    assert (await states(demo))[0] == (RSA, ACTIVE)
    await publish(demo)
    env.advance(LATEST_MS)
    await demo.work()
    assert await states(demo) == {0: (RSA, RETIRING), 1: (ED25519, ACTIVE), 2: (RSA, ACTIVE)}
    # What it signed can still be verified; nobody can sign by it any more.
    shown = await shell.key_records(demo.core, demo.grant, NAME)
    assert len(shown) == 3
    (old,) = [key for key in (await keyring(demo)).keys if key.state == RETIRING]
    assert old.sealed == b""
    assert old.public in {key.public for key in first.keys}
    env.advance(KEEP_MS - 1)
    await demo.work()
    assert (await states(demo))[0] == (RSA, RETIRING)
    env.advance(1)
    await demo.work()
    assert await states(demo) == {1: (ED25519, ACTIVE), 2: (RSA, ACTIVE)}
    # The free selector takes the next key, of any kind; the owner's records never change.
    await rotate_key(demo.core, demo.grant, NAME)
    assert await states(demo) == {0: (ED25519, WAITING), 1: (ED25519, ACTIVE), 2: (RSA, ACTIVE)}
    assert (await shell.get_domain(demo.core, demo.grant, NAME)).records == records


async def test_one_rotation_at_a_time(demo: Directory, env: FixedEnvironment) -> None:
    await shell.register_domain(demo.core, demo.grant, NAME)
    with pytest.raises(MailDomainStateInvalid, match="nobody published yet"):
        await rotate_key(demo.core, demo.grant, NAME)
    await begin(demo)
    await rotate_key(demo.core, demo.grant, NAME, RSA)
    with pytest.raises(MailDomainStateInvalid, match="nobody published yet"):
        await rotate_key(demo.core, demo.grant, NAME, RSA)
    with pytest.raises(MailDomainStateInvalid, match="is not over"):
        await rotate_key(demo.core, demo.grant, NAME)
    with pytest.raises(MailDomainStateInvalid, match="no DKIM keys"):
        await rotate_key(demo.core, demo.grant, demo.domain)
    with pytest.raises(MailDomainNotFound):
        await rotate_key(demo.core, demo.grant, "nobody.example")


async def test_of_two_rotations_at_the_same_moment_one_counts(demo: Directory) -> None:
    await begin(demo)
    ring = await keyring(demo)
    old, free = choose(ring, RSA)
    for _ in range(2):
        new = await prepare(demo.core, ring, old, free)
        begun = demo.core.store.write(
            dkim_rotation.begin_rotation, grant=demo.grant, new=new, replaces=old.selector
        )
        if len((await keyring(demo)).keys) == 2:
            await begun
        else:
            with pytest.raises(Conflict):
                await begun
    await shell.deregister_domain(demo.core, demo.grant, NAME)
    with pytest.raises(Conflict, match="deregistered"):
        await demo.core.store.write(
            dkim_rotation.begin_rotation, grant=demo.grant, new=new, replaces=old.selector
        )


async def test_keys_are_rotated_by_age_one_after_the_other(
    demo: Directory, env: FixedEnvironment
) -> None:
    await begin(demo)
    house = with_rotation(demo, 90)
    env.advance(90 * DAY_MS - 1)
    assert await house.work() == 0
    env.advance(1)
    await house.work()
    found = await states(house)
    assert [each[1] for each in found.values()].count(WAITING) == 1
    rotated = found[2][0]
    # Nothing more happens while it waits, and nobody is busy with that.
    assert await house.work() <= 1
    assert await house.work() == 0
    await publish(house)
    env.advance(LATEST_MS)
    await house.work()
    env.advance(KEEP_MS)
    await publish(house)
    for _ in range(3):
        await house.work()
        env.advance(LATEST_MS)
    # Now it is the other's turn.
    found = await states(house)
    assert {each[0] for each in found.values() if each[1] == WAITING} == {RSA, ED25519} - {rotated}


async def test_rotation_by_age_is_off_unless_it_is_set(
    demo: Directory, env: FixedEnvironment
) -> None:
    await begin(demo)
    assert demo.core.settings.dkim.rotate_days == 0
    env.advance(4000 * DAY_MS)
    assert await demo.work() == 0


async def test_a_job_whose_domain_is_gone_ends(demo: Directory) -> None:
    await begin(demo)
    await demo.core.store.write(
        dkim_rotation.schedule, found=[(demo.organization, NAME, demo.core.env.new_id())]
    )
    await shell.deregister_domain(demo.core, demo.grant, NAME)
    assert await demo.work() == 1
    assert await demo.run("SELECT id FROM job") == []


async def test_an_operator_who_is_quicker_than_the_job(demo: Directory) -> None:
    await begin(demo)
    ring = await keyring(demo)
    old, free = choose(ring, RSA)
    new = await prepare(demo.core, ring, old, free)
    await demo.core.store.write(
        dkim_rotation.schedule, found=[(demo.organization, NAME, demo.core.env.new_id())]
    )
    (lease,) = await demo.core.store.write(runner.lease_due, kinds=[TEND], lease_ms=9000)
    await rotate_key(demo.core, demo.grant, NAME, ED25519)
    work = Tended(new=new, replaces=old.selector)
    await demo.core.store.write(finish_tending, lease=lease, work=work)
    assert (await states(demo))[2] == (ED25519, WAITING)
    with pytest.raises(Conflict):
        await demo.core.store.write(finish_tending, lease=lease, work=work)


async def test_keys_without_a_private_part_survive_the_rotation_of_the_organizations_key(
    demo: Directory, env: FixedEnvironment
) -> None:
    await begin(demo)
    await rotate_key(demo.core, demo.grant, NAME, RSA)
    await publish(demo)
    env.advance(LATEST_MS)
    await demo.work()
    gen = await rotate_organization(demo.core, demo.organization)
    found = {key.state: key for key in (await keyring(demo)).keys}
    assert found[ACTIVE].gen == gen
    assert found[RETIRING].sealed == b""


async def test_tenants_keys_are_their_own(
    demo: Directory, other: Directory, env: FixedEnvironment
) -> None:
    await begin(demo)
    await shell.register_domain(other.core, other.grant, "other.example")
    before = await demo.run("SELECT selector, state FROM dkim_key WHERE org = ?", demo.organization)
    with pytest.raises(MailDomainNotFound):
        await rotate_key(other.core, other.grant, NAME)
    await verify_now(other.core, dns(other), other.grant, "other.example", force=True)
    after = await demo.run("SELECT selector, state FROM dkim_key WHERE org = ?", demo.organization)
    assert sorted(after) == sorted(before)
    assert isinstance(demo.core, Core)
