"""CreateAlias, DeleteAlias, ListAliases, UpdatePrimaryEmailAddress, DescribeEntity."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.directory import shell
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call


async def CreateAlias(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Give an enabled entity one more address."""
    await shell.create_alias(
        api.core, grant_of(call, document), document["EntityId"], document["Alias"]
    )
    return {}


async def DeleteAlias(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Free an alias; one that the entity does not have is no change."""
    await shell.delete_alias(
        api.core, grant_of(call, document), document["EntityId"], document["Alias"]
    )
    return {}


async def ListAliases(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List an entity's aliases; its primary address is none."""
    read = partial(shell.list_aliases, api.core, grant_of(call, document), document["EntityId"])
    return await one_page(api, call, document, "Aliases", read, str)


async def UpdatePrimaryEmailAddress(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Make an address the primary one; the one before becomes an alias."""
    await shell.update_primary(
        api.core, grant_of(call, document), document["EntityId"], document["Email"]
    )
    return {}


async def DescribeEntity(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell which enabled entity holds an address."""
    row = await shell.describe_entity(api.core, grant_of(call, document), document["Email"])
    return {"EntityId": row.id, "Name": row.name, "Type": row.kind}
