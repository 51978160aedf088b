"""Resources, their booking options and their delegates: eight actions."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.directory import resource_shell as shell
from workpost.domain.directory.booking import BookingOptions
from workpost.domain.directory.entities import Entity
from workpost.domain.directory.resources import ResourceChanges, options_of
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.listing import list_entities, one_page
from workpost.protocols.api.call import Call
from workpost.store.tables.entities import RESOURCE

FILTERS = {"NamePrefix": "name", "PrimaryEmailPrefix": "address", "State": "state"}


async def CreateResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Create a room or piece of equipment, not yet enabled for mail."""
    resource = await shell.create_resource(
        api.core,
        grant_of(call, document),
        name=document["Name"],
        type=document["Type"],
        description=document.get("Description", ""),
        hidden=document.get("HiddenFromGlobalAddressList", False),
    )
    return {"ResourceId": resource}


async def DescribeResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a resource."""
    resource = await shell.describe_resource(
        api.core, grant_of(call, document), document["ResourceId"]
    )
    row, props = resource.row, resource.props
    options = options_of(props)
    return {
        "ResourceId": row.id,
        "Email": row.primary_address,
        "Name": row.name,
        "Type": props.resource_type,
        "BookingOptions": {
            "AutoAcceptRequests": options.auto_accept,
            "AutoDeclineRecurringRequests": options.decline_recurring,
            "AutoDeclineConflictingRequests": options.decline_conflicting,
        },
        "State": row.state,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
        "Description": props.description or None,
        "HiddenFromGlobalAddressList": bool(row.hidden),
    }


async def UpdateResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Change a resource: what is absent stays, an empty description clears it."""
    changes = ResourceChanges(
        name=document.get("Name"),
        type=document.get("Type"),
        description=document.get("Description"),
        hidden=document.get("HiddenFromGlobalAddressList"),
        options=_options(document.get("BookingOptions")),
    )
    await shell.update_resource(api.core, grant_of(call, document), document["ResourceId"], changes)
    return {}


def _options(given: Document | None) -> BookingOptions | None:
    if given is None:
        return None
    # Typed clients leave a false out.
    return BookingOptions(
        auto_accept=given.get("AutoAcceptRequests", False),
        decline_recurring=given.get("AutoDeclineRecurringRequests", False),
        decline_conflicting=given.get("AutoDeclineConflictingRequests", False),
    )


async def DeleteResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Delete a disabled resource."""
    await shell.delete_resource(api.core, grant_of(call, document), document["ResourceId"])
    return {}


async def ListResources(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the organization's resources by at most one filter."""
    resources, token = await list_entities(api, call, document, RESOURCE, FILTERS, _summary)
    return {"Resources": resources, "NextToken": token}


def _summary(resource: Entity) -> dict[str, Any]:
    row = resource.row
    return {
        "Id": row.id,
        "Email": row.primary_address,
        "Name": row.name,
        "Type": resource.props.resource_type,
        "State": row.state,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
        "Description": resource.props.description or None,
    }


async def AssociateDelegateToResource(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Let an enabled user or group answer for an enabled resource."""
    await shell.add_delegate(
        api.core,
        grant_of(call, document),
        resource=document["ResourceId"],
        entity=document["EntityId"],
    )
    return {}


async def DisassociateDelegateFromResource(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Take a delegate from a resource."""
    await shell.remove_delegate(
        api.core,
        grant_of(call, document),
        resource=document["ResourceId"],
        entity=document["EntityId"],
    )
    return {}


async def ListResourceDelegates(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the delegates of a resource."""
    read = partial(shell.list_delegates, api.core, grant_of(call, document), document["ResourceId"])
    return await one_page(api, call, document, "Delegates", read, _delegate)


def _delegate(found: tuple[str, str]) -> dict[str, Any]:
    delegate, kind = found
    return {"Id": delegate, "Type": kind}
