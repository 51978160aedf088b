"""RegisterToWorkMail and DeregisterFromWorkMail: states, addresses, mailboxes."""

import asyncio

import pytest

from tests.support.directories import Directory
from workpost.domain.directory import shell
from workpost.domain.directory.entities import Props
from workpost.domain.mailboxes import registration
from workpost.domain.mailboxes.registration import KEPT_MS, deregister_from_workmail
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.errors import (
    Conflict,
    EmailAddressInUse,
    EntityAlreadyRegistered,
    EntityNotFound,
    MailDomainNotFound,
    OrganizationStateInvalid,
)


async def test_a_registered_user_has_an_address_and_a_mailbox_with_its_folders(
    demo: Directory,
) -> None:
    user = await demo.user("ada", enabled=False)
    await demo.register("ada", "Ada@Demo.Test")
    row = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (row.state, row.primary_address) == ("ENABLED", "Ada@Demo.Test")
    assert row.enabled_at == row.provisioned_at is not None
    [mailbox] = await demo.run("SELECT id, org, owner, state, quota FROM mailbox")
    assert mailbox == (row.mailbox, demo.organization, user, "ACTIVE", 51_200 << 20)
    roles = await demo.run("SELECT role FROM folder ORDER BY role")
    assert [role for (role,) in roles] == ["archive", "drafts", "inbox", "junk", "sent", "trash"]
    assert len(await demo.core.keys.tag_key(demo.organization, mailbox[0])) == 32


async def test_the_same_address_again_changes_nothing_and_another_is_refused(
    demo: Directory,
) -> None:
    user = await demo.user("ada")
    before = await demo.run("SELECT policy_version, gal_modseq FROM organization")
    await demo.register(user, "ADA@demo.test")
    assert await demo.run("SELECT policy_version, gal_modseq FROM organization") == before
    with pytest.raises(EntityAlreadyRegistered, match="ada@demo.test"):
        await demo.register(user, "countess@demo.test")


async def test_addresses_in_use_and_foreign_domains_are_refused(
    demo: Directory, other: Directory
) -> None:
    await demo.user("ada")
    grace = await demo.user("grace", enabled=False)
    with pytest.raises(EmailAddressInUse):
        await demo.register(grace, "Ada@demo.test")
    with pytest.raises(MailDomainNotFound):
        await demo.register(grace, "grace@other.test")
    with pytest.raises(EntityNotFound):
        await demo.register("grace@demo.test", "grace@demo.test")
    with pytest.raises(EntityNotFound):
        await other.register(grace, "grace@other.test")


async def test_registering_twice_at_once_makes_one_mailbox(demo: Directory) -> None:
    user = await demo.user("ada", enabled=False)
    await asyncio.gather(*(demo.register(user, "ada@demo.test") for _ in range(3)))
    assert len(await demo.run("SELECT id FROM mailbox")) == 1


async def test_of_several_people_one_gets_the_address(demo: Directory) -> None:
    people = [await demo.user(name, enabled=False) for name in ("ada", "grace", "barbara")]
    results = await asyncio.gather(
        *(demo.register(user, "info@demo.test") for user in people), return_exceptions=True
    )
    assert sum(isinstance(result, EmailAddressInUse) for result in results) == 2
    assert len(await demo.run("SELECT id FROM mailbox")) == 1


async def test_groups_and_remote_users_have_no_mailbox(demo: Directory) -> None:
    await demo.group("everyone")
    user = await demo.user("remote", password=None, props=Props(user_role="REMOTE_USER"))
    assert await demo.run("SELECT 1 FROM mailbox") == []
    row = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (row.state, row.provisioned_at) == ("ENABLED", None)
    await deregister_from_workmail(demo.core, demo.grant, "remote")
    row = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (row.state, row.deprovisioned_at) == ("DISABLED", None)


async def test_deregistration_frees_addresses_and_keeps_the_mailbox_for_thirty_days(
    demo: Directory,
) -> None:
    user = await demo.user("ada")
    await shell.create_alias(demo.core, demo.grant, user, "countess@demo.test")
    heard: list[int] = []
    watch = demo.core.store.watch("policy", demo.organization, heard.append)
    await deregister_from_workmail(demo.core, demo.grant, "countess@demo.test")
    row = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (row.state, row.primary_address) == ("DISABLED", None)
    assert row.disabled_at == row.deprovisioned_at is not None
    assert await demo.run("SELECT 1 FROM address") == []
    [(state, purge_at)] = await demo.run("SELECT state, purge_at FROM mailbox")
    assert (state, purge_at) == ("DISABLED", row.disabled_at + KEPT_MS)
    assert await demo.run("SELECT policy_version FROM organization") == [(heard[-1],)]
    watch.close()
    await deregister_from_workmail(demo.core, demo.grant, user)
    grace = await demo.user("grace")
    await shell.create_alias(demo.core, demo.grant, grace, "countess@demo.test")


async def test_registering_again_attaches_the_kept_mailbox(demo: Directory) -> None:
    user = await demo.user("ada")
    first = (await shell.describe_user(demo.core, demo.grant, user)).row
    await deregister_from_workmail(demo.core, demo.grant, user)
    await demo.register(user, "countess@demo.test")
    again = (await shell.describe_user(demo.core, demo.grant, user)).row
    assert (again.mailbox, again.provisioned_at) == (first.mailbox, first.provisioned_at)
    assert (again.disabled_at, again.deprovisioned_at) == (None, None)
    assert await demo.run("SELECT state, purge_at FROM mailbox") == [("ACTIVE", None)]


async def test_a_mailbox_is_never_forgotten_between_plan_and_command(demo: Directory) -> None:
    user = await demo.user("ada", enabled=False)
    with pytest.raises(Conflict):
        await demo.core.store.write(
            registration.register,
            grant=demo.grant,
            entity=user,
            address="ada@demo.test",
            new=None,
        )
    assert await demo.run("SELECT 1 FROM address") == []


async def test_an_organization_deleted_in_between_is_told_as_such(
    demo: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await demo.user("ada", enabled=False)
    create = demo.core.keys.create_mailbox

    async def too_late(organization: str, mailbox: int) -> None:
        await delete_organization(demo.core, demo.grant, force=True)
        await demo.work()
        await create(organization, mailbox)

    monkeypatch.setattr(demo.core.keys, "create_mailbox", too_late)
    with pytest.raises(OrganizationStateInvalid, match="Deleted"):
        await demo.register("ada", "ada@demo.test")
