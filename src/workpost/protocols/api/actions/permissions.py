"""PutMailboxPermissions, ListMailboxPermissions, DeleteMailboxPermissions."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.access import permissions as shell
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call
from workpost.store.tables.entities import GROUP, USER
from workpost.store.tables.permissions import PermissionRow


async def PutMailboxPermissions(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace what a grantee may do with a mailbox."""
    await shell.put_mailbox_permissions(
        api.core,
        grant_of(call, document),
        owner=document["EntityId"],
        grantee=document["GranteeId"],
        values=document["PermissionValues"],
    )
    return {}


async def DeleteMailboxPermissions(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Take everything that a grantee may do with a mailbox."""
    await shell.delete_mailbox_permissions(
        api.core,
        grant_of(call, document),
        owner=document["EntityId"],
        grantee=document["GranteeId"],
    )
    return {}


async def ListMailboxPermissions(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List who may do what with a mailbox."""
    read = partial(
        shell.list_mailbox_permissions, api.core, grant_of(call, document), document["EntityId"]
    )
    return await one_page(api, call, document, "Permissions", read, _permission)


def _permission(row: PermissionRow) -> dict[str, Any]:
    return {
        "GranteeId": row.grantee,
        # The model has no third kind: resources are told as users.
        "GranteeType": GROUP if row.kind == GROUP else USER,
        "PermissionValues": [name for name, bit in shell.NAMES.items() if row.rights & bit],
    }
