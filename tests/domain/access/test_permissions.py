"""Permissions on mailboxes: who reaches what, through groups, and when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.directories import Directory
from tests.support.mailboxes import ada, fill, house, inbox, log_in, mail_core
from workpost.domain.access import permissions
from workpost.domain.access import shell as access
from workpost.domain.directory import shell as directory
from workpost.domain.directory.resource_shell import create_resource
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import across
from workpost.domain.messages import shell as messages
from workpost.kernel.errors import MailboxNotFound, StaleGrant
from workpost.kernel.principal import Grant, Right
from workpost.store.tables.permissions import SEND_AS, SEND_ON_BEHALF

__all__ = ["ada", "house", "mail_core"]


async def put(house: Directory, owner: str, grantee: str, *values: str) -> None:
    await permissions.put_mailbox_permissions(
        house.core, house.grant, owner=owner, grantee=grantee, values=list(values)
    )


async def opened(house: Directory, who: str, owner: str) -> Grant:
    return await access.open_mailbox(house.core, await log_in(house.core, who), owner)


async def rights(house: Directory, who: str, address: str) -> int:
    grant = await log_in(house.core, who)
    return await house.core.store.read(permissions.send_rights, grant=grant, address=address)


async def test_full_access_opens_and_does_not_send(house: Directory, ada: Grant) -> None:
    await put(house, "ada", "grace", "FULL_ACCESS")
    shared = await opened(house, "grace@demo.test", "ADA@demo.test")
    assert shared.mailbox == ada.mailbox
    assert shared.principal.on_behalf_of == ada.entity
    assert shared.principal.actor == shared.entity != ada.entity
    assert shared.allows(Right.READ | Right.WRITE)
    assert not shared.allows(Right.SEND)
    assert await rights(house, "grace@demo.test", "ada@demo.test") == 0
    assert (await access.renew(house.core, shared)).mailbox == ada.mailbox
    await directory.create_alias(house.core, house.grant, ada.entity, "countess@demo.test")
    assert (await opened(house, "grace@demo.test", "countess@demo.test")).mailbox == ada.mailbox


async def test_send_permissions_open_nothing(house: Directory, ada: Grant) -> None:
    await put(house, "ada", "grace", "SEND_AS", "SEND_ON_BEHALF")
    with pytest.raises(MailboxNotFound):
        await opened(house, "grace@demo.test", "ada@demo.test")
    both = SEND_AS | SEND_ON_BEHALF
    assert await rights(house, "grace@demo.test", "ada@demo.test") == both
    assert await rights(house, "grace@demo.test", "ada+x@demo.test") == both
    for address in ("nobody@demo.test", "ada@elsewhere.example", "", "grace"):
        assert await rights(house, "grace@demo.test", address) == 0


async def test_what_groups_are_granted_adds_up(house: Directory, ada: Grant) -> None:
    inner = await house.group("inner", "grace")
    await house.group("outer", inner)
    await put(house, "ada", "outer", "FULL_ACCESS")
    await put(house, "ada", "inner", "SEND_AS")
    await put(house, "ada", "grace", "SEND_ON_BEHALF")
    assert await rights(house, "grace@demo.test", "ada@demo.test") == SEND_AS | SEND_ON_BEHALF
    shared = await opened(house, "grace@demo.test", "ada@demo.test")
    assert [each.address for each in await access.shared_mailboxes(house.core, shared)] == [
        "ada@demo.test"
    ]
    await directory.remove_member(house.core, house.grant, group="outer", member="inner")
    with pytest.raises(StaleGrant):
        await inbox(house.core, shared)
    with pytest.raises(MailboxNotFound):
        await access.renew(house.core, shared)


async def test_a_stranger_of_another_organization_opens_nothing(
    house: Directory, other: Directory, ada: Grant
) -> None:
    await other.user("eve")
    await put(house, "ada", "grace", "FULL_ACCESS")
    with pytest.raises(MailboxNotFound):
        await opened(other, "eve@other.test", "ada@demo.test")
    eve = await log_in(house.core, "eve@other.test")
    forged = {"org": other.organization, "owner": ada.entity, "grantee": eve.entity}
    await house.change(
        "INSERT INTO permission (org, owner, grantee, rights) VALUES (?, ?, ?, 7)",
        *forged.values(),
    )
    with pytest.raises(MailboxNotFound):
        await opened(other, "eve@other.test", "ada@demo.test")
    assert await access.shared_mailboxes(house.core, eve) == []
    assert await rights(other, "eve@other.test", "ada@demo.test") == 0


async def test_mail_goes_between_mailboxes_with_keys_wrapped_anew(
    house: Directory, ada: Grant
) -> None:
    await put(house, "ada", "grace", "FULL_ACCESS")
    grace = await log_in(house.core, "grace@demo.test")
    theirs = await access.open_mailbox(house.core, grace, "ada@demo.test")
    source, target = await inbox(house.core, grace), await inbox(house.core, theirs)
    uids = await fill(house.core, grace, 5)
    copied = await across.copy(house.core, grace, theirs, source, uids, target)
    assert [old for old, _ in copied.pairs] == uids
    moved = [m async for m in across.move(house.core, grace, theirs, source, uids[:2], target)]
    assert [old for each in moved for old, _ in each.pairs] == uids[:2]
    own = await log_in(house.core, "ada@demo.test")
    page = await messages.metadata_page(house.core, own, target, low=1, high=2**31)
    assert len(page) == 7
    for meta in page:
        assert (await messages.read_content(house.core, own, meta)).startswith(b"From: ada@")
    objects = await house.run("SELECT object FROM item")
    assert len({row[0] for row in objects}) == len(objects) == 10
    nothing = [m async for m in across.move(house.core, grace, theirs, source, uids[:2], target)]
    assert nothing == []
    archive = await mailboxes.find_folder(house.core, theirs, "Archive")
    within = await across.copy(house.core, theirs, own, target, [1], archive.id)
    assert len(within.pairs) == 1


async def test_both_grants_are_checked(house: Directory, ada: Grant) -> None:
    await put(house, "ada", "grace", "FULL_ACCESS")
    grace = await log_in(house.core, "grace@demo.test")
    theirs = await access.open_mailbox(house.core, grace, "ada@demo.test")
    source, target = await inbox(house.core, grace), await inbox(house.core, theirs)
    uids = await fill(house.core, grace, 1)
    await permissions.delete_mailbox_permissions(
        house.core, house.grant, owner="ada", grantee="grace"
    )
    fresh = await access.renew(house.core, grace)
    with pytest.raises(StaleGrant):
        await across.copy(house.core, fresh, theirs, source, uids, target)
    with pytest.raises(StaleGrant):
        _ = [m async for m in across.move(house.core, fresh, theirs, source, uids, target)]


async def test_a_repeat_is_no_change_of_policy(house: Directory, ada: Grant) -> None:
    async def version() -> Any:
        return await house.run("SELECT policy_version FROM organization")

    await put(house, "ada", "grace", "SEND_AS")
    before = await version()
    await put(house, "ada", "grace", "SEND_AS")
    await permissions.delete_mailbox_permissions(
        house.core, house.grant, owner="grace", grantee="ada"
    )
    assert await version() == before


async def test_rooms_own_mailboxes_and_addresses_too(house: Directory, ada: Grant) -> None:
    room = await create_resource(house.core, house.grant, name="boardroom")
    await house.register(room, "boardroom@demo.test")
    await put(house, room, "ada", "FULL_ACCESS", "SEND_AS")
    shared = await opened(house, "ada@demo.test", "boardroom@demo.test")
    assert shared.principal.on_behalf_of == room
    await fill(house.core, shared, 1)
    assert await rights(house, "ada@demo.test", "boardroom@demo.test") == SEND_AS
    owners = await access.shared_mailboxes(house.core, await log_in(house.core, "ada@demo.test"))
    assert [each.address for each in owners] == ["boardroom@demo.test"]
