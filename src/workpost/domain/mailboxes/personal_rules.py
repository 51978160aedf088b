"""What delivery asks of a mailbox: the active script, whether its owner is away, who that is."""

from __future__ import annotations

import msgspec

from workpost.formats.addresses import fold
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, entities, mailboxes, out_of_office, sieve_scripts
from workpost.store.tables.out_of_office import AwayRow
from workpost.store.tables.sieve_scripts import TextRow


class Owner(msgspec.Struct, frozen=True):
    """Whose mailbox it is; `folds` are the folded addresses that are theirs."""

    organization: str
    entity: str
    mailbox: int
    name: str
    address: str
    folds: frozenset[str]


class Rules(msgspec.Struct, frozen=True):
    """The rules of the mailboxes that have any, by mailbox."""

    scripts: dict[int, TextRow]
    away: dict[int, AwayRow]
    owners: dict[int, Owner]


@quick
def read_rules(tx: Reader, *, wanted: list[int]) -> Rules | None:
    """The rules of at most 100 mailboxes; None when nobody has any, as nearly always."""
    scripts = {row.mailbox: row for row in sieve_scripts.active_texts(tx, mailboxes=wanted)}
    away = {row.mailbox: row for row in out_of_office.list_away(tx, mailboxes=wanted)}
    if not scripts and not away:
        return None
    owners = {}
    for mailbox in scripts.keys() | away.keys():
        owner = _owner(tx, mailbox)
        if owner is not None:
            owners[mailbox] = owner
    return Rules(scripts, away, owners)


def _owner(tx: Reader, mailbox: int) -> Owner | None:
    box = mailboxes.get_mailbox(tx, mailbox=mailbox)
    row = entities.get_entity(tx, org=box.org, entity=box.owner) if box is not None else None
    if row is None or row.primary_address is None:
        return None
    held = addresses.list_addresses(tx, org=row.org, entity=row.id)
    return Owner(
        row.org,
        row.id,
        mailbox,
        row.display or row.name,
        row.primary_address,
        frozenset(one.addr_fold for one in held),
    )


@quick
def is_inside(tx: Reader, *, organization: str, address: str) -> bool:
    """Whether an address is one of the organization's people, groups and resources."""
    held = addresses.get_address(tx, addr_fold=fold(address))
    return held is not None and held.org == organization
