"""PutMobileDeviceAccessOverride, GetMobileDeviceAccessOverride, DeleteMobileDeviceAccessOverride,
ListMobileDeviceAccessOverrides.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.access import device_overrides as shell
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
    next_token,
    page_limit,
    page_start,
)
from workpost.protocols.api.call import Call
from workpost.store.tables.device_overrides import OverrideRow


async def PutMobileDeviceAccessOverride(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create or replace the answer that one device of a user gets, whatever the rules say."""
    await shell.put_device_override(
        api.core,
        grant_of(call, document),
        user=document["UserId"],
        device=document["DeviceId"],
        effect=document["Effect"],
        description=document.get("Description", ""),
    )
    return {}


async def GetMobileDeviceAccessOverride(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe the override for a device of a user."""
    row = await shell.get_device_override(
        api.core, grant_of(call, document), user=document["UserId"], device=document["DeviceId"]
    )
    return _override(row)


async def DeleteMobileDeviceAccessOverride(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Go back to the rules for a device of a user."""
    await shell.delete_device_override(
        api.core, grant_of(call, document), user=document["UserId"], device=document["DeviceId"]
    )
    return {}


async def ListMobileDeviceAccessOverrides(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """List overrides, of one user or one device where they are given."""
    user, device = page_start(api, call, document, 2)
    rows, position = await shell.list_device_overrides(
        api.core,
        grant_of(call, document),
        user=document.get("UserId", ""),
        device=document.get("DeviceId", ""),
        after=(user, device),
        limit=page_limit(document),
    )
    return {
        "Overrides": [_override(row) for row in rows],
        "NextToken": next_token(api, call, document, position),
    }


def _override(row: OverrideRow) -> dict[str, Any]:
    return {
        "UserId": row.entity,
        "DeviceId": row.device,
        "Effect": row.effect,
        "Description": row.description or None,
        "DateCreated": row.created,
        "DateModified": row.modified,
    }
