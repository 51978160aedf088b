"""SearchMembers: of the console, in an API of our own."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.directory import search
from workpost.domain.directory.entities import ANY_KIND, read_props
from workpost.domain.directory.search import MemberSearch
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
    next_token,
    page_limit,
    page_start,
)
from workpost.protocols.api.call import Call
from workpost.store.tables.entities import RESOURCE, USER, EntityRow


async def SearchMembers(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Find users, groups and resources by name, display name or address."""
    stage, key, last = page_start(api, call, document, 3)
    wanted = document.get("MemberTypes", ())
    rows, position = await search.search_members(
        api.core,
        grant_of(call, document),
        MemberSearch(
            text=document["SearchText"],
            kinds=tuple(kind for kind in ANY_KIND if not wanted or kind in wanted),
            state=document.get("State", ""),
            contains=document.get("Match") == "CONTAINS",
        ),
        after=(int(stage or 0), key, last),
        limit=page_limit(document),
    )
    return {
        "Members": [_member(row) for row in rows],
        "NextToken": next_token(api, call, document, position),
    }


def _member(row: EntityRow) -> dict[str, Any]:
    props = read_props(row)
    return {
        "Id": row.id,
        "Type": row.kind,
        "Name": row.name,
        "DisplayName": row.display or None,
        "Email": row.primary_address,
        "State": row.state,
        "UserRole": props.user_role if row.kind == USER else None,
        "ResourceType": props.resource_type if row.kind == RESOURCE else None,
        "EnabledDate": row.enabled_at,
        "DisabledDate": row.disabled_at,
    }
