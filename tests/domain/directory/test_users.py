"""Users: creating, finding, listing, deleting, new passwords."""

import asyncio

import msgspec
import pytest

from tests.support.directories import PASSWORD, Directory, grant_for
from workpost.domain.directory import listing, shell
from workpost.domain.directory.entities import Props
from workpost.domain.directory.listing import EntityFilter
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.kernel.errors import (
    EntityNotFound,
    EntityStateInvalid,
    InvalidParameter,
    NameUnavailable,
    OrganizationNotFound,
    OrganizationStateInvalid,
    PasswordUnacceptable,
)
from workpost.store.tables.entities import EntityRow


async def names(demo: Directory, **wanted: str) -> list[str]:
    users, position = await shell.list_entities(
        demo.core, demo.grant, "USER", EntityFilter(**wanted), after=("", ""), limit=100
    )
    assert position is None
    return [user.row.name for user in users]


async def test_a_new_user_is_disabled_and_has_no_address(demo: Directory) -> None:
    props = Props(first_name="Ada", last_name="Lovelace")
    user = await demo.user("ada", enabled=False, props=props, hidden=True)
    found = await shell.describe_user(demo.core, demo.grant, user)
    assert (found.row.state, found.row.primary_address, found.row.mailbox) == (
        "DISABLED",
        None,
        None,
    )
    assert (found.props.first_name, found.props.last_name) == ("Ada", "Lovelace")
    assert found.row.hidden == 1
    assert PASSWORD not in str(await demo.run("SELECT * FROM entity"))


async def test_users_are_found_by_id_name_and_address_in_any_case(demo: Directory) -> None:
    user = await demo.user("ada")
    await shell.create_alias(demo.core, demo.grant, user, "countess@demo.test")
    for identifier in (user, "ada", "ADA", "Ada@Demo.Test", "COUNTESS@demo.test"):
        found = await shell.describe_user(demo.core, demo.grant, identifier)
        assert found.row.id == user


async def test_a_name_that_looks_like_an_address_is_tried_after_addresses(demo: Directory) -> None:
    ada = await demo.user("ada")
    other = await demo.user("ada@demo.test", enabled=False)
    assert (await shell.describe_user(demo.core, demo.grant, "ada@demo.test")).row.id == ada
    await deregister_from_workmail(demo.core, demo.grant, ada)
    assert (await shell.describe_user(demo.core, demo.grant, "ada@demo.test")).row.id == other


@pytest.mark.parametrize(
    "identifier", ["nobody", "nobody@demo.test", "S-1-1-11-1111111111-2222222222-3333333333-3333"]
)
async def test_unknown_identifiers_name_themselves(demo: Directory, identifier: str) -> None:
    with pytest.raises(EntityNotFound, match=identifier):
        await shell.describe_user(demo.core, demo.grant, identifier)


async def test_a_group_is_not_a_user(demo: Directory) -> None:
    group = await demo.group("everyone")
    for identifier in (group, "everyone", "everyone@demo.test"):
        with pytest.raises(EntityNotFound):
            await shell.describe_user(demo.core, demo.grant, identifier)


async def test_names_are_unique_over_users_and_groups(demo: Directory) -> None:
    await demo.user("ada", enabled=False)
    await demo.group("everyone", enabled=False)
    for name in ("ADA", "everyone"):
        with pytest.raises(NameUnavailable, match=name):
            await demo.user(name, enabled=False)
    with pytest.raises(NameUnavailable):
        await demo.group("Ada", enabled=False)


async def test_of_several_at_once_one_gets_the_name(demo: Directory) -> None:
    results = await asyncio.gather(
        *(demo.user(name, enabled=False, password=None) for name in ("ada", "Ada", "ADA")),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NameUnavailable) for result in results) == 2


async def test_two_organizations_may_have_the_same_names(demo: Directory, other: Directory) -> None:
    assert await demo.user("ada") != await other.user("ada")


async def test_only_people_can_be_created(demo: Directory) -> None:
    for role in ("RESOURCE", "SYSTEM_USER"):
        with pytest.raises(InvalidParameter, match=role):
            await demo.user("ada", props=Props(user_role=role))
    remote = await demo.user(
        "remote", enabled=False, password=None, props=Props(user_role="REMOTE_USER")
    )
    found = await shell.describe_user(demo.core, demo.grant, remote)
    assert found.props.user_role == "REMOTE_USER"


