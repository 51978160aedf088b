"""Personal access tokens: what one may do, and the queries and commands on them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.access.identity import ACTIVE
from workpost.domain.directory.entities import Entity, require_enabled, resolve_existing
from workpost.domain.directory.identities import identity_key
from workpost.domain.organizations.policy import check_grant
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import (
    AccessDenied,
    Conflict,
    EntityStateInvalid,
    InvalidParameter,
    LimitExceeded,
    ResourceNotFound,
    StaleGrant,
)
from workpost.kernel.principal import OWNER, Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import access_tokens, entities, identities, organizations
from workpost.store.tables.access_tokens import TokenRow
from workpost.store.tables.entities import USER, EntityRow
from workpost.store.tables.identities import ProviderRow

SCOPES = ("activesync", "ews", "imap", "smtp")
"""One for each protocol that takes a token as its password, named as access-control rules name it,
in lower case."""
MAX_SCOPES = 10
MAX_NAME = 64
FORBIDDEN = frozenset(map(chr, (*range(32), 127))) | frozenset("<>\\")
DAY_MS = 24 * 3_600_000
USE_GRAIN_MS = 60_000
"""How exactly the last use is told: a token that is used all the time costs one write a minute."""


class NewToken(msgspec.Struct, frozen=True):
    """A token as it is shown once, at its making."""

    id: str
    token: str
    expires: int | None
    """Milliseconds since the epoch; None never."""

    def __repr__(self) -> str:
        return f"NewToken({self.id!r})"


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes of a new token in order, each once. Raises InvalidParameter."""
    for scope in scopes:
        if scope not in SCOPES:
            known = ", ".join(SCOPES)
            raise InvalidParameter(f"There is no scope {scope}; the scopes are {known}.")
    if not 0 < len(scopes) <= MAX_SCOPES:
        raise InvalidParameter(f"A token has one to {MAX_SCOPES} scopes.")
    return tuple(sorted(set(scopes)))


def check_name(name: str) -> None:
    """Raise InvalidParameter for a name that the API could not show."""
    if not 0 < len(name) <= MAX_NAME or FORBIDDEN & set(name):
        raise InvalidParameter(
            f"A token's name has up to {MAX_NAME} characters, none of them a control character,"
            " <, > or backslash."
        )


def permits(scopes: str, protocol: str) -> bool:
    """Whether a token of these scopes is a password of a protocol, as rules spell it.

    Finding out about servers (AutoDiscover) needs none; the web (WebMail) takes no tokens.
    """
    return protocol == "AutoDiscover" or protocol.lower() in scopes.split()


def works(
    token: TokenRow | None,
    provider: ProviderRow | None,
    *,
    org: str,
    entity: str,
    user_id: str,
    now: int,
) -> bool:
    """Whether a token opens the mailbox of the user with this IdentityProviderUserId now.

    Not after its time, not while tokens are inactive or without the configuration under which it
    was made, and for nobody but the person of the identity provider for whom it was made.
    """
    return (
        token is not None
        and provider is not None
        and provider.token_status == ACTIVE
        and token.provider == provider.id
        and (token.org, token.entity) == (org, entity)
        and bool(user_id)
        and token.identity == identity_key(user_id)
        and (token.expires is None or now < token.expires)
    )


@command
def insert_token(
    tx: Tx,
    *,
    grant: Grant,
    identifier: str,
    token: str,
    name: str,
    scopes: str,
    digest: bytes,
    limit: int,
) -> int | None:
    """Insert a token of an associated user and return when it expires; `grant` administers.

    Raises EntityNotFound, EntityStateInvalid for a user who is not enabled or not associated,
    AccessDenied while tokens are inactive, LimitExceeded, Conflict.
    """
    begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(USER,))
    require_enabled(row, identifier)
    return _insert(tx, row, token=token, name=name, scopes=scopes, digest=digest, limit=limit)


@command
def insert_own_token(
    tx: Tx, *, grant: Grant, token: str, name: str, scopes: str, digest: bytes, limit: int
) -> int | None:
    """Insert a token of the grant's person. Raises what `insert_token` raises, StaleGrant."""
    if organizations.take_gal_modseq(tx, organization=grant.organization, account="") is None:
        raise StaleGrant("The organization is not active any more.")
    check_owner(tx, grant)
    if not grant.identity:
        raise AccessDenied("Sign in through the identity provider to create a token.")
    row = entities.get_entity(tx, org=grant.organization, entity=grant.entity)
    assert row is not None
    return _insert(tx, row, token=token, name=name, scopes=scopes, digest=digest, limit=limit)


