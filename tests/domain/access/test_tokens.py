"""Personal access tokens: what they open, until when, and who makes them."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.directories import PASSWORD, Directory
from tests.support.identity import UUID, change_provider, configure, put_provider
from tests.support.mailboxes import house, inbox, mail_core
from tests.support.trails import Remembered, told_of
from workpost.domain.access import identity, token_shell
from workpost.domain.access import shell as access
from workpost.domain.access.identity import PROVIDER_ONLY
from workpost.domain.access.rule_shell import put_access_rule
from workpost.domain.access.rules import AccessRule
from workpost.domain.access.token_text import token_digest, write_token
from workpost.domain.access.tokens import DAY_MS, SCOPES, USE_GRAIN_MS, NewToken, permits, works
from workpost.domain.directory import passwords
from workpost.domain.directory import shell as directory
from workpost.domain.directory.entities import Props
from workpost.domain.directory.users import UserChanges
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.registration import deregister_from_workmail
from workpost.domain.messages import shell as messages
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    Busy,
    EntityNotFound,
    EntityStateInvalid,
    InvalidParameter,
    LimitExceeded,
    ResourceNotFound,
    StaleGrant,
)
from workpost.kernel.principal import OWNER, Grant
from workpost.kernel.trail import AUTHENTICATION
from workpost.operations.jobs import forgetting
from workpost.operations.upkeep.expiry import KEPT_MS, expire
from workpost.store.tables.access_tokens import TokenRow
from workpost.store.tables.identities import ProviderRow

__all__ = ["house", "mail_core"]

ADA = "ada@demo.test"


class ShiftedEnvironment(SystemEnvironment):
    """The real world with a clock that can be put forward."""

    shift = 0

    def now(self) -> int:
        return super().now() + self.shift


@pytest.fixture
def env() -> ShiftedEnvironment:
    return ShiftedEnvironment()


class Home:
    """The organization `demo` with ada, who is associated, and its configuration."""

    def __init__(self, demo: Directory, ada: str, application: str) -> None:
        self.demo, self.core, self.ada, self.application = demo, demo.core, ada, application

    async def create(self, user: str = "ada", **more: Any) -> NewToken:
        values = {"name": "phone", **more}
        return await token_shell.create_token(self.core, self.demo.grant, user, **values)

    async def log_in(
        self, token: NewToken | str, protocol: str = "IMAP", username: str = ADA
    ) -> Grant:
        text = token if isinstance(token, str) else token.token
        return await access.log_in(
            self.core,
            username=username,
            password=text.encode(),
            protocol=protocol,
            address="192.0.2.10",
        )

    async def refuses(self, token: NewToken | str, **more: Any) -> bool:
        with pytest.raises(AuthenticationFailed) as caught:
            await self.log_in(token, **more)
        return caught.value.message == access.WRONG

    async def change(self, **more: Any) -> None:
        await change_provider(self.demo, self.application, **more)

    async def associate(self, user_id: str) -> None:
        changes = UserChanges(props={"identity_provider_user_id": user_id})
        await directory.update_user(self.core, self.demo.grant, "ada", changes)

    async def signed_in(self) -> Grant:
        return await access.enter_by_identity(
            self.core,
            organization=self.demo.organization,
            entity=self.ada,
            identity=UUID,
            provider=(await identity.describe_identity_provider(self.core, self.demo.grant)).id,
            address="192.0.2.10",
        )

    async def used(self, token: NewToken) -> int | None:
        return (await token_shell.get_token(self.core, self.demo.grant, token.id)).used


@pytest.fixture
def home(run: Any, demo: Directory) -> Home:
    async def make() -> Home:
        configure(demo.core, demo.account)
        ada = await demo.user("ada", props=Props(identity_provider_user_id=UUID))
        return Home(demo, ada, await put_provider(demo))

    made: Home = run(make())
    return made


# --- what they open ---


async def test_a_token_is_the_password_beside_the_directorys(home: Home) -> None:
    token = await home.create()
    grant = await home.log_in(token)
    assert (grant.entity, grant.rights, grant.token) == (home.ada, OWNER, token.id)
    assert grant.expires == token.expires
    assert grant.principal.scope == "activesync ews imap smtp"
    assert (await home.log_in(PASSWORD)).token == ""


async def test_only_tokens_where_the_provider_alone_counts(home: Home) -> None:
    password, token = await home.log_in(PASSWORD), await home.create()
    signed_in = await home.signed_in()
    await home.change(mode=PROVIDER_ONLY)
    for protocol in ("IMAP", "SMTP", "EWS", "WebMail"):
        assert await home.refuses(PASSWORD, protocol=protocol)
    with pytest.raises(AuthenticationFailed):
        await access.renew(home.core, password)
    assert (await access.renew(home.core, signed_in)).identity == UUID
    assert (await home.log_in(token)).token == token.id
    await home.change()
    assert (await home.log_in(PASSWORD)).entity == home.ada


async def test_scopes_are_the_protocols_that_take_a_token(home: Home) -> None:
    token = await home.create(scopes=["imap", "ews"])
    for protocol in ("IMAP", "EWS", "AutoDiscover"):
        await home.log_in(token, protocol)
    for protocol in ("SMTP", "ActiveSync", "WebMail", "WindowsOutlook"):
        with pytest.raises(AccessDenied):
            await home.log_in(token, protocol)


async def test_access_control_rules_bind_tokens_too(home: Home) -> None:
    token = await home.create()
    grant = await home.log_in(token)
    rule = AccessRule(effect="DENY", actions=("IMAP",))
    await put_access_rule(home.core, home.demo.grant, "no-imap", rule)
    with pytest.raises(AccessDenied):
        await home.log_in(token)
    with pytest.raises(AccessDenied):
        await access.renew(home.core, grant)


async def test_a_token_is_its_owners_only(home: Home, other: Directory) -> None:
    await home.demo.user("grace", props=Props(identity_provider_user_id=UUID[:-1] + "c"))
    await other.user("eve", props=Props(identity_provider_user_id=UUID))
    configure(other.core, other.account)
    await put_provider(other)
    token = await home.create()
    assert await home.refuses(token, username="grace@demo.test")
    assert await home.refuses(token, username="eve@other.test")
    assert await home.refuses(token, username="nobody@demo.test")


async def test_unknown_tokens_sound_and_cost_like_unknown_users(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = passwords._verify

    def count(stored: str, password: bytes) -> bool:
        asked.append(stored)
        return original(stored, password)

    monkeypatch.setattr(passwords, "_verify", count)
    unknown = write_token(b"\x01" * 24)
    assert await home.refuses(unknown)
    assert await home.refuses(unknown, username="nobody@demo.test")
    await home.change(mode=PROVIDER_ONLY)
    assert await home.refuses(unknown)
    assert await home.refuses(PASSWORD)
    assert len(asked) == 4


async def test_a_password_that_looks_like_a_token_is_still_one(home: Home) -> None:
    text = write_token(b"\x02" * 24)
    await directory.reset_password(home.core, home.demo.grant, "ada", text)
    assert (await home.log_in(text)).token == ""


# --- until when ---


async def test_a_token_works_until_it_expires(home: Home, env: ShiftedEnvironment) -> None:
    token = await home.create()
    grant = await home.log_in(token)
    env.shift = 365 * DAY_MS - 60_000
    await access.renew(home.core, grant)
    env.shift = 365 * DAY_MS + 1
    assert await home.refuses(token)
    with pytest.raises(AuthenticationFailed):
        await access.renew(home.core, grant)


async def test_what_an_expired_token_has_opened_ends(
    run: Any, house: Directory, env: ShiftedEnvironment
) -> None:
    configure(house.core, house.account)
    changes = UserChanges(props={"identity_provider_user_id": UUID})
    await directory.update_user(house.core, house.grant, "ada", changes)
    await put_provider(house)
    token = await token_shell.create_token(house.core, house.grant, "ada", name="phone")
    grant = await access.log_in(
        house.core,
        username=ADA,
        password=token.token.encode(),
        protocol="IMAP",
        address="192.0.2.10",
    )
    folder = await inbox(house.core, grant)
    env.shift = 365 * DAY_MS + 1
    with pytest.raises(StaleGrant):
        await mailboxes.status(house.core, grant, folder)
    with pytest.raises(StaleGrant):
        await messages.append(house.core, grant, folder, b"Subject: late\r\n\r\n")


async def test_a_blank_lifetime_is_for_ever(home: Home, env: ShiftedEnvironment) -> None:
    await home.change(token_days=None)
    token = await home.create()
    assert token.expires is None
    env.shift = 4_000 * DAY_MS
    assert (await home.log_in(token)).expires == 0


async def test_deletion_ends_what_it_opened_and_nothing_else(home: Home) -> None:
    token, kept = await home.create(), await home.create()
    grant, other, password = [await home.log_in(each) for each in (token, kept, PASSWORD)]
    await token_shell.delete_token(home.core, home.demo.grant, token.id)
    assert await home.refuses(token)
    with pytest.raises(AuthenticationFailed):
        await access.renew(home.core, grant)
    assert (await access.renew(home.core, other)).token == kept.id
    assert (await access.renew(home.core, password)).token == ""
    version = (await access.renew(home.core, other)).policy_version
    await token_shell.delete_token(home.core, home.demo.grant, token.id)
    assert (await access.renew(home.core, other)).policy_version == version


async def test_inactive_tokens_neither_work_nor_are_made(home: Home) -> None:
    token = await home.create()
    grant, owner = await home.log_in(token), await home.signed_in()
    await home.change(token_status="INACTIVE")
    assert await home.refuses(token)
    with pytest.raises(AuthenticationFailed):
        await access.renew(home.core, grant)
    owner = await access.renew(home.core, owner)
    for work in (
        home.create(),
        token_shell.create_own_token(home.core, owner, name="x"),
        token_shell.list_own_tokens(home.core, owner),
        token_shell.delete_own_token(home.core, owner, token.id),
    ):
        with pytest.raises(AccessDenied):
            await work
    await home.change()
    assert (await home.log_in(token)).token == token.id


async def test_a_token_works_for_the_person_it_was_made_for(home: Home) -> None:
    token = await home.create()
    grant, signed_in = await home.log_in(token), await home.signed_in()
    for another in (UUID[:-1] + "c", ""):
        await home.associate(another)
        assert await home.refuses(token)
        for opened in (grant, signed_in):
            with pytest.raises(AuthenticationFailed):
                await access.renew(home.core, opened)
    await home.associate("0123456789-" + UUID.upper())
    assert (await home.log_in(token)).token == token.id


async def test_deleting_the_configuration_reverts_to_passwords_and_kills_tokens(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "SLICE", 1)
    await home.change(mode=PROVIDER_ONLY)
    token = await home.create()
    await home.create()
    grant, signed_in = await home.log_in(token), await home.signed_in()
    await identity.delete_identity_provider(home.core, home.demo.grant)
    await identity.delete_identity_provider(home.core, home.demo.grant)
    assert await home.refuses(token)
    for opened in (grant, signed_in):
        with pytest.raises(AuthenticationFailed):
            await access.renew(home.core, opened)
    assert (await home.log_in(PASSWORD)).entity == home.ada
    user = await directory.describe_user(home.core, home.demo.grant, "ada")
    assert user.props.identity_provider_user_id == UUID
    # Tokens stay dead under the next configuration, and a job removes them.
    await home.change()
    assert await home.refuses(token)
    assert await token_shell.list_tokens(home.core, home.demo.grant, "", after="", limit=9) == (
        [],
        "",
    )
    fresh = await home.create()
    assert await home.demo.work() == 1
    assert await home.demo.run("SELECT id FROM personal_access_token") == [(fresh.id,)]
    assert (await home.log_in(fresh)).token == fresh.id


async def test_a_disabled_user_has_no_use_of_tokens(home: Home) -> None:
    token = await home.create()
    await deregister_from_workmail(home.core, home.demo.grant, home.ada)
    assert await home.refuses(token, username="ada")
    with pytest.raises(EntityStateInvalid):
        await home.create()
    await directory.delete_user(home.core, home.demo.grant, "ada")
    assert await home.demo.run("SELECT id FROM personal_access_token") == []
    with pytest.raises(EntityStateInvalid, match="deleted"):
        await token_shell.list_tokens(home.core, home.demo.grant, home.ada, after="", limit=9)


async def test_a_password_reset_leaves_tokens_alone(home: Home) -> None:
    grant = await home.log_in(await home.create())
    await directory.reset_password(home.core, home.demo.grant, "ada", "Another-Horse8")
    assert (await access.renew(home.core, grant)).token == grant.token


# --- who makes them ---


async def test_owners_make_list_and_delete_their_own(home: Home) -> None:
    owner = await home.signed_in()
    trail = home.core.trail = Remembered()
    first = await token_shell.create_own_token(home.core, owner, name="phone", scopes=["imap"])
    second = await token_shell.create_own_token(home.core, owner, name="laptop")
    assert (await home.log_in(first)).principal.scope == "imap"
    assert trail.of(AUTHENTICATION)[0]["personal_access_token_id"] == first.id
    listed = await token_shell.list_own_tokens(home.core, owner)
    assert sorted((row.id, row.name) for row in listed) == sorted(
        [(first.id, "phone"), (second.id, "laptop")]
    )
    await token_shell.delete_own_token(home.core, owner, first.id)
    assert told_of(trail) == [("create", "phone"), ("create", "laptop"), ("delete", first.id)]
    assert await home.refuses(first)
    with pytest.raises(StaleGrant):
        await token_shell.list_own_tokens(home.core, owner)


async def test_neither_tokens_nor_passwords_make_tokens(home: Home) -> None:
    by_token = await home.log_in(await home.create())
    with pytest.raises(AccessDenied):
        await token_shell.create_own_token(home.core, by_token, name="x")
    with pytest.raises(AccessDenied):
        await token_shell.list_own_tokens(home.core, by_token)
    with pytest.raises(AccessDenied):
        await token_shell.create_own_token(home.core, await home.log_in(PASSWORD), name="x")
    with pytest.raises(AccessDenied):
        await token_shell.create_token(home.core, by_token, "ada", name="x")


async def test_anothers_token_is_not_found(home: Home) -> None:
    grace = UUID[:-1] + "c"
    user = await home.demo.user("grace", props=Props(identity_provider_user_id=grace))
    token = await home.create("grace")
    with pytest.raises(ResourceNotFound):
        await token_shell.delete_own_token(home.core, await home.signed_in(), token.id)
    page = await token_shell.list_tokens(home.core, home.demo.grant, user, after="", limit=9)
    assert [row.id for row in page[0]] == [token.id]


async def test_who_never_signed_in_has_no_tokens(home: Home) -> None:
    await home.demo.user("grace")
    with pytest.raises(EntityStateInvalid, match="signed in"):
        await home.create("grace")
    with pytest.raises(EntityNotFound):
        await home.create("nobody")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a<b"},
        {"name": "a\nb"},
        {"scopes": []},
        {"scopes": ["pop"]},
        {"scopes": ["IMAP"]},
        {"scopes": ["imap"] * 11},
    ],
)
async def test_names_and_scopes_that_cannot_be(home: Home, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        await home.create(**wrong)


async def test_expired_tokens_do_not_count(home: Home, env: ShiftedEnvironment) -> None:
    limits = msgspec.structs.replace(home.core.settings.limits, tokens_per_user=2)
    home.core.settings = msgspec.structs.replace(home.core.settings, limits=limits)
    await home.create()
    await home.create()
    with pytest.raises(LimitExceeded):
        await home.create()
    env.shift = 366 * DAY_MS
    fresh = await home.create()
    assert len(await home.demo.run("SELECT id FROM personal_access_token")) == 3
    env.shift += KEPT_MS
    await expire(home.core)
    assert await home.demo.run("SELECT id FROM personal_access_token") == [(fresh.id,)]


# --- traces ---


async def test_the_last_use_is_known_to_the_minute(home: Home, env: ShiftedEnvironment) -> None:
    token = await home.create()
    assert await home.used(token) is None
    await home.log_in(token)
    first = await home.used(token)
    assert first is not None
    assert abs(first - env.now()) < 10_000
    await home.log_in(token)
    assert await home.used(token) == first
    env.shift = USE_GRAIN_MS + 5_000
    await home.log_in(token)
    assert await home.used(token) > first


async def test_no_trace_of_a_token_but_its_digest(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await home.create()
    assert token.token not in repr(token)
    grant = await home.log_in(token)
    await home.refuses(token, username="nobody@demo.test")
    assert token.token not in caplog.text + repr(grant)
    (row,) = await home.demo.run("SELECT * FROM personal_access_token")
    assert token.token not in repr(row)
    assert token_digest(token.token.encode()) in row


async def test_a_login_does_not_wait_for_its_trace(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await home.create()

    async def busy(*args: Any, **kw: Any) -> None:
        raise Busy("not now")

    monkeypatch.setattr(home.core.store, "write_background", busy)
    assert (await home.log_in(token)).token == token.id


# --- the decision ---

TOKEN = TokenRow("o", "t", "e", UUID, 7, "phone", "imap", b"", 0, 1000, None)
PROVIDER = ProviderRow("o", 7, PROVIDER_ONLY, "i", "a", "ACTIVE", 1, 0, 0)


def test_works_asks_everything() -> None:
    good: dict[str, Any] = {"org": "o", "entity": "e", "user_id": UUID, "now": 999}
    assert works(TOKEN, PROVIDER, **good)
    for wrong in ({"org": "x"}, {"entity": "x"}, {"user_id": ""}, {"user_id": "x"}, {"now": 1000}):
        assert not works(TOKEN, PROVIDER, **{**good, **wrong})
    inactive = msgspec.structs.replace(PROVIDER, token_status="INACTIVE")
    later = msgspec.structs.replace(PROVIDER, id=8)
    for token, provider in ((None, PROVIDER), (TOKEN, None), (TOKEN, inactive), (TOKEN, later)):
        assert not works(token, provider, **good)
    assert works(msgspec.structs.replace(TOKEN, expires=None), PROVIDER, **{**good, "now": 1 << 62})


@given(st.sets(st.sampled_from(SCOPES)), st.text(max_size=12) | st.sampled_from(["IMAP", "EWS"]))
def test_a_protocol_is_permitted_by_its_own_scope_only(scopes: set[str], protocol: str) -> None:
    allowed = permits(" ".join(sorted(scopes)), protocol)
    assert allowed == (protocol == "AutoDiscover" or protocol.lower() in scopes)
