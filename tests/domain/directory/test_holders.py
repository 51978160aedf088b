"""Addresses: aliases, who holds them, who may send from them."""

import pytest

from tests.support.directories import Directory
from workpost.domain.directory import holders, shell
from workpost.kernel.errors import (
    EmailAddressInUse,
    EntityNotFound,
    EntityStateInvalid,
    InvalidParameter,
    MailDomainNotFound,
    MailDomainStateInvalid,
)
from workpost.kernel.principal import Grant, Principal


async def test_users_and_groups_get_aliases(demo: Directory) -> None:
    ada = await demo.user("ada")
    everyone = await demo.group("everyone")
    await shell.create_alias(demo.core, demo.grant, ada, "Countess@Demo.Test")
    await shell.create_alias(demo.core, demo.grant, everyone, "all@demo.test")
    aliases = await shell.list_aliases(demo.core, demo.grant, ada, after="", limit=9)
    assert aliases == (["Countess@Demo.Test"], "")
    found = await shell.describe_entity(demo.core, demo.grant, "COUNTESS@demo.test")
    assert (found.id, found.name, found.kind) == (ada, "ada", "USER")
    found = await shell.describe_entity(demo.core, demo.grant, "all@demo.test")
    assert (found.id, found.kind) == (everyone, "GROUP")


async def test_an_address_has_one_holder_in_the_whole_installation(
    demo: Directory, other: Directory
) -> None:
    ada = await demo.user("ada")
    grace = await demo.user("grace")
    await shell.create_alias(demo.core, demo.grant, ada, "shared@demo.test")
    await shell.create_alias(demo.core, demo.grant, ada, "Shared@demo.test")
    for taken in ("SHARED@demo.test", "ada@demo.test"):
        with pytest.raises(EmailAddressInUse):
            await shell.create_alias(demo.core, demo.grant, grace, taken)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("ada@elsewhere.example", MailDomainNotFound),
        ("ada@other.test", MailDomainNotFound),
        ("ada@pending.example", MailDomainStateInvalid),
        ("a..b@demo.test", InvalidParameter),
        (".a@demo.test", InvalidParameter),
    ],
)
async def test_addresses_that_an_organization_cannot_give(
    demo: Directory, other: Directory, address: str, error: type[Exception]
) -> None:
    from workpost.domain.organizations.shell import NewOrganization, create_organization

    new = NewOrganization(alias="third", domains=["pending.example"])
    organization = await create_organization(demo.core, demo.grant, demo.account, new)
    third = Directory(demo.core, demo.account, organization, "third.test")
    place = third if address.endswith("pending.example") else demo
    user = await place.user("ada")
    with pytest.raises(error):
        await shell.create_alias(place.core, place.grant, user, address)


async def test_only_enabled_entities_get_aliases(demo: Directory) -> None:
    user = await demo.user("ada", enabled=False)
    with pytest.raises(EntityStateInvalid):
        await shell.create_alias(demo.core, demo.grant, user, "ada@demo.test")
    with pytest.raises(EntityNotFound):
        await shell.create_alias(demo.core, demo.grant, "S-1-1-12-123", "ada@demo.test")


async def test_addresses_of_others_are_not_found(demo: Directory, other: Directory) -> None:
    await demo.user("ada")
    for place, address in ((other, "ada@demo.test"), (demo, "nobody@demo.test")):
        with pytest.raises(EntityNotFound, match=address):
            await shell.describe_entity(place.core, place.grant, address)


async def test_one_may_send_from_ones_own_addresses_only(demo: Directory) -> None:
    ada = await demo.user("ada")
    await demo.user("grace")
    sales = await demo.user("sales")
    await shell.create_alias(demo.core, demo.grant, ada, "countess@demo.test")
    await shell.create_alias(demo.core, demo.grant, sales, "ada+sales@demo.test")
    grant = Grant(
        principal=Principal(actor=ada, organization=demo.organization),
        organization=demo.organization,
        entity=ada,
    )

    async def may(address: str) -> bool:
        return await demo.core.store.read(holders.may_send_as, grant=grant, address=address)

    for own in ("ada@demo.test", "ADA@DEMO.TEST", "countess@demo.test", "ada+lists@demo.test"):
        assert await may(own)
    for foreign in (
        "grace@demo.test",
        "grace+ada@demo.test",
        "ada+sales@demo.test",
        "nobody@demo.test",
        "ada@elsewhere.example",
        "",
    ):
        assert not await may(foreign)
