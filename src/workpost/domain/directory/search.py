"""Finding users, groups and resources by name, display name or address, as a console does.

A search goes through stages, each the range of an index: names, then display names, then
addresses with aliases. Whoever was met in one stage is left out in those that follow. A search for
what a name contains has no index to go by and reads the directory, so much of it for each page.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import ANY_KIND, fold_name
from workpost.domain.directory.listing import MAX_KEY
from workpost.domain.organizations.state import require_active
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader
from workpost.store.tables import entities
from workpost.store.tables.entities import DELETED, EntityRow

SCAN = 1_000
"""Rows looked at for one page: a page may be shorter than asked for, and others follow."""
BATCH = 250
ADDRESSES = "addresses"

Position = tuple[int, str, str]
"""Stage, sort key and id of the last row that was looked at; (0, "", "") before the first.

A key that is too long for a token is left out and read again from the row.
"""
START: Position = (0, "", "")


class MemberSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for, as it was typed; all kinds and every state but DELETED by default."""

    text: str
    kinds: tuple[str, ...] = ANY_KIND
    state: str = ""
    contains: bool = False
    """Anywhere in a name, a display name or a primary address, and not just at the beginning."""

    def stages(self) -> list[tuple[str, str]]:
        """Order of `list_entities` and kind of each stage; addresses are of all kinds."""
        if self.contains:
            return [("name", kind) for kind in self.kinds]
        by_kind = [(order, kind) for order in ("name", "display") for kind in self.kinds]
        return [*by_kind, (ADDRESSES, "")]

    def meets(self, order: str, row: EntityRow, folded: str) -> bool:
        """Whether a row of a stage is to be shown: wanted, and not shown by a stage before."""
        if row.kind not in self.kinds:
            return False
        if row.state != self.state if self.state else row.state == DELETED:
            return False
        if self.contains:
            texts = (row.name_fold, row.display_fold, row.primary_fold or "")
            return any(folded in text for text in texts)
        earlier = {"name": 0, "display": 1, ADDRESSES: 2}[order]
        return not any(
            text.startswith(folded) for text in (row.name_fold, row.display_fold)[:earlier]
        )


def find_members(
    tx: Reader, *, grant: Grant, search: MemberSearch, after: Position, limit: int
) -> tuple[list[EntityRow], Position | None]:
    """A page of who is found, and where to go on, None at the end."""
    require_active(tx, grant)
    folded = fold_name(search.text)
    stages = search.stages()
    stage, key, last = after
    key = key or _read_again(tx, grant, stages, after)
    found: list[tuple[Position, EntityRow]] = []
    budget = SCAN
    while stage < len(stages):
        order, _ = stages[stage]
        size = min(BATCH, budget)
        rows = _page(tx, grant.organization, stages[stage], search, folded, (key, last), size)
        for key, row in rows:
            last = row.id
            if search.meets(order, row, folded):
                found.append(((stage, key, last), row))
                if len(found) > limit:
                    return [row for _, row in found[:limit]], _fitting(found[limit - 1][0])
        budget -= len(rows)
        if len(rows) < size:
            stage, key, last = stage + 1, "", ""
        elif not budget:
            return [row for _, row in found], _fitting((stage, key, last))
    return [row for _, row in found], None


def _page(
    tx: Reader,
    org: str,
    stage: tuple[str, str],
    search: MemberSearch,
    folded: str,
    after: tuple[str, str],
    limit: int,
) -> list[tuple[str, EntityRow]]:
    order, kind = stage
    if order == ADDRESSES:
        return entities.list_by_addresses(tx, org=org, prefix=folded, after=after[0], limit=limit)
    return entities.list_entities(
        tx,
        org=org,
        kind=kind,
        order=order,
        prefix="" if search.contains else folded,
        state=search.state or None,
        after=after,
        limit=limit,
    )


def _fitting(position: Position) -> Position:
    stage, key, last = position
    return (stage, key if len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY else "", last)


def _read_again(tx: Reader, grant: Grant, stages: list[tuple[str, str]], after: Position) -> str:
    stage, _, last = after
    row = entities.get_entity(tx, org=grant.organization, entity=last) if last else None
    if row is None or stage >= len(stages):
        return ""
    return entities.sort_key(row, stages[stage][0])


async def search_members(
    core: Core, grant: Grant, search: MemberSearch, *, after: Position, limit: int
) -> tuple[list[EntityRow], Position | None]:
    """A page of who is found, and where to go on, None at the end; it may be short or empty.

    Raises OrganizationNotFound, OrganizationStateInvalid.
    """
    return await core.store.read(find_members, grant=grant, search=search, after=after, limit=limit)
