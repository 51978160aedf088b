"""Where mail goes: one look-up at RCPT TO, one expansion of the whole envelope."""

import pytest

from tests.support.directories import Directory, new_directory
from workpost.domain.directory import shell, walking
from workpost.domain.directory.entities import Props
from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import Expansion, is_local_domain, lookup_address
from workpost.domain.mailboxes.registration import deregister_from_workmail


async def route(demo: Directory, *rcpts: str) -> Expansion:
    return await expand_envelope(demo.core, list(rcpts))


def people(result: Expansion) -> list[tuple[str, str]]:
    return [(local.address, local.rcpt) for local in result.local]


async def holder(demo: Directory, address: str) -> str | None:
    found = await demo.core.store.read(lookup_address, addr_fold=address)
    return found.entity if found else None


async def test_primary_addresses_aliases_and_plus_addresses_lead_to_the_person(
    demo: Directory,
) -> None:
    ada = await demo.user("ada")
    await shell.create_alias(demo.core, demo.grant, ada, "countess@demo.test")
    for address in (
        "ada@demo.test",
        "countess@demo.test",
        "ada+lists@demo.test",
        "ada+a+b@demo.test",
    ):
        assert await holder(demo, address) == ada
    assert await holder(demo, "nobody@demo.test") is None
    assert await holder(demo, "+ada@demo.test") is None


async def test_an_address_that_exists_with_its_plus_wins(demo: Directory) -> None:
    ada = await demo.user("ada")
    sales = await demo.user("sales")
    await shell.create_alias(demo.core, demo.grant, sales, "ada+sales@demo.test")
    assert await holder(demo, "ada+sales@demo.test") == sales
    assert await holder(demo, "ada+sale@demo.test") == ada


async def test_a_person_is_reached_once_by_the_first_way(demo: Directory) -> None:
    ada = await demo.user("ada")
    await demo.user("grace")
    await demo.group("everyone", "grace", ada)
    result = await route(
        demo, "ada+x@demo.test", "everyone@demo.test", "ada@demo.test", "everyone@demo.test"
    )
    assert people(result) == [
        ("ada@demo.test", "ada+x@demo.test"),
        ("grace@demo.test", "everyone@demo.test"),
    ]
    [first, _] = result.local
    assert (first.organization, first.entity, first.bytes) == (demo.organization, ada, 0)
    assert first.quota == 51_200 << 20


async def test_groups_nest_hidden_ones_deliver_and_disabled_ones_do_not(demo: Directory) -> None:
    await demo.user("ada")
    await demo.user("grace")
    await demo.user("barbara")
    await demo.group("inner", "ada")
    await demo.group("off", "barbara")
    await demo.group("outer", "inner", "off", "grace", hidden=True)
    await deregister_from_workmail(demo.core, demo.grant, "off")
    result = await route(demo, "outer@demo.test")
    assert sorted(address for address, _ in people(result)) == ["ada@demo.test", "grace@demo.test"]
    assert result.empty == []


async def test_a_loop_of_groups_is_walked_once(demo: Directory) -> None:
    await demo.user("ada")
    a = await demo.group("a", "ada")
    b = await demo.group("b", a)
    # The API refuses this; a directory that comes from elsewhere may have it.
    await demo.change("INSERT INTO member VALUES (?, ?, ?)", demo.organization, a, b)
    assert people(await route(demo, "a@demo.test", "b@demo.test")) == [
        ("ada@demo.test", "a@demo.test")
    ]


async def test_empty_groups_are_accepted_and_recorded(demo: Directory) -> None:
    await demo.group("nobody")
    await demo.group("outer", "nobody")
    await demo.user("ada")
    await demo.group("gone", "ada")
    await deregister_from_workmail(demo.core, demo.grant, "ada")
    groups = ["nobody@demo.test", "outer@demo.test", "gone@demo.test"]
    result = await route(demo, *groups)
    assert (result.local, result.unknown, result.external) == ([], [], [])
    assert result.empty == groups


