"""Listings of users, groups and resources: at most one filter, pages by sort key and id."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import fold_name, read_props
from workpost.domain.organizations.state import require_active
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader
from workpost.store.tables import entities
from workpost.store.tables.entities import EntityRow

SCAN = 500
"""Entities that one query searches for an identity: some milliseconds."""
MAX_KEY = 480
"""Bytes of a sort key that fit into a page token beside the id."""

Position = tuple[str, str]
"""Sort key and id of the last row of a page; ("", "") before the first.

A key that is too long for a token is left out and read again from the row.
"""


class EntityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The one filter of a listing; all empty lists everything that is not deleted."""

    name: str = ""
    display: str = ""
    address: str = ""
    state: str = ""
    identity: str = ""

    def order(self) -> tuple[str, str]:
        """The order that the filter needs and the folded prefix in it."""
        if self.display:
            return "display", fold_name(self.display)
        if self.address:
            return "address", fold_name(self.address)
        return "name", fold_name(self.name)


def list_entities(
    tx: Reader, *, grant: Grant, kind: str, wanted: EntityFilter, after: Position, limit: int
) -> tuple[list[EntityRow], Position | None]:
    """A page of users, groups or resources, and where to go on, None at the end.

    Deleted ones come only when asked for. No index finds an identity: such a page has what is
    among the next SCAN entities, and may be short or empty before the end.
    """
    require_active(tx, grant)
    order, prefix = wanted.order()
    if after[1] and not after[0]:
        last = entities.get_entity(tx, org=grant.organization, entity=after[1])
        after = (entities.sort_key(last, order), after[1]) if last is not None else after
    rows = entities.list_entities(
        tx,
        org=grant.organization,
        kind=kind,
        order=order,
        prefix=prefix,
        state=wanted.state or None,
        after=after,
        limit=SCAN if wanted.identity else limit + 1,
    )
    found = [row for _, row in rows if _has_identity(row, wanted.identity)]
    if len(found) > limit:
        return found[:limit], position_of(found[limit - 1], wanted)
    if wanted.identity and len(rows) == SCAN:
        return found, position_of(rows[-1][1], wanted)
    return found, None


def position_of(row: EntityRow, wanted: EntityFilter) -> Position:
    """Where to go on after a row of a listing."""
    key = entities.sort_key(row, wanted.order()[0])
    return (key if len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY else "", row.id)


def _has_identity(row: EntityRow, prefix: str) -> bool:
    if not prefix:
        return True
    # The id may be preceded by ten digits of its store; people paste either form.
    identity = read_props(row).identity_provider_user_id.lower()
    return identity.startswith(prefix.lower()) or identity[11:].startswith(prefix.lower())
