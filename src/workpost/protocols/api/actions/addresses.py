"""CreateAlias, DescribeEntity."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.directory import shell
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def CreateAlias(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Give an enabled entity one more address."""
    await shell.create_alias(
        api.core, grant_of(call, document), document["EntityId"], document["Alias"]
    )
    return {}


async def DescribeEntity(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Tell which enabled entity holds an address."""
    row = await shell.describe_entity(api.core, grant_of(call, document), document["Email"])
    return {"EntityId": row.id, "Name": row.name, "Type": row.kind}
