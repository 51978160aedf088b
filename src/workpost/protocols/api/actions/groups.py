"""CreateGroup, AssociateMemberToGroup."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.directory import shell
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def CreateGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a group, not yet enabled for mail."""
    group = await shell.create_group(
        api.core,
        grant_of(call, document),
        name=document["Name"],
        hidden=document.get("HiddenFromGlobalAddressList", False),
    )
    return {"GroupId": group}


async def AssociateMemberToGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Add an enabled user or group to an enabled group."""
    await shell.add_member(
        api.core,
        grant_of(call, document),
        group=document["GroupId"],
        member=document["MemberId"],
    )
    return {}
