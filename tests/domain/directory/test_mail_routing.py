"""Forwarding, remote users, senders of groups and catch-alls, as the operator sets them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.directories import Directory
from workpost.domain.directory import holders, mail_routing, shell
from workpost.domain.directory.entities import Props
from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.return_path import forwarding_domain, forwarding_sender
from workpost.domain.directory.routing import Expansion, find_recipient, lookup_address
from workpost.domain.directory.users import UserChanges
from workpost.domain.directory.walking import Origin
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.kernel.errors import (
    EmailAddressInUse,
    EntityNotFound,
    EntityStateInvalid,
    InvalidParameter,
    MailDomainNotFound,
    MailDomainStateInvalid,
)
from workpost.store.tables.organizations import get_policy_version

BOB = "Bob@Elsewhere.example"
REMOTE = Props(user_role="REMOTE_USER")


async def forward(demo: Directory, user: str, to: str, **more: Any) -> None:
    await demo.core.store.write(
        mail_routing.set_forwarding, grant=demo.grant, identifier=user, address=to, **more
    )


async def senders(demo: Directory, group: str, who: str) -> None:
    await demo.core.store.write(
        mail_routing.set_group_senders, grant=demo.grant, identifier=group, senders=who
    )


async def catch_all(demo: Directory, domain: str, who: str | None) -> None:
    await demo.core.store.write(
        mail_routing.set_catch_all, grant=demo.grant, domain=domain, identifier=who
    )


async def route(demo: Directory, *rcpts: str, origin: Origin | None = None) -> Expansion:
    return await expand_envelope(demo.core, list(rcpts), origin or Origin())


async def holder(demo: Directory, address: str) -> str | None:
    found = await demo.core.store.read(lookup_address, addr_fold=address)
    return found.entity if found else None


async def version(demo: Directory) -> int | None:
    return await demo.core.store.read(get_policy_version, organization=demo.organization)


# --- forwarding ---


async def test_forwarded_mail_leaves_and_a_copy_stays_unless_told_otherwise(
    demo: Directory,
) -> None:
    ada = await demo.user("ada")
    await forward(demo, "ada", BOB)
    routed = await route(demo, "ada+x@demo.test")
    assert [one.entity for one in routed.local] == [ada]
    (one,) = routed.forwards
    assert (one.organization, one.entity, one.address) == (demo.organization, ada, BOB)
    assert (one.by, one.rcpt, one.copy) == ("ada@demo.test", "ada+x@demo.test", True)
    await forward(demo, "ada", BOB, keep_copy=False)
    routed = await route(demo, "ada@demo.test")
    assert (routed.local, len(routed.forwards)) == ([], 1)
    await forward(demo, "ada", "")
    routed = await route(demo, "ada@demo.test")
    assert (len(routed.local), routed.forwards) == (1, [])


async def test_forwarding_to_people_and_groups_here_stays_here(demo: Directory) -> None:
    await demo.user("ada")
    grace = await demo.user("grace")
    await demo.group("team", grace)
    for target in ("grace@demo.test", "team@demo.test"):
        await forward(demo, "ada", target, keep_copy=False)
        routed = await route(demo, "ada@demo.test")
        assert ([one.entity for one in routed.local], routed.forwards) == ([grace], [])


async def test_forwarding_to_nobody_here_keeps_the_mail(demo: Directory) -> None:
    ada = await demo.user("ada")
    await forward(demo, "ada", "nobody@demo.test", keep_copy=False)
    assert [one.entity for one in (await route(demo, "ada@demo.test")).local] == [ada]


@pytest.mark.parametrize("target", ["ada@demo.test", "Ada+x@demo.test", "no address", "a@b@c"])
async def test_a_target_is_an_address_of_somebody_else(demo: Directory, target: str) -> None:
    await demo.user("ada")
    with pytest.raises(InvalidParameter):
        await forward(demo, "ada", target)


async def test_who_has_no_mail_forwards_none(demo: Directory) -> None:
    await demo.user("ada", enabled=False)
    await demo.group("team")
    with pytest.raises(EntityStateInvalid):
        await forward(demo, "ada", BOB)
    with pytest.raises(EntityNotFound):
        await forward(demo, "team", BOB)


async def test_each_change_raises_the_policy_version(demo: Directory) -> None:
    await demo.user("ada")
    await demo.group("team")
    before = await version(demo)
    await forward(demo, "ada", BOB)
    await senders(demo, "team", "members")
    await catch_all(demo, "demo.test", "ada")
    assert before is not None
    assert await version(demo) == before + 3


async def test_forwarding_outlives_a_restore_but_not_the_user(demo: Directory) -> None:
    ada = await demo.user("ada")
    await forward(demo, ada, BOB, keep_copy=False)
    await deregister_from_workmail(demo.core, demo.grant, ada)
    assert (await route(demo, "ada@demo.test")).unknown == ["ada@demo.test"]
    await demo.register(ada, "ada@demo.test")
    assert len((await route(demo, "ada@demo.test")).forwards) == 1
    await deregister_from_workmail(demo.core, demo.grant, ada)
    await shell.delete_user(demo.core, demo.grant, ada)
    rows = await demo.run("SELECT forward, keeps_copy FROM entity WHERE id = ?", ada)
    assert rows == [("", 1)]


async def test_a_full_mailbox_that_keeps_nothing_takes_mail(demo: Directory) -> None:
    await demo.user("ada")
    await forward(demo, "ada", BOB, keep_copy=False)
    await demo.change("UPDATE mailbox SET quota = 0")
    found = await demo.core.store.read(lookup_address, addr_fold="ada@demo.test")
    assert found is not None
    assert found.takes(100)


# --- remote users ---


async def remote(demo: Directory, address: str = BOB) -> str:
    user = await demo.user("bob", enabled=False, password=None, props=REMOTE)
    await demo.register(user, address)
    return user


async def test_a_remote_user_is_registered_under_an_address_elsewhere(demo: Directory) -> None:
    bob = await remote(demo)
    user = await shell.describe_user(demo.core, demo.grant, bob)
    assert (user.row.primary_address, user.row.mailbox, user.row.state) == (BOB, None, "ENABLED")
    found = await shell.describe_entity(demo.core, demo.grant, "bob@elsewhere.example")
    assert found.id == bob
    assert (await shell.describe_user(demo.core, demo.grant, BOB)).row.id == bob
    # Mail to the address itself leaves as any other: it is not ours to catch.
    assert (await route(demo, "bob@elsewhere.example")).external == ["bob@elsewhere.example"]


async def test_mail_for_a_remote_users_alias_and_groups_goes_on(demo: Directory) -> None:
    bob = await remote(demo)
    await shell.create_alias(demo.core, demo.grant, bob, "bob@demo.test")
    await demo.group("team", bob)
    for rcpt in ("bob@demo.test", "team@demo.test"):
        for origin in (Origin(), Origin(automatic=True)):
            routed = await route(demo, rcpt, origin=origin)
            (one,) = routed.forwards
            assert (one.address, one.by, one.rcpt) == (BOB, "", rcpt)
            assert (routed.local, routed.unknown, routed.empty) == ([], [], [])


async def test_a_remote_user_with_an_address_of_ours_is_known_once_mail_has_a_way(
    demo: Directory,
) -> None:
    bob = await remote(demo, "bob@demo.test")
    assert await holder(demo, "bob@demo.test") is None
    await forward(demo, bob, "bob@exchange.example")
    (one,) = (await route(demo, "bob@demo.test")).forwards
    assert (one.address, one.by) == ("bob@exchange.example", "")
    await forward(demo, bob, "")
    assert await holder(demo, "bob@demo.test") is None


async def test_another_primary_address_elsewhere_is_where_mail_goes_on_to(demo: Directory) -> None:
    bob = await remote(demo, "bob@demo.test")
    await shell.update_primary(demo.core, demo.grant, bob, BOB)
    (one,) = (await route(demo, "bob@demo.test")).forwards
    assert one.address == BOB
    await shell.update_primary(demo.core, demo.grant, bob, "robert@new.example")
    (one,) = (await route(demo, "bob@demo.test")).forwards
    assert one.address == "robert@new.example"
    await shell.update_primary(demo.core, demo.grant, bob, "bob@demo.test")
    user = await shell.describe_user(demo.core, demo.grant, bob)
    assert user.row.primary_address == "bob@demo.test"
    assert (await route(demo, "bob@demo.test")).forwards == [one]


async def test_one_address_elsewhere_belongs_to_one_user_of_an_organization(
    demo: Directory, other: Directory
) -> None:
    await remote(demo)
    await remote(other)
    second = await demo.user("second", enabled=False, password=None, props=REMOTE)
    with pytest.raises(EmailAddressInUse):
        await demo.register(second, BOB.lower())
    with pytest.raises(MailDomainNotFound):
        await demo.register(second, "second@other.test")
    with pytest.raises(InvalidParameter):
        await demo.register(second, "no address")


async def test_only_remote_users_have_addresses_elsewhere(demo: Directory) -> None:
    ada = await demo.user("ada", enabled=False)
    with pytest.raises(MailDomainNotFound):
        await demo.register(ada, BOB)
    await demo.register(ada, "ada@demo.test")
    with pytest.raises(MailDomainNotFound):
        await shell.update_primary(demo.core, demo.grant, ada, BOB)


async def test_who_was_a_remote_user_forwards_nothing_as_another(demo: Directory) -> None:
    bob = await remote(demo)
    await deregister_from_workmail(demo.core, demo.grant, bob)
    changes = UserChanges(props={"user_role": "USER"})
    await shell.update_user(demo.core, demo.grant, bob, changes)
    await demo.register(bob, "bob@demo.test")
    routed = await route(demo, "bob@demo.test")
    assert ([one.entity for one in routed.local], routed.forwards) == ([bob], [])
    assert await demo.run("SELECT keeps_copy FROM entity WHERE id = ?", bob) == [(1,)]


# --- groups and catch-alls ---


async def test_groups_take_mail_from_whom_they_are_told_to(
    demo: Directory, other: Directory
) -> None:
    ada, grace = await demo.user("ada"), await demo.user("grace")
    eve = await other.user("eve")
    await demo.group("inner", ada)
    await demo.group("team", "inner")
    ours, member = Origin(demo.organization, grace), Origin(demo.organization, ada)
    foreign = Origin(other.organization, eve)
    for who, allowed in (
        ("everyone", [Origin(), foreign, ours, member]),
        ("organization", [ours, member]),
        ("members", [member]),
    ):
        await senders(demo, "team", who)
        for origin in (Origin(), foreign, ours, member):
            routed = await route(demo, "team@demo.test", origin=origin)
            assert [one.entity for one in routed.local] == ([ada] if origin in allowed else [])
            assert [one.group for one in routed.refused] == (
                [] if origin in allowed else ["team@demo.test"]
            )
    await deregister_from_workmail(demo.core, demo.grant, "inner")
    assert (await route(demo, "team@demo.test", origin=member)).refused != []
    with pytest.raises(InvalidParameter):
        await senders(demo, "team", "nobody")


async def test_a_catch_all_takes_what_nobody_holds(demo: Directory, other: Directory) -> None:
    ada = await demo.user("ada")
    await demo.user("grace")
    eve = await other.user("eve")
    assert await holder(demo, "nobody@demo.test") is None
    await catch_all(demo, "Demo.test", "ada")
    assert (
        await demo.core.store.read(mail_routing.get_catch_all, grant=demo.grant, domain="demo.test")
        == "ada@demo.test"
    )
    assert await holder(demo, "nobody@demo.test") == ada
    assert await holder(demo, "nobody+x@demo.test") == ada
    assert await holder(demo, "postmaster@demo.test") == ada
    assert await holder(demo, "grace+x@demo.test") != ada
    assert await holder(demo, "nobody@other.test") is None
    assert await holder(demo, "nobody@elsewhere.example") is None
    assert await holder(demo, "eve@other.test") == eve
    await deregister_from_workmail(demo.core, demo.grant, "ada")
    found = await demo.core.store.read(find_recipient, addr_fold="nobody@demo.test")
    assert found == (None, True)
    await catch_all(demo, "demo.test", None)
    assert await holder(demo, "nobody@demo.test") is None


async def test_what_somebody_holds_is_not_caught(demo: Directory) -> None:
    ada = await demo.user("ada")
    await remote(demo, "bob@demo.test")
    await catch_all(demo, "demo.test", ada)
    assert await holder(demo, "bob@demo.test") is None


async def test_a_catch_all_is_of_the_organizations_own(demo: Directory, other: Directory) -> None:
    await demo.user("ada")
    await other.user("eve")
    await demo.change(
        "INSERT INTO domain (org, name, state, is_default, is_test, created, props, token, dkim,"
        " since) VALUES (?, 'new.example', 'PENDING', 0, 0, 0, '{}', '', 'PENDING', 0)",
        demo.organization,
    )
    with pytest.raises(MailDomainNotFound):
        await catch_all(demo, "other.test", "ada")
    with pytest.raises(EntityNotFound):
        await catch_all(demo, "demo.test", "eve@other.test")
    with pytest.raises(MailDomainStateInvalid):
        await catch_all(demo, "new.example", "ada")


# --- senders of what goes on ---


async def test_senders_of_ours_and_the_null_sender_stay_as_they_are(
    demo: Directory, other: Directory
) -> None:
    for sender in ("", "ada@demo.test", "Eve@other.test"):
        made = await forwarding_sender(demo.core, sender, domain="demo.test", by="")
        assert made == sender


async def test_bounces_to_a_rewritten_sender_find_their_way_back(demo: Directory) -> None:
    made = await forwarding_sender(demo.core, "Al@far.example", domain="demo.test", by="")
    await demo.user("ada")
    await catch_all(demo, "demo.test", "ada")
    for spelt in (made, made.upper()):
        routed = await route(demo, spelt)
        (one,) = routed.forwards
        assert one.address.lower() == "al@far.example"
        assert (one.organization, one.by) == (demo.organization, "")
        assert routed.local == []
    forged = made.replace("far.example", "near.example")
    assert (await route(demo, forged, "ada@demo.test")).unknown == [forged.lower()]
    # One of somebody else's is no concern of ours.
    theirs = made.replace("demo.test", "elsewhere.example")
    assert (await route(demo, theirs)).external == [theirs.lower()]


async def test_a_sender_that_grows_too_long_gives_way_to_the_forwarder(demo: Directory) -> None:
    sender = "x" * 60 + "@a-long-name-of-a-domain.example"
    by = "ada@demo.test"
    assert await forwarding_sender(demo.core, sender, domain="demo.test", by=by) == by
    made = await forwarding_sender(demo.core, sender, domain="demo.test", by="")
    assert made.startswith("SRS0=")
    assert len((await route(demo, made)).forwards) == 1
    endless = "x" * 64 + "@" + "y." * 80 + "example"
    assert await forwarding_sender(demo.core, endless, domain="demo.test", by="") == ""


async def test_mail_is_forwarded_under_a_verified_domain(demo: Directory) -> None:
    read = demo.core.store.read
    for by, domain in (
        ("ada@demo.test", "demo.test"),
        ("ada@other.example", "demo.test"),
        ("", "demo.test"),
    ):
        assert await read(forwarding_domain, organization=demo.organization, by=by) == domain
    await demo.change("UPDATE domain SET state = 'PENDING'")
    assert await read(forwarding_domain, organization=demo.organization, by="") == ""
    assert (
        await forwarding_sender(demo.core, "al@far.example", domain="", by="") == "al@far.example"
    )


async def test_may_send_as_says_nothing_of_addresses_elsewhere(demo: Directory) -> None:
    await remote(demo)
    assert not await demo.core.store.read(holders.may_send_as, grant=demo.grant, address=BOB)
