"""Personal access tokens as their owners, the operator and the API manage them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypedDict

from workpost.domain.access import tokens
from workpost.domain.access.token_text import RANDOM_BYTES, write_token
from workpost.domain.access.tokens import NewToken, check_name, check_scopes
from workpost.kernel.errors import WorkpostError
from workpost.kernel.principal import Grant
from workpost.kernel.trail import tell_token
from workpost.store.core import Core
from workpost.store.tables.access_tokens import TokenRow

MAX_OWN = 1_000

log = logging.getLogger(__name__)


async def create_own_token(
    core: Core, grant: Grant, *, name: str, scopes: Sequence[str] = tokens.SCOPES
) -> NewToken:
    """Create a token for the grant's own person and show it this once.

    `grant` is one that `sign_in.finish_sign_in` has made. Raises InvalidParameter for a name or
    scopes that cannot be, AccessDenied for any other grant and while tokens are inactive,
    LimitExceeded, StaleGrant.
    """
    return await _create(
        core,
        grant,
        grant.entity,
        name,
        scopes,
        lambda new: core.store.write(tokens.insert_own_token, grant=grant, **new),
    )


async def create_token(
    core: Core, grant: Grant, user: str, *, name: str, scopes: Sequence[str] = tokens.SCOPES
) -> NewToken:
    """Create a token for a user, in their stead, and show it this once; `grant` administers.

    Raises InvalidParameter for a name or scopes that cannot be, EntityNotFound,
    EntityStateInvalid for a user who is not enabled or has never signed in through the identity
    provider, AccessDenied while tokens are inactive, LimitExceeded.
    """
    return await _create(
        core,
        grant,
        user,
        name,
        scopes,
        lambda new: core.store.write(tokens.insert_token, grant=grant, identifier=user, **new),
    )


class _New(TypedDict):
    """What both commands are told of a token."""

    token: str
    name: str
    scopes: str
    digest: bytes
    limit: int


async def _create(
    core: Core,
    grant: Grant,
    user: str,
    name: str,
    scopes: Sequence[str],
    insert: Callable[[_New], Awaitable[int | None]],
) -> NewToken:
    check_name(name)
    chosen = " ".join(check_scopes(scopes))
    id, text = core.env.new_uuid(), write_token(core.env.random_bytes(RANDOM_BYTES))
    limit = core.settings.limits.tokens_per_user
    expires = await insert(
        _New(token=id, name=name, scopes=chosen, digest=_digest(text), limit=limit)
    )
    log.info("the personal access token %s was created", id)
    tell_token(
        core.trail, grant, "create", user=user, name=name, scopes=chosen.split(), expires=expires
    )
    return NewToken(id, text, expires)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def list_own_tokens(core: Core, grant: Grant) -> list[TokenRow]:
    """The tokens of the grant's person, the oldest first.

    Raises AccessDenied for a grant that a token has opened and while tokens are inactive,
    StaleGrant.
    """
    return await core.store.read(tokens.list_own_tokens, grant=grant, limit=MAX_OWN)


async def delete_own_token(core: Core, grant: Grant, token: str) -> None:
    """Delete a token of the grant's person; what it has opened ends.

    Raises ResourceNotFound, also for another's, and what `list_own_tokens` raises.
    """
    tell_token(core.trail, grant, "delete", user=grant.entity, name=token)
    await core.store.write(tokens.delete_own_token, grant=grant, token=token)
    log.info("the personal access token %s was deleted by its owner", token)


async def get_token(core: Core, grant: Grant, token: str) -> TokenRow:
    """A token of the organization. Raises ResourceNotFound."""
    return await core.store.read(tokens.get_token, grant=grant, token=token)


async def list_tokens(
    core: Core, grant: Grant, user: str, *, after: str, limit: int
) -> tuple[list[TokenRow], str]:
    """A page of the tokens of a user, or ("") of all, and the id to continue after, "" at the end.

    Expired ones are among them for 90 days. Raises EntityNotFound, EntityStateInvalid.
    """
    rows = await core.store.read(
        tokens.list_tokens, grant=grant, identifier=user, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else ""


async def delete_token(core: Core, grant: Grant, token: str) -> None:
    """Delete a token, if it is there; what it has opened ends within two seconds."""
    tell_token(core.trail, grant, "delete", user="", name=token)
    await core.store.write(tokens.delete_token, grant=grant, token=token)
    log.info("the personal access token %s was deleted", token)


async def note_use(core: Core, token: TokenRow) -> None:
    """Note that a token was used just now; a login never fails for it."""
    now = core.env.now()
    if token.used is not None and now - token.used < tokens.USE_GRAIN_MS:
        return
    try:
        await core.store.write_background(tokens.note_use, org=token.org, token=token.id, at=now)
    except WorkpostError as error:
        log.warning("the use of a token was not noted: %s", error)