def _insert(
    tx: Tx, row: EntityRow, *, token: str, name: str, scopes: str, digest: bytes, limit: int
) -> int | None:
    org, now = row.org, tx.env.now()
    provider = require_tokens(tx, org)
    identity = identity_key(Entity.of(row).props.identity_provider_user_id)
    if not identity:
        raise EntityStateInvalid(
            f"The user {row.name} has not signed in through the identity provider yet."
        )
    if access_tokens.count_tokens(tx, org=org, entity=row.id, now=now) >= limit:
        raise LimitExceeded(f"The user has {limit} tokens, as many as they may; delete one first.")
    expires = None if provider.token_days is None else now + provider.token_days * DAY_MS
    made = TokenRow(
        org=org,
        id=token,
        entity=row.id,
        identity=identity,
        provider=provider.id,
        name=name,
        scopes=scopes,
        digest=digest,
        created=now,
        expires=expires,
        used=None,
    )
    if not access_tokens.insert_token(tx, made):
        raise Conflict("The token exists already.")
    return expires


def require_tokens(tx: Reader, org: str) -> ProviderRow:
    """The configuration that allows tokens. Raises AccessDenied where none does."""
    provider = identities.get_provider(tx, org=org)
    if provider is None or provider.token_status != ACTIVE:
        raise AccessDenied("Personal access tokens are not active in this organization.")
    return provider


def check_owner(tx: Reader, grant: Grant) -> None:
    """Refuse to let a token manage tokens. Raises AccessDenied, StaleGrant."""
    check_grant(tx, grant, OWNER)
    if grant.token or not grant.entity or grant.principal.on_behalf_of:
        raise AccessDenied("A token cannot manage tokens.")


def list_own_tokens(tx: Reader, *, grant: Grant, limit: int) -> list[TokenRow]:
    """The tokens of the grant's person, the oldest first. Raises AccessDenied, StaleGrant."""
    check_owner(tx, grant)
    require_tokens(tx, grant.organization)
    org, entity = grant.organization, grant.entity
    found = access_tokens.list_tokens(tx, org=org, entity=entity, after="", limit=limit)
    return sorted(found, key=lambda row: (row.created, row.id))


@command
def delete_own_token(tx: Tx, *, grant: Grant, token: str) -> None:
    """Delete a token of the grant's person. Raises ResourceNotFound, AccessDenied, StaleGrant."""
    check_owner(tx, grant)
    require_tokens(tx, grant.organization)
    row = access_tokens.get_token(tx, org=grant.organization, token=token)
    if row is None or row.entity != grant.entity:
        raise _not_found(token)
    access_tokens.delete_token(tx, org=grant.organization, token=token)
    change_policy(tx, grant.organization)


@quick
def get_token(tx: Reader, *, grant: Grant, token: str) -> TokenRow:
    """A token of the organization. Raises ResourceNotFound."""
    require_active(tx, grant)
    row = access_tokens.get_token(tx, org=grant.organization, token=token)
    if row is None:
        raise _not_found(token)
    return row


def _not_found(token: str) -> ResourceNotFound:
    return ResourceNotFound(f"There is no personal access token {token}.")


def list_tokens(
    tx: Reader, *, grant: Grant, identifier: str, after: str, limit: int
) -> list[TokenRow]:
    """A page of the tokens of a user, or ("") of all. Raises EntityNotFound, EntityStateInvalid."""
    require_active(tx, grant)
    org = grant.organization
    user = resolve_existing(tx, org, identifier, kinds=(USER,)).id if identifier else ""
    return access_tokens.list_tokens(tx, org=org, entity=user, after=after, limit=limit)


@command
def delete_token(tx: Tx, *, grant: Grant, token: str) -> None:
    """Delete a token and end what it has opened; one that is not there is no error."""
    begin(tx, grant)
    if access_tokens.delete_token(tx, org=grant.organization, token=token):
        change_policy(tx, grant.organization)


@command
def note_use(tx: Tx, *, org: str, token: str, at: int) -> None:
    """Note when a token was used, at most once a minute."""
    access_tokens.note_use(tx, org=org, token=token, at=at, unless_after=at - USE_GRAIN_MS)
