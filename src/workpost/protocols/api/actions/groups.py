"""Groups and their members: ten actions."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.directory import shell
from workpost.domain.directory.entities import Entity
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import list_entities, one_page
from workpost.protocols.api.call import Call
from workpost.store.tables.entities import GROUP
from workpost.store.tables.members import MemberRow

FILTERS = {"NamePrefix": "name", "PrimaryEmailPrefix": "address", "State": "state"}


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


async def DisassociateMemberFromGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Remove a member from a group."""
    await shell.remove_member(
        api.core,
        grant_of(call, document),
        group=document["GroupId"],
        member=document["MemberId"],
    )
    return {}


async def DescribeGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a group."""
    group = await shell.describe_group(api.core, grant_of(call, document), document["GroupId"])
    row = group.row
    return {
        "GroupId": row.id,
        "Name": row.name,
        "Email": row.primary_address,
        "State": row.state,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
        "HiddenFromGlobalAddressList": bool(row.hidden),
    }


async def UpdateGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Hide a group from the address list, or show it; absent changes nothing."""
    await shell.update_group(
        api.core,
        grant_of(call, document),
        document["GroupId"],
        hidden=document.get("HiddenFromGlobalAddressList"),
    )
    return {}


async def DeleteGroup(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a disabled group."""
    await shell.delete_group(api.core, grant_of(call, document), document["GroupId"])
    return {}


async def ListGroups(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's groups by at most one filter."""
    groups, token = await list_entities(api, call, document, GROUP, FILTERS, _summary)
    return {"Groups": groups, "NextToken": token}


def _summary(group: Entity) -> dict[str, Any]:
    row = group.row
    return {
        "Id": row.id,
        "Email": row.primary_address,
        "Name": row.name,
        "State": row.state,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
    }


async def ListGroupMembers(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List a group's direct members."""
    read = partial(shell.list_members, api.core, grant_of(call, document), document["GroupId"])
    return await one_page(api, call, document, "Members", read, _member)


def _member(row: MemberRow) -> dict[str, Any]:
    return {
        "Id": row.id,
        "Name": row.name,
        "Type": row.kind,
        "State": row.state,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
    }


async def ListGroupsForEntity(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the groups that have an entity as a direct member."""
    read = partial(
        shell.list_groups_of,
        api.core,
        grant_of(call, document),
        document["EntityId"],
        prefix=document.get("Filters", {}).get("GroupNamePrefix", ""),
    )
    return await one_page(api, call, document, "Groups", read, _group)


def _group(found: tuple[str, str]) -> dict[str, Any]:
    group, name = found
    return {"GroupId": group, "GroupName": name}
