"""Addresses under interoperability: those that Exchange gives an entity, and its test address."""

from __future__ import annotations

import msgspec

from workpost.domain.directory.holders import check_new_address
from workpost.formats import addresses as syntax
from workpost.kernel.errors import (
    EmailAddressInUse,
    InvalidParameter,
    MailDomainNotFound,
    MailDomainStateInvalid,
)
from workpost.store.database.unit import Tx
from workpost.store.tables import addresses, domains, entities
from workpost.store.tables.entities import EntityRow


class Followed(msgspec.Struct, frozen=True):
    """What became of an entity's addresses; problems are sentences."""

    problems: list[str]
    changed: bool


def follow_addresses(tx: Tx, row: EntityRow, wanted: list[str], version: int) -> Followed:
    """Give an enabled entity the addresses that it has in the directory, the first as primary one.

    It keeps `<name>@<test domain>`. Addresses in domains that the organization does not have are
    left out; a primary address that cannot be leaves the present one.
    """
    problems: list[str] = []
    changed = False
    kept: dict[str, str] = {}
    for address in [*wanted, *_test_address(tx, row)]:
        try:
            folded = check_new_address(tx, row.org, address)
        except (InvalidParameter, MailDomainNotFound, MailDomainStateInvalid):
            continue
        except EmailAddressInUse as error:
            problems.append(error.message)
            continue
        changed |= addresses.insert_address(
            tx, addr_fold=folded, address=address, org=row.org, entity=row.id, is_primary=False
        )
        holder = addresses.get_address(tx, addr_fold=folded)
        if holder is None or (holder.org, holder.entity) != (row.org, row.id):
            problems.append(f"The address {address} is used by another.")
        else:
            kept[folded] = address
    first = syntax.fold(wanted[0]) if wanted else ""
    primary = first if first in kept else row.primary_fold or ""
    if primary != row.primary_fold:
        changed = True
        addresses.set_primary(tx, org=row.org, entity=row.id, addr_fold=primary)
        entities.set_primary_address(
            tx,
            org=row.org,
            entity=row.id,
            address=kept[primary],
            addr_fold=primary,
            version=version,
        )
    for held in addresses.list_addresses(tx, org=row.org, entity=row.id):
        if held.addr_fold not in kept and held.addr_fold != primary:
            changed = True
            addresses.delete_address(tx, org=row.org, entity=row.id, addr_fold=held.addr_fold)
    return Followed(problems, changed)


def _test_address(tx: Tx, row: EntityRow) -> list[str]:
    domain = domains.get_test_domain(tx, org=row.org)
    return [f"{row.name.partition('@')[0]}@{domain}"] if domain else []
