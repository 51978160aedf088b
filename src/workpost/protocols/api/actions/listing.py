"""What lists have in common: a page from where the last one ended, and the token of the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from workpost.domain.directory import shell
from workpost.domain.directory.entities import Entity
from workpost.protocols.api.actions.context import (
    MAX_RESULTS,
    Api,
    Document,
    grant_of,
    next_token,
    one_filter,
    page_limit,
    page_start,
)
from workpost.protocols.api.call import Call

Row = TypeVar("Row")
Row_co = TypeVar("Row_co", covariant=True)


class ReadPage(Protocol[Row_co]):
    """Reads rows after a position, and says what the last is called where more follow."""

    def __call__(self, *, after: str, limit: int) -> Awaitable[tuple[Sequence[Row_co], str | None]]:
        """Read at most `limit` rows after `after`, from the first where that is empty."""
        ...


async def one_page(
    api: Api,
    call: Call,
    document: Document,
    name: str,
    read: ReadPage[Row],
    show: Callable[[Row], Any],
    *,
    most: int = MAX_RESULTS,
) -> dict[str, Any]:
    """The answer with a page of a list called `name`, of at most `most` rows.

    Raises InvalidParameter for a token that is not of this listing.
    """
    (after,) = page_start(api, call, document, 1)
    rows, last = await read(after=after, limit=min(page_limit(document), most))
    return {
        name: [show(row) for row in rows],
        "NextToken": next_token(api, call, document, (last,) if last else None),
    }


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
