"""What ListUsers, ListGroups and ListResources have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workpost.domain.directory import shell
from workpost.domain.directory.entities import Entity
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
    next_token,
    one_filter,
    page_limit,
    page_start,
)
from workpost.protocols.api.call import Call


async def list_entities(
    api: Api,
    call: Call,
    document: Document,
    kind: str,
    filters: Mapping[str, str],
    summary: Callable[[Entity], dict[str, Any]],
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of summaries of a kind by at most one filter, and the token of the next page."""
    name, key = page_start(api, call, document, 2)
    found, position = await shell.list_entities(
        api.core,
        grant_of(call, document),
        kind,
        one_filter(document, filters),
        after=(name, key),
        limit=page_limit(document),
    )
    return [summary(each) for each in found], next_token(api, call, document, position)
