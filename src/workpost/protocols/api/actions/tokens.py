"""ListPersonalAccessTokens, GetPersonalAccessTokenMetadata, DeletePersonalAccessToken."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.access import token_shell as shell
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call
from workpost.store.tables.access_tokens import TokenRow


async def ListPersonalAccessTokens(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the tokens of a user, or of all users, without the tokens themselves."""
    read = partial(
        shell.list_tokens, api.core, grant_of(call, document), document.get("UserId", "")
    )
    return await one_page(api, call, document, "PersonalAccessTokenSummaries", read, _summary)


async def GetPersonalAccessTokenMetadata(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Tell everything of a token but the token itself."""
    token = document["PersonalAccessTokenId"]
    return _summary(await shell.get_token(api.core, grant_of(call, document), token))


async def DeletePersonalAccessToken(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a token, if it is there; sessions that it has opened end."""
    token = document["PersonalAccessTokenId"]
    await shell.delete_token(api.core, grant_of(call, document), token)
    return {}


def _summary(row: TokenRow) -> dict[str, Any]:
    return {
        "PersonalAccessTokenId": row.id,
        "UserId": row.entity,
        "Name": row.name,
        "DateCreated": row.created,
        "DateLastUsed": row.used,
        "ExpiresTime": row.expires,
        "Scopes": row.scopes.split(),
    }