async def test_the_organizations_state_is_told_before_the_passwords(
    demo: Directory, other: Directory
) -> None:
    from workpost.domain.organizations.shell import delete_organization

    with pytest.raises(PasswordUnacceptable):
        await demo.user("ada", password="weak")
    await delete_organization(demo.core, demo.grant, force=True)
    with pytest.raises(OrganizationStateInvalid):
        await demo.user("ada", password="weak")


async def test_listing_goes_by_name_and_leaves_out_the_deleted(demo: Directory) -> None:
    for name in ("Grace", "ada", "barbara"):
        await demo.user(name, enabled=False)
    await demo.group("group", enabled=False)
    gone = await demo.user("gone", enabled=False)
    await shell.delete_user(demo.core, demo.grant, gone)
    assert await names(demo) == ["ada", "barbara", "Grace"]
    assert await names(demo, state="DELETED") == ["gone"]


async def test_pages_follow_each_other_without_gaps(demo: Directory) -> None:
    for number in range(7):
        # One display name for all: the id decides.
        await demo.user(f"user{number}", enabled=False, display="Same", password=None)
    for order in (EntityFilter(), EntityFilter(display="s")):
        seen: list[str] = []
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            users, after = await shell.list_entities(
                demo.core, demo.grant, "USER", order, after=after, limit=3
            )
            assert len(users) <= 3
            seen += [user.row.name for user in users]
        assert sorted(seen) == [f"user{number}" for number in range(7)]


async def test_each_of_the_five_filters(demo: Directory) -> None:
    identity = "0123456789-aaaaaaaa-0000-0000-0000-000000000000"
    await demo.user("ada", display="Ada Lovelace")
    await demo.user("grace", display="Grace Hopper", enabled=False)
    await demo.user(
        "barbara",
        display="Barbara Liskov",
        enabled=False,
        props=Props(identity_provider_user_id=identity),
    )
    assert await names(demo, name="Gr") == ["grace"]
    assert await names(demo, display="barbara l") == ["barbara"]
    assert await names(demo, address="ADA@") == ["ada"]
    assert await names(demo, state="ENABLED") == ["ada"]
    assert await names(demo, state="DISABLED") == ["barbara", "grace"]
    assert await names(demo, identity="0123456789-AAAA") == ["barbara"]
    assert await names(demo, identity="aaaaaaaa") == ["barbara"]
    assert await names(demo, identity="bbbb") == []
    assert await names(demo, name="100%") == []


