"""Impersonation roles: whom a role may act for, and what a token is good for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.jobs.conftest import MovedClock, env
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import ada, fill, house, inbox, log_in, mail_core, message
from workpost.domain.access import permissions, role_shell, rule_shell
from workpost.domain.access import shell as access
from workpost.domain.access.impersonation import (
    FULL_ACCESS,
    READ_ONLY,
    ImpersonationRole,
    ImpersonationRule,
    decide,
)
from workpost.domain.access.rules import AccessRule
from workpost.domain.directory.resource_shell import create_resource
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.domain.messages import shell as messages
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    MailboxNotFound,
    StaleGrant,
    WorkpostError,
)
from workpost.kernel.principal import OWNER, Grant, Right
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.upkeep.expiry import expire

__all__ = ["ada", "env", "house", "mail_core"]

USERS = ("ada", "grace", "eve")
PEER = "10.1.2.3"
TO_GRACE = Envelope(sender="ada@demo.test", recipients=["grace@demo.test"])


def rule(effect: str = "ALLOW", *users: str, but: tuple[str, ...] = ()) -> ImpersonationRule:
    return ImpersonationRule(
        impersonation_rule_id="-".join([effect, *users]),
        effect=effect,
        target_users=users,
        not_target_users=but,
    )


def role(*rules: ImpersonationRule, type: str = FULL_ACCESS) -> ImpersonationRole:
    return ImpersonationRole(name="sync", type=type, rules=rules)


def test_a_role_without_rules_acts_for_nobody() -> None:
    assert not decide(role(), "ada").allowed
    assert decide(role(rule()), "ada").allowed


lists = st.lists(st.sampled_from(USERS), max_size=2, unique=True).map(tuple)
some_rules = st.lists(
    st.builds(
        ImpersonationRule,
        impersonation_rule_id=st.just("id"),
        effect=st.sampled_from(["ALLOW", "DENY"]),
        target_users=lists,
        not_target_users=lists,
    ),
    max_size=5,
)


@given(some_rules)
def test_denied_allowed_and_neither(rules: list[ImpersonationRule]) -> None:
    def covered(effect: str) -> set[str]:
        return {
            user
            for each in rules
            if each.effect == effect
            for user in set(each.target_users or USERS) - set(each.not_target_users)
        }

    allowed = {user for user in USERS if decide(role(*rules), user).allowed}
    assert allowed == covered("ALLOW") - covered("DENY")


async def assume(house: Directory, given: ImpersonationRole) -> tuple[str, str]:
    """The id of a new role, and a token for it."""
    made = await role_shell.create_impersonation_role(house.core, house.grant, given)
    token = await role_shell.assume_impersonation_role(house.core, house.grant, made)
    return made, token


async def act(house: Directory, token: str, target: str = "ada@demo.test", **more: Any) -> Grant:
    values = {"address": PEER, **more}
    return await access.impersonate(house.core, token=token, target=target, **values)


async def test_full_access_is_what_the_person_may_do(house: Directory, ada: Grant) -> None:
    made, token = await assume(house, role(rule()))
    grant = await act(house, token, "ADA@demo.test")
    assert (grant.mailbox, grant.entity, grant.rights) == (ada.mailbox, ada.entity, int(OWNER))
    principal = grant.principal
    assert (principal.role, principal.on_behalf_of) == (made, ada.entity)
    assert principal.actor.startswith(f"account:{house.account}/")
    assert (principal.protocol, principal.address) == ("EWS", PEER)
    await fill(house.core, grant, 1)
    await pipeline.submit(house.core, grant, TO_GRACE, message())
    grace = await log_in(house.core, "grace@demo.test")
    folder = await inbox(house.core, grace)
    assert len(await messages.uid_map(house.core, grace, folder)) == 1


async def test_read_only_reads(house: Directory, ada: Grant) -> None:
    await fill(house.core, ada, 1)
    _, token = await assume(house, role(rule(), type=READ_ONLY))
    grant = await act(house, token)
    folder = await inbox(house.core, grant)
    assert len(await messages.uid_map(house.core, grant, folder)) == 1
    with pytest.raises(AccessDenied):
        await fill(house.core, grant, 1)
    with pytest.raises(AccessDenied):
        await pipeline.submit(house.core, grant, TO_GRACE, message())


async def test_what_the_person_may_do_with_others_within_the_type(
    house: Directory, ada: Grant
) -> None:
    await permissions.put_mailbox_permissions(
        house.core, house.grant, owner="grace", grantee="ada", values=["FULL_ACCESS"]
    )
    for type, rights in ((FULL_ACCESS, Right.READ | Right.WRITE), (READ_ONLY, Right.READ)):
        _, token = await assume(house, role(rule(), type=type))
        grant = await act(house, token)
        theirs = await access.open_mailbox(house.core, grant, "grace@demo.test")
        assert theirs.rights == int(rights)
        assert theirs.mailbox != ada.mailbox
        again = await access.renew(house.core, theirs)
        assert again == theirs


async def test_the_rules_of_the_role(house: Directory, ada: Grant) -> None:
    room = await create_resource(house.core, house.grant, name="boardroom")
    await house.register(room, "boardroom@demo.test")
    _, token = await assume(house, role(rule(), rule("DENY", "ada")))
    assert (await act(house, token, "boardroom@demo.test")).entity == room
    with pytest.raises(AccessDenied):
        await act(house, token)
    assert (await act(house, token, "grace@demo.test")).entity != ada.entity


async def test_access_control_rules_are_asked_about_the_role_and_the_person(
    house: Directory, ada: Grant
) -> None:
    made, token = await assume(house, role(rule()))

    async def put(name: str, **conditions: tuple[str, ...]) -> None:
        given = AccessRule(effect="DENY", **conditions)  # type: ignore[arg-type]
        await rule_shell.put_access_rule(house.core, house.grant, name, given)

    await put("others", not_impersonation_role_ids=(made,))
    await put("smtp", actions=("SMTP",))
    assert await act(house, token)
    with pytest.raises(AccessDenied):
        await log_in(house.core, "ada@demo.test")
    await put("outside", impersonation_role_ids=(made,), not_ip_ranges=("10.0.0.0/8",))
    assert await act(house, token)
    with pytest.raises(AccessDenied):
        await act(house, token, address="192.0.2.1")
    await put("ada", user_ids=("ada",), actions=("EWS",))
    with pytest.raises(AccessDenied):
        await act(house, token)
    assert await act(house, token, "grace@demo.test")


async def test_a_token_is_good_for_15_minutes(house: Directory) -> None:
    _, token = await assume(house, role(rule()))
    _, second = await assume(house, role(rule()))
    await house.change("UPDATE impersonation_token SET expires = expires - ?", 15 * 60_000 - 5_000)
    assert await act(house, token)
    made, third = await assume(house, role(rule()))
    await house.change("UPDATE impersonation_token SET expires = 1 WHERE role <> ?", made)
    for old in (token, second):
        with pytest.raises(AuthenticationFailed):
            await act(house, old)
    assert await expire(house.core) == 1
    assert await house.run("SELECT role FROM impersonation_token") == [(made,)]
    assert await act(house, third)


async def test_what_a_token_has_opened_ends_with_it(house: Directory, env: MovedClock) -> None:
    _, token = await assume(house, role(rule()))
    grant = await act(house, token)
    assert await access.renew(house.core, grant) == grant
    assert await inbox(house.core, grant)
    env.moved = role_shell.LIFETIME_SECONDS * 1000
    with pytest.raises(StaleGrant):
        await inbox(house.core, grant)
    with pytest.raises(AuthenticationFailed):
        await access.renew(house.core, grant)


async def test_what_is_no_token(house: Directory) -> None:
    for token in ("", "x", "=", "A" * 64, "\xe9" * 64, "-" * 63, "A" * 10_000):
        with pytest.raises(AuthenticationFailed):
            await act(house, token)


async def test_a_token_of_one_organization_opens_nothing_of_another(
    house: Directory, ada: Grant
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    _, token = await assume(other, role(rule()))
    assert await act(other, token, "eve@other.test")
    for target in ("ada@demo.test", "nobody@other.test", "everyone", "", ada.entity):
        with pytest.raises(MailboxNotFound):
            await act(other, token, target)


async def test_a_changed_role_is_what_its_tokens_are_good_for(house: Directory, ada: Grant) -> None:
    made, token = await assume(house, role(rule()))
    grant = await act(house, token)
    folder = await inbox(house.core, grant)
    changed = role(rule(), type=READ_ONLY)
    await role_shell.update_impersonation_role(house.core, house.grant, made, changed)
    with pytest.raises(StaleGrant):
        await messages.uid_map(house.core, grant, folder)
    renewed = await access.renew(house.core, grant)
    assert renewed.rights == int(Right.READ)
    assert (renewed.mailbox, renewed.principal) == (ada.mailbox, grant.principal)
    await role_shell.update_impersonation_role(house.core, house.grant, made, role())
    with pytest.raises(AccessDenied):
        await access.renew(house.core, grant)
    with pytest.raises(AccessDenied):
        await act(house, token)


async def test_a_deleted_role_ends_its_tokens_at_once(house: Directory) -> None:
    made, token = await assume(house, role(rule()))
    grant = await act(house, token)
    await role_shell.delete_impersonation_role(house.core, house.grant, made)
    with pytest.raises(StaleGrant):
        await inbox(house.core, grant)
    for again in (act(house, token), access.renew(house.core, grant)):
        with pytest.raises(AuthenticationFailed):
            await again


async def test_a_person_who_is_disabled_cannot_be_acted_for(house: Directory) -> None:
    _, token = await assume(house, role(rule()))
    grant = await act(house, token)
    with pytest.raises(AuthenticationFailed):
        await access.renew(house.core, msgspec.structs.replace(grant, mailbox=12345))
    await deregister_from_workmail(house.core, house.grant, "ada")
    with pytest.raises(MailboxNotFound):
        await access.renew(house.core, grant)
    with pytest.raises(MailboxNotFound):
        await act(house, token)


async def test_tokens_end_with_their_organization(house: Directory) -> None:
    made, token = await assume(house, role(rule()))
    await delete_organization(house.core, house.grant, force=True)
    with pytest.raises(AuthenticationFailed):
        await act(house, token)
    with pytest.raises(WorkpostError):
        await role_shell.assume_impersonation_role(house.core, house.grant, made)
    await house.work()
    for table in ("impersonation_role", "impersonation_token"):
        assert await house.run(f"SELECT COUNT(*) FROM {table}") == [(0,)]
