"""Signing in through the identity provider, and whose mailbox that opens (WorkMail guide, users of
IAM Identity Center).

The web calls `begin_sign_in`, sends the browser to its `url`, and keeps `kept` in a cookie of that
browser (HttpOnly, Secure, SameSite=Lax, for ten minutes). The provider sends the browser back
with `code` and `state`; the web gives both to `finish_sign_in` with what the cookie holds. Without
the cookie of the browser that began, nothing is finished: nobody is signed in as somebody else by
following a link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import uuid

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workpost.domain.access.identity import find_instance, identity_store
from workpost.domain.access.shell import enter_by_identity
from workpost.domain.directory.entities import fold_name, read_props, write_props
from workpost.domain.directory.identities import claim_identity, identity_key
from workpost.integrations.oidc.provider import Provider, provider_of
from workpost.kernel.errors import AuthenticationFailed, ResourceNotFound
from workpost.kernel.outside_settings import IdentityProvider
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import entities, identities, organizations
from workpost.store.tables.entities import USER
from workpost.store.tables.identities import ProviderRow

LIFETIME_MS = 600_000
NONCE = 12
MAX_KEPT = 4096
MAX_CODE = 4096

log = logging.getLogger(__name__)


class SignIn(msgspec.Struct, frozen=True):
    """A sign-in that has begun."""

    url: str
    """Where to send the browser."""
    state: str
    """What comes back from the provider, as a part of the redirect."""
    kept: str
    """What the browser keeps and nobody else may see."""


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """What `kept` holds, sealed."""

    organization: str
    provider: int
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    expires: int


@quick
def find_provider(tx: Reader, *, organization: str) -> tuple[str, ProviderRow] | None:
    """The account and the configuration of an active organization whose application exists."""
    known = organizations.get_state(tx, organization=organization)
    row = identities.get_provider(tx, org=organization)
    if known is None or known[1] != organizations.ACTIVE or row is None:
        return None
    application = identities.get_application(tx, account=known[0], arn=row.application_arn)
    return (known[0], row) if application is not None else None


@quick
def find_linked(tx: Reader, *, organization: str, identity: str) -> str | None:
    """The id of the user who is associated with this person of the provider."""
    return identities.find_identity(tx, org=organization, identity=identity)


@command
def link_user(
    tx: Tx, *, organization: str, provider: int, user_id: str, store: str, user_name: str
) -> str:
    """Associate the user of this name with a person who signed in for the first time.

    Returns the id of the user who is associated now. Raises AuthenticationFailed when there is no
    such user, when they are associated with somebody else, and when the configuration changed.
    """
    version = organizations.take_gal_modseq(tx, organization=organization, account="")
    current = identities.get_provider(tx, org=organization)
    if version is None or current is None or current.id != provider:
        raise _refused("the organization does not sign in that way any more")
    linked = identities.find_identity(tx, org=organization, identity=identity_key(user_id))
    if linked is not None:
        return linked
    row = entities.get_by_name(tx, org=organization, name_fold=fold_name(user_name))
    if not user_name or row is None or row.kind != USER:
        raise _refused("there is no user of this name")
    props = read_props(row)
    if identity_key(props.identity_provider_user_id) not in ("", identity_key(user_id)):
        raise _refused("the user of this name is associated with somebody else")
    claim_identity(tx, org=organization, entity=row.id, user_id=user_id)
    props = msgspec.structs.replace(
        props, identity_provider_user_id=user_id, identity_provider_identity_store_id=store
    )
    changed = msgspec.structs.replace(row, props=write_props(props), version=version)
    # Nobody can have come in by this association yet, so nobody has to ask again.
    entities.update_entity(tx, changed)
    return row.id


def _refused(why: str) -> AuthenticationFailed:
    return AuthenticationFailed(f"You cannot sign in: {why}. Ask your administrator.")


def user_id_of(provider: IdentityProvider, claim: str) -> str:
    """The IdentityProviderUserId of a person: the claim itself where it has the API's form.

    Else a UUID made from issuer and claim (RFC 9562 5.5), the same at every sign-in.
    """
    try:
        if str(uuid.UUID(claim)) == claim.lower():
            return claim.lower()
    except ValueError:
        pass
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{provider.issuer}#{claim}"))


async def begin_sign_in(core: Core, *, organization: str, redirect_uri: str) -> SignIn:
    """Begin a sign-in of a person of an organization; `redirect_uri` is the web's own.

    Raises ResourceNotFound where the organization has no identity provider that works, TryLater.
    """
    found = await core.store.read(find_provider, organization=organization)
    provider = _provider(core, found)
    if found is None or provider is None:
        raise ResourceNotFound("This organization does not sign in through an identity provider.")
    state, nonce, verifier = (_random(core) for _ in range(3))
    url = await provider.authorization_url(
        core.env, redirect_uri=redirect_uri, state=state, nonce=nonce, verifier=verifier
    )
    begun = Begun(
        organization=organization,
        provider=found[1].id,
        state=state,
        nonce=nonce,
        verifier=verifier,
        redirect_uri=redirect_uri,
        expires=core.env.now() + LIFETIME_MS,
    )
    return SignIn(url, state, await _seal(core, begun))


async def finish_sign_in(
    core: Core, *, code: str, state: str, kept: str, address: str, issuer: str | None = None
) -> Grant:
    """Finish a sign-in and open the person's mailbox to the web, from this IP address.

    Whoever signs in for the first time is associated with the user of the same name. `issuer` is
    the redirect's parameter `iss`, where it has one. Raises AuthenticationFailed with a reason for
    the person, AccessDenied when the access-control rules do not let them in, TryLater.
    """
    begun = await _open(core, kept)
    if begun is None or not hmac.compare_digest(begun.state.encode(), state.encode()):
        raise AuthenticationFailed("This sign-in was not begun here, or too long ago.")
    found = await core.store.read(find_provider, organization=begun.organization)
    provider = _provider(core, found)
    if found is None or provider is None or found[1].id != begun.provider:
        raise _refused("the organization does not sign in that way any more")
    if not 0 < len(code) <= MAX_CODE:
        raise _refused("the identity provider gave no code")
    person = await provider.finish(
        core.env,
        code=code,
        issuer=issuer,
        redirect_uri=begun.redirect_uri,
        nonce=begun.nonce,
        verifier=begun.verifier,
    )
    user_id = user_id_of(provider.settings, person.user_id)
    identity, organization = identity_key(user_id), begun.organization
    entity = await core.store.read(find_linked, organization=organization, identity=identity)
    if entity is None:
        entity = await core.store.write(
            link_user,
            organization=organization,
            provider=begun.provider,
            user_id=user_id,
            store=identity_store(provider.settings),
            user_name=person.user_name,
        )
        log.info("user %s of %s was associated at the first sign-in", entity, organization)
    return await enter_by_identity(
        core,
        organization=organization,
        entity=entity,
        identity=identity,
        provider=begun.provider,
        address=address,
    )


def _provider(core: Core, found: tuple[str, ProviderRow] | None) -> Provider | None:
    if found is None:
        return None
    settings = find_instance(core, found[0], found[1].instance_arn)
    return provider_of(settings) if settings is not None else None


def _random(core: Core) -> str:
    return base64.urlsafe_b64encode(core.env.random_bytes(32)).rstrip(b"=").decode()


async def _cipher(core: Core) -> AESGCM:
    key = await core.keys.token_key("sign-in")
    return AESGCM(hashlib.blake2b(key, digest_size=32, person=b"sign-in").digest())


async def _seal(core: Core, begun: Begun) -> str:
    nonce = core.env.random_bytes(NONCE)
    sealed = (await _cipher(core)).encrypt(nonce, msgspec.msgpack.encode(begun), None)
    return base64.urlsafe_b64encode(nonce + sealed).decode()


async def _open(core: Core, kept: str) -> Begun | None:
    if len(kept) > MAX_KEPT:
        return None
    cipher = await _cipher(core)
    try:
        sealed = base64.b64decode(kept, b"-_", validate=True)
        plain = cipher.decrypt(sealed[:NONCE], sealed[NONCE:], None)
    except (binascii.Error, ValueError, InvalidTag):
        return None
    begun = msgspec.msgpack.decode(plain, type=Begun)
    return begun if begun.expires > core.env.now() else None
