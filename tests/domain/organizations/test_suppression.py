"""The suppression list of an organization: by address, for a time, of no other tenant."""

from __future__ import annotations

import pytest

from tests.support.directories import Directory
from workpost.domain.organizations import suppression
from workpost.domain.organizations.suppression import Suppressed
from workpost.operations.upkeep import rotation

BOB = "Bob@Elsewhere.example"


def entry(address: str = BOB, *, until: int = 0) -> Suppressed:
    return Suppressed(address=address, source="operator", reason="asked for it", until=until)


async def test_an_address_is_found_however_it_is_written(demo: Directory) -> None:
    await suppression.add(demo.core, demo.organization, entry())
    found = await suppression.find(
        demo.core, demo.organization, ["bob@elsewhere.EXAMPLE", "carol@elsewhere.example"]
    )
    assert list(found) == ["bob@elsewhere.EXAMPLE"]
    assert found["bob@elsewhere.EXAMPLE"].reason == "asked for it"


async def test_lists_of_organizations_are_apart(demo: Directory, other: Directory) -> None:
    await suppression.add(demo.core, demo.organization, entry())
    assert await suppression.find(other.core, other.organization, [BOB]) == {}
    assert not await suppression.remove(other.core, other.organization, BOB)
    assert await suppression.list_suppressed(other.core, other.organization) == []
    assert len(await suppression.list_suppressed(demo.core, demo.organization)) == 1


async def test_its_time_ends(demo: Directory) -> None:
    now = demo.core.env.now()
    await suppression.add(demo.core, demo.organization, entry(until=now - 1))
    await suppression.add(demo.core, demo.organization, entry("a@b.example", until=now + 60_000))
    assert list(await suppression.find(demo.core, demo.organization, [BOB, "a@b.example"])) == [
        "a@b.example"
    ]
    listed = await suppression.list_suppressed(demo.core, demo.organization)
    assert [one.address for one in listed] == ["a@b.example"]


async def test_removed_once(demo: Directory) -> None:
    await suppression.add(demo.core, demo.organization, entry())
    assert await suppression.remove(demo.core, demo.organization, BOB.lower())
    assert not await suppression.remove(demo.core, demo.organization, BOB)


async def test_addresses_are_not_stored_in_clear(demo: Directory) -> None:
    await suppression.add(demo.core, demo.organization, entry())
    [row] = await demo.run("SELECT tag, sealed FROM suppression")
    assert not any(b"elsewhere" in value.lower() for value in row)


@pytest.mark.parametrize("count", [1, 3])
async def test_the_list_moves_to_a_new_key_of_the_organization(demo: Directory, count: int) -> None:
    for number in range(count):
        await suppression.add(demo.core, demo.organization, entry(f"u{number}@b.example"))
    await rotation.rotate_organization(demo.core, demo.organization)
    assert await demo.run("SELECT DISTINCT gen FROM suppression") == [(2,)]
    assert len(await suppression.list_suppressed(demo.core, demo.organization)) == count
