"""The directory's part of RegisterToWorkMail and DeregisterFromWorkMail: state and addresses.

Called within the commands of `domain/mailboxes/registration.py`, which add the mailbox.
"""

from __future__ import annotations

from workpost.domain.directory.entities import (
    REMOTE_USER,
    RESOURCE_USER,
    SYSTEM_USER,
    read_props,
    resolve_existing,
)
from workpost.domain.directory.holders import check_new_address, give_address, is_elsewhere
from workpost.domain.directory.ownership import require_own_addresses
from workpost.formats import addresses as syntax
from workpost.kernel.errors import EmailAddressInUse, EntityAlreadyRegistered, Unsupported
from workpost.store.database.unit import Reader, Tx
from workpost.store.tables import addresses, entities
from workpost.store.tables.entities import ENABLED, GROUP, RESOURCE, EntityRow


def check_registration(tx: Reader, org: str, identifier: str, address: str) -> EntityRow:
    """The entity to register under an address; it is enabled already when nothing is to do.

    The same address again is no change. A remote user's may be elsewhere. Raises EntityNotFound,
    EntityAlreadyRegistered for another address, EntityStateInvalid for a deleted entity,
    MailDomainNotFound, MailDomainStateInvalid, EmailAddressInUse, Unsupported for users that a
    directory has built in, and for resources under interoperability.
    """
    row = resolve_existing(tx, org, identifier, by_address=False)
    folded = syntax.fold(address)
    if row.state == ENABLED:
        if row.primary_fold != folded:
            raise EntityAlreadyRegistered(
                f"The {row.kind.lower()} {identifier} is registered as {row.primary_address}."
            )
        return row
    role = read_props(row).user_role
    if row.kind == RESOURCE or role == RESOURCE_USER:
        require_own_addresses(tx, org)
    if role == SYSTEM_USER:
        raise Unsupported(f"The user {identifier} belongs to the directory itself.")
    if is_elsewhere(tx, row, address):
        return row
    check_new_address(tx, org, address)
    if addresses.get_address(tx, addr_fold=folded) is not None:
        raise EmailAddressInUse(f"The address {address} is used by a user, group or resource.")
    return row


def wants_mailbox(row: EntityRow) -> bool:
    """Users and resources get a mailbox; groups and remote users have none here."""
    return row.kind != GROUP and read_props(row).user_role != REMOTE_USER


def enable(
    tx: Tx, row: EntityRow, address: str, *, mailbox: int | None, fresh: bool, version: int
) -> None:
    """Enable an entity under its primary address, with its mailbox.

    `fresh` says that the mailbox was made now; one attached again keeps its first date.
    """
    folded = syntax.fold(address)
    now = tx.env.now()
    if is_elsewhere(tx, row, address):
        # Nobody else's mail is caught: the address itself belongs to a domain that is not ours.
        entities.set_forward(
            tx, org=row.org, entity=row.id, forward=address, keeps_copy=False, version=version
        )
    else:
        give_address(tx, row, folded=folded, address=address, is_primary=True)
    entities.enable(
        tx,
        org=row.org,
        entity=row.id,
        address=address,
        addr_fold=folded,
        mailbox=mailbox,
        enabled_at=now,
        provisioned_at=now if fresh else row.provisioned_at,
        version=version,
    )


def disable(tx: Tx, row: EntityRow, *, now: int, version: int) -> None:
    """Disable an entity and free its addresses; memberships stay for a restore."""
    addresses.delete_addresses(tx, org=row.org, entity=row.id)
    entities.disable(
        tx,
        org=row.org,
        entity=row.id,
        disabled_at=now,
        deprovisioned_at=now if row.mailbox is not None else None,
        version=version,
    )