async def test_disabled_people_remote_users_and_strangers_are_unknown_here(
    demo: Directory,
) -> None:
    await demo.user("ada")
    await deregister_from_workmail(demo.core, demo.grant, "ada")
    await demo.user("remote", password=None, props=Props(user_role="REMOTE_USER"))
    rcpts = ["ada@demo.test", "remote@demo.test", "nobody@demo.test"]
    result = await route(demo, *rcpts, "else@where.example")
    assert result.unknown == rcpts
    assert result.external == ["else@where.example"]


async def test_mail_between_organizations_stays_here(demo: Directory, other: Directory) -> None:
    await demo.user("ada")
    eve = await other.user("eve")
    result = await route(demo, "ada@demo.test", "eve@other.test")
    assert [local.organization for local in result.local] == [
        demo.organization,
        other.organization,
    ]
    assert result.local[1].entity == eve


async def test_nothing_reaches_a_deleted_organization(demo: Directory) -> None:
    from workpost.domain.organizations import deletion

    await demo.user("ada")
    assert await demo.core.store.read(is_local_domain, domain="demo.test")
    await demo.core.store.write(deletion.begin_deletion, grant=demo.grant, force=True)
    assert not await demo.core.store.read(is_local_domain, domain="demo.test")
    assert await holder(demo, "ada@demo.test") is None


async def test_postmaster_and_abuse_go_to_the_one_on_duty(demo: Directory) -> None:
    ada = await demo.user("ada")
    assert await holder(demo, "postmaster@demo.test") is None
    await demo.change("UPDATE organization SET settings = ?", f'{{"postmaster":"{ada}"}}')
    for duty in ("postmaster@demo.test", "abuse@demo.test"):
        assert await holder(demo, duty) == ada
    for other in ("postmaster@elsewhere.example", "hostmaster@demo.test"):
        assert await holder(demo, other) is None
    grace = await demo.user("postmaster")
    assert await holder(demo, "postmaster@demo.test") == grace


async def test_a_full_mailbox_says_so(demo: Directory) -> None:
    await demo.user("ada")
    found = await demo.core.store.read(lookup_address, addr_fold="ada@demo.test")
    assert found is not None
    assert found.takes(0)
    await demo.change("UPDATE mailbox SET quota = 0")
    found = await demo.core.store.read(lookup_address, addr_fold="ada@demo.test")
    assert found is not None
    assert not found.takes(0)


async def test_large_and_nested_groups_are_read_a_page_at_a_time(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "PAGE", 3)
    monkeypatch.setattr(walking, "LOOKUPS", 2)
    people_here = [await demo.user(f"user{n}", password=None) for n in range(7)]
    await demo.group("inner", *people_here[:4])
    await demo.group("outer", "inner", *people_here[2:])
    assert await demo.core.store.read(walking.expand, addr_folds=["outer@demo.test"]) is None
    rcpts = ["user6@demo.test", "outer@demo.test", "no@demo.test", "x@elsewhere.example"]
    for few in (walking.FEW, 0):
        monkeypatch.setattr("workpost.domain.directory.expansion.FEW", few)
        result = await route(demo, *rcpts)
        assert sorted(local.entity for local in result.local) == sorted(people_here)
        assert people(result)[0] == ("user6@demo.test", "user6@demo.test")
        assert (result.unknown, result.external) == (["no@demo.test"], ["x@elsewhere.example"])


async def test_postmaster_without_a_domain_is_that_of_the_only_organization_rfc5321_4_5_1(
    demo: Directory,
) -> None:
    assert await holder(demo, "postmaster") is None
    ada = await demo.user("ada")
    await demo.change("UPDATE organization SET settings = ?", f'{{"postmaster":"{ada}"}}')
    assert await holder(demo, "postmaster") == ada
    grace = await demo.user("postmaster")
    assert await holder(demo, "postmaster") == grace
    assert [local.entity for local in (await route(demo, "postmaster")).local] == [grace]
    await new_directory(demo.core, "second")
    assert await holder(demo, "postmaster") is None
    assert (await route(demo, "postmaster")).unknown == ["postmaster"]
