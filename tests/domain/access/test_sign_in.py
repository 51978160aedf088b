"""Signing in through the identity provider: whose mailbox opens, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.directories import Directory
from tests.support.identity import ISSUER, change_provider, configure, put_provider
from tests.support.oidc import ADA, INSTANCE, OidcProvider
from workpost.domain.access import identity, token_shell
from workpost.domain.access import shell as access
from workpost.domain.access.identity import PROVIDER_ONLY
from workpost.domain.access.rule_shell import put_access_rule
from workpost.domain.access.rules import AccessRule
from workpost.domain.access.sign_in import SignIn, begin_sign_in, finish_sign_in, user_id_of
from workpost.domain.directory import shell as directory
from workpost.domain.directory.entities import Props
from workpost.domain.directory.users import UserChanges
from workpost.domain.organizations.shell import delete_organization
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidParameter,
    ResourceNotFound,
    TryLater,
)
from workpost.kernel.outside_settings import Identity, IdentityProvider
from workpost.kernel.principal import OWNER, Grant

WEB = "https://mail.example/signed-in"
GRACE = ADA[:-1] + "c"


class ShiftedEnvironment(SystemEnvironment):
    """The real world with a clock that can be put forward."""

    shift = 0

    def now(self) -> int:
        return super().now() + self.shift


@pytest.fixture
def env() -> ShiftedEnvironment:
    return ShiftedEnvironment()


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[OidcProvider]:
    made = OidcProvider(client_secret="")
    yield made
    made.close()


@pytest.fixture
def provider(shared_provider: OidcProvider) -> OidcProvider:
    shared_provider.person = {"sub": ADA, "preferred_username": "ada"}
    return shared_provider


@pytest.fixture
def application(run: Any, demo: Directory, provider: OidcProvider) -> str:
    async def make() -> str:
        configure(demo.core, demo.account, issuer=provider.issuer)
        return await put_provider(demo, mode=PROVIDER_ONLY)

    made: str = run(make())
    return made


async def begin(demo: Directory) -> SignIn:
    return await begin_sign_in(demo.core, organization=demo.organization, redirect_uri=WEB)


async def sign_in(demo: Directory, provider: OidcProvider, **changes: Any) -> Grant:
    begun = await begin(demo)
    given = {**provider.sign_in(begun.url), "kept": begun.kept, "address": "192.0.2.10"}
    return await finish_sign_in(demo.core, **{**given, **changes})


async def association(demo: Directory, user: str) -> tuple[str, str]:
    props = (await directory.describe_user(demo.core, demo.grant, user)).props
    return props.identity_provider_user_id, props.identity_provider_identity_store_id


async def test_the_first_sign_in_links_the_user_of_the_same_name(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    user = await demo.user("ada")
    grant = await sign_in(demo, provider)
    assert (grant.entity, grant.rights, grant.identity) == (user, OWNER, ADA)
    assert (grant.principal.protocol, grant.principal.address) == ("WebMail", "192.0.2.10")
    linked = await association(demo, "ada")
    assert linked[0] == ADA
    assert linked[1].startswith("d-")
    # From now on the name does not matter.
    provider.person["preferred_username"] = "lovelace"
    assert (await sign_in(demo, provider)).entity == user
    assert await association(demo, "ada") == linked
    token = await token_shell.create_own_token(demo.core, grant, name="phone")
    opened = await access.log_in(
        demo.core,
        username="ada@demo.test",
        password=token.token.encode(),
        protocol="IMAP",
        address="192.0.2.10",
    )
    assert opened.entity == user


async def test_the_mailbox_of_the_given_id_opens_whatever_the_name(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await demo.user("ada")
    user = await demo.user(
        "countess", props=Props(identity_provider_user_id="0123456789-" + ADA.upper())
    )
    assert (await sign_in(demo, provider)).entity == user
    assert await association(demo, "ada") == ("", "")


@pytest.mark.parametrize(
    "person",
    [
        {"preferred_username": "nobody"},
        {"preferred_username": "everyone"},
        {"preferred_username": ""},
        {"preferred_username": None},
        {"sub": GRACE},
    ],
)
async def test_who_is_nobody_here_is_refused(
    demo: Directory, provider: OidcProvider, application: str, person: dict[str, Any]
) -> None:
    await demo.user("ada", props=Props(identity_provider_user_id=ADA))
    await demo.group("everyone")
    provider.person |= {"sub": GRACE, **person}
    with pytest.raises(AuthenticationFailed, match="administrator"):
        await sign_in(demo, provider)
    assert await association(demo, "ada") == (ADA, "")


async def test_who_has_no_mailbox_is_associated_and_refused(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    user = await demo.user("ada", enabled=False)
    with pytest.raises(AuthenticationFailed):
        await sign_in(demo, provider)
    assert (await association(demo, "ada"))[0] == ADA
    await demo.register(user, "ada@demo.test")
    assert (await sign_in(demo, provider)).entity == user


async def test_access_control_rules_bind_the_web(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await demo.user("ada")
    rule = AccessRule(effect="DENY", actions=("WebMail",))
    await put_access_rule(demo.core, demo.grant, "no-web", rule)
    with pytest.raises(AccessDenied):
        await sign_in(demo, provider)


@pytest.mark.parametrize(
    "changes", [{"state": "another"}, {"kept": ""}, {"kept": "x" * 5000}, {"kept": "AAAA"}]
)
async def test_only_the_browser_that_began_finishes(
    demo: Directory, provider: OidcProvider, application: str, changes: dict[str, str]
) -> None:
    await demo.user("ada")
    with pytest.raises(AuthenticationFailed):
        await sign_in(demo, provider, **changes)
    other = await begin(demo)
    with pytest.raises(AuthenticationFailed):
        await sign_in(demo, provider, kept=other.kept)


@pytest.mark.parametrize("code", ["", "another", "x" * 5000])
async def test_codes_that_the_provider_did_not_give(
    demo: Directory, provider: OidcProvider, application: str, code: str
) -> None:
    await demo.user("ada")
    with pytest.raises(AuthenticationFailed):
        await sign_in(demo, provider, code=code)


async def test_a_sign_in_is_finished_once_and_within_ten_minutes(
    demo: Directory, provider: OidcProvider, application: str, env: ShiftedEnvironment
) -> None:
    await demo.user("ada")
    begun = await begin(demo)
    given = {**provider.sign_in(begun.url), "kept": begun.kept, "address": "192.0.2.10"}
    env.shift = 600_001
    with pytest.raises(AuthenticationFailed, match="too long ago"):
        await finish_sign_in(demo.core, **given)
    env.shift = 0
    await finish_sign_in(demo.core, **given)
    with pytest.raises(AuthenticationFailed):
        await finish_sign_in(demo.core, **given)


async def test_the_configuration_has_to_be_that_of_the_beginning(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await demo.user("ada")
    begun = await begin(demo)
    given = {**provider.sign_in(begun.url), "kept": begun.kept, "address": "192.0.2.10"}
    await identity.delete_identity_provider(demo.core, demo.grant)
    with pytest.raises(AuthenticationFailed):
        await finish_sign_in(demo.core, **given)
    await change_provider(demo, application)
    with pytest.raises(AuthenticationFailed):
        await finish_sign_in(demo.core, **given)
    assert await association(demo, "ada") == ("", "")


async def test_a_session_ends_with_the_configuration_that_it_came_by(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await demo.user("ada")
    grant = await sign_in(demo, provider)
    await change_provider(demo, application, token_status="INACTIVE")
    renewed = await access.renew(demo.core, grant)
    assert (renewed.identity, renewed.provider) == (ADA, grant.provider)
    await identity.delete_identity_provider(demo.core, demo.grant)
    await change_provider(demo, application)
    with pytest.raises(AuthenticationFailed):
        await access.renew(demo.core, grant)


async def test_without_provider_or_application_nobody_begins(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    settings = demo.core.settings
    demo.core.settings = msgspec.structs.replace(settings, identity=Identity())
    with pytest.raises(ResourceNotFound):
        await begin(demo)
    demo.core.settings = settings
    await identity.delete_identity_center_application(demo.core, demo.grant, application)
    with pytest.raises(ResourceNotFound):
        await begin(demo)
    # How the organization authenticates has not changed.
    row = await identity.describe_identity_provider(demo.core, demo.grant)
    assert row.mode == PROVIDER_ONLY


async def test_deleted_organizations_sign_in_nobody(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await delete_organization(demo.core, demo.grant, force=True)
    with pytest.raises(ResourceNotFound):
        await begin(demo)
    assert await demo.work() == 1
    assert await demo.run("SELECT org FROM identity_provider") == []
    assert await demo.run("SELECT arn FROM identity_application") == [(application,)]


async def test_deletion_takes_the_application_along_when_asked(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    await delete_organization(demo.core, demo.grant, force=True, with_application=True)
    assert await demo.run("SELECT arn FROM identity_application") == []


async def test_a_provider_that_is_away_refuses_nobody(
    demo: Directory, provider: OidcProvider, application: str
) -> None:
    provider.status["/token"] = 503
    try:
        with pytest.raises(TryLater):
            await sign_in(demo, provider)
    finally:
        provider.status.clear()


# --- who somebody is ---


async def test_an_identity_is_one_users_in_an_organization(
    demo: Directory, other: Directory
) -> None:
    await demo.user("ada", props=Props(identity_provider_user_id=ADA))
    await other.user("eve", props=Props(identity_provider_user_id=ADA))
    with pytest.raises(InvalidParameter, match="another user"):
        await demo.user("grace", props=Props(identity_provider_user_id="0123456789-" + ADA))
    await demo.user("grace", enabled=False)
    taken = UserChanges(props={"identity_provider_user_id": ADA.upper()})
    with pytest.raises(InvalidParameter, match="another user"):
        await directory.update_user(demo.core, demo.grant, "grace", taken)
    await directory.update_user(demo.core, demo.grant, "ada", taken)
    free = UserChanges(props={"identity_provider_user_id": ""})
    await directory.update_user(demo.core, demo.grant, "ada", free)
    await directory.update_user(demo.core, demo.grant, "grace", taken)
    await directory.delete_user(demo.core, demo.grant, "grace")
    await demo.user("barbara", props=Props(identity_provider_user_id=ADA))


PROVIDER = IdentityProvider(
    account="111122223333", instance_arn=INSTANCE, issuer=ISSUER, client_id="workpost"
)


@given(st.uuids())
def test_a_uuid_is_taken_as_it_is(subject: Any) -> None:
    assert user_id_of(PROVIDER, str(subject)) == str(subject)
    assert user_id_of(PROVIDER, str(subject).upper()) == str(subject)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_other_subject_has_a_uuid_of_its_own(one: str, two: str) -> None:
    made = user_id_of(PROVIDER, one)
    assert len(made) == 36
    assert (made == user_id_of(PROVIDER, two)) == (one == two)
    elsewhere = msgspec.structs.replace(PROVIDER, issuer="https://other.example")
    assert made != user_id_of(elsewhere, one)