async def test_a_filter_without_an_index_reads_on_until_the_page_is_full(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN", 2)
    for number in range(9):
        identity = f"{number % 3:08}-0000-0000-0000-{number:012}"
        props = Props(identity_provider_user_id=identity)
        await demo.user(f"user{number}", enabled=False, password=None, props=props)
    assert await names(demo, identity="00000001") == ["user1", "user4", "user7"]
    page, position = await shell.list_entities(
        demo.core, demo.grant, "USER", EntityFilter(identity="00000002"), after=("", ""), limit=2
    )
    assert [user.row.name for user in page] == ["user2", "user5"]
    assert position is not None
    page, position = await shell.list_entities(
        demo.core, demo.grant, "USER", EntityFilter(identity="00000002"), after=position, limit=2
    )
    assert [user.row.name for user in page] == ["user8"]
    assert position is None


async def test_one_query_searches_no_more_than_a_slice_for_an_identity(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN", 2)
    for number in range(3):
        await demo.user(f"user{number}", enabled=False, password=None)
    wanted = EntityFilter(identity="00000001")

    async def search(after: tuple[str, str]) -> tuple[list[EntityRow], tuple[str, str] | None]:
        return await demo.core.store.read(
            listing.list_entities, grant=demo.grant, kind="USER", wanted=wanted, after=after,
            limit=10,
        )  # fmt: skip

    rows, position = await search(("", ""))
    assert (rows, position is None) == ([], False)
    assert position is not None
    assert await search(position) == ([], None)


async def test_only_disabled_users_can_be_deleted(demo: Directory) -> None:
    user = await demo.user("ada")
    group = await demo.group("everyone", user)
    with pytest.raises(EntityStateInvalid, match="ada"):
        await shell.delete_user(demo.core, demo.grant, "ada")
    await deregister_from_workmail(demo.core, demo.grant, user)
    with pytest.raises(EntityNotFound):
        await shell.delete_user(demo.core, demo.grant, group)
    await shell.delete_user(demo.core, demo.grant, "ada")
    assert (await shell.describe_user(demo.core, demo.grant, user)).row.state == "DELETED"
    with pytest.raises(EntityNotFound):
        await shell.describe_user(demo.core, demo.grant, "ada")
    assert await demo.run("SELECT 1 FROM member") == []
    [(hashed, purge_at)] = await demo.run(
        "SELECT e.password, m.purge_at FROM entity e JOIN mailbox m ON m.id = e.mailbox"
    )
    assert hashed is None
    assert purge_at is not None


async def test_a_deleted_id_stays_deleted_and_its_name_is_free(demo: Directory) -> None:
    user = await demo.user("ada", enabled=False)
    await shell.delete_user(demo.core, demo.grant, user)
    await shell.delete_user(demo.core, demo.grant, user)
    again = await demo.user("ada")
    assert again != user
    with pytest.raises(EntityStateInvalid, match="deleted"):
        await demo.register(user, "old@demo.test")
    with pytest.raises(EntityStateInvalid, match="deleted"):
        await shell.reset_password(demo.core, demo.grant, user, PASSWORD)


async def test_a_new_password_raises_the_policy_version(demo: Directory) -> None:
    user = await demo.user("ada")
    [(before,)] = await demo.run("SELECT policy_version FROM organization")
    old = (await shell.describe_user(demo.core, demo.grant, user)).row
    await shell.reset_password(demo.core, demo.grant, user, "Another-Horse8")
    [(after,)] = await demo.run("SELECT policy_version FROM organization")
    new = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert after == before + 1
    assert new.password != old.password
    with pytest.raises(PasswordUnacceptable):
        await shell.reset_password(demo.core, demo.grant, user, "weak")


async def test_a_stranger_finds_no_organization(demo: Directory, other: Directory) -> None:
    user = await demo.user("ada")
    stranger = Directory(demo.core, other.account, demo.organization, "demo.test")
    assert stranger.grant == grant_for(other.account, demo.organization)
    with pytest.raises(OrganizationNotFound):
        await stranger.user("eve")
    with pytest.raises(OrganizationNotFound):
        await shell.describe_user(demo.core, stranger.grant, user)
    with pytest.raises(OrganizationNotFound):
        await shell.list_entities(
            demo.core, stranger.grant, "USER", EntityFilter(), after=("", ""), limit=1
        )
    with pytest.raises(OrganizationNotFound):
        await shell.delete_user(demo.core, stranger.grant, user)
    with pytest.raises(EntityNotFound):
        await shell.describe_user(demo.core, other.grant, user)
    with pytest.raises(EntityNotFound):
        await shell.describe_user(demo.core, other.grant, "ada@demo.test")


async def test_properties_survive_their_json(demo: Directory) -> None:
    props = Props(city="Köln", job_title='"quoted"')
    user = await demo.user("ada", enabled=False, props=props)
    found = (await shell.describe_user(demo.core, demo.grant, user)).props
    assert msgspec.structs.replace(found, password_version=0) == props


async def test_nothing_is_told_of_a_deleted_person_but_name_and_role(demo: Directory) -> None:
    props = Props(user_role="REMOTE_USER", first_name="Marker", telephone="Marker")
    user = await demo.user("ada", enabled=False, display="Marker", props=props)
    await shell.delete_user(demo.core, demo.grant, user)
    tombstone = await shell.describe_user(demo.core, demo.grant, user)
    assert (tombstone.row.name, tombstone.props) == ("ada", Props(user_role="REMOTE_USER"))
    [row] = await demo.run("SELECT * FROM entity WHERE id = ?", user)
    assert not [value for value in row if "marker" in str(value).lower()]
