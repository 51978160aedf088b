"""RegisterToWorkMail and DeregisterFromWorkMail: an entity and its mailbox come and go together.

A mailbox outlives its registration by 30 days; registering the same entity again within them
attaches it again, with everything that was in it.
"""

from __future__ import annotations

from workpost.domain.directory import external, registration
from workpost.domain.directory.address_sync import follow_addresses
from workpost.domain.directory.entities import require_disabled, resolve_existing
from workpost.domain.mailboxes.provision import NewMailbox, create_mailbox, prepare_mailbox
from workpost.domain.organizations.state import (
    begin,
    change_policy,
    check_active,
    require_active,
)
from workpost.formats import addresses as syntax
from workpost.kernel.errors import Conflict, InvalidParameter, KeyDestroyed
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import mailboxes, organizations
from workpost.store.tables.entities import ENABLED, EntityRow

KEPT_MS = 30 * 24 * 60 * 60 * 1000
MEGABYTE = 1 << 20


def _kept_mailbox(tx: Reader, row: EntityRow) -> int | None:
    """The mailbox of an earlier registration, if it is still there."""
    if row.mailbox is None:
        return None
    kept = mailboxes.get_mailbox(tx, mailbox=row.mailbox)
    if kept is None or (kept.org, kept.owner) != (row.org, row.id):
        return None
    return kept.id if kept.state == mailboxes.DISABLED else None


def plan_registration(
    tx: Reader, *, grant: Grant, identifier: str, address: str
) -> tuple[str, bool] | None:
    """The id of the entity to register and whether it needs a new mailbox; None: no change.

    Raises what `check_registration` raises.
    """
    # Not @quick: state and address have to be of one snapshot, or a registration that ends in
    # between looks as if somebody else had the address.
    require_active(tx, grant)
    row = registration.check_registration(tx, grant.organization, identifier, address)
    if row.state == ENABLED:
        return None
    return row.id, registration.wants_mailbox(row) and _kept_mailbox(tx, row) is None


@command
def register(
    tx: Tx,
    *,
    grant: Grant,
    entity: str,
    address: str,
    new: NewMailbox | None,
    addresses: list[str] | None = None,
) -> None:
    """Enable an entity under its primary address, with its kept mailbox or the new one.

    Under interoperability it gets all `addresses` that it has in the directory.
    Raises what `check_registration` raises, Conflict when a mailbox is needed and none was made.
    """
    version = begin(tx, grant)
    row = registration.check_registration(tx, grant.organization, entity, address)
    if row.state == ENABLED:
        return
    mailbox, fresh = None, False
    if registration.wants_mailbox(row):
        mailbox = _kept_mailbox(tx, row)
        if mailbox is not None:
            mailboxes.set_mailbox_state(tx, mailbox=mailbox, state=mailboxes.ACTIVE, purge_at=None)
        elif new is not None:
            create_mailbox(tx, new)
            mailbox, fresh = new.id, True
        else:
            raise Conflict("The mailbox of the entity was destroyed meanwhile.")
    registration.enable(tx, row, address, mailbox=mailbox, fresh=fresh, version=version)
    if addresses is not None:
        enabled = resolve_existing(tx, row.org, entity, by_address=False)
        follow_addresses(tx, enabled, addresses, version)
    change_policy(tx, row.org)


@command
def deregister(tx: Tx, *, grant: Grant, identifier: str) -> None:
    """Disable an entity: its addresses are free, its mailbox is kept for 30 days.

    A disabled entity stays as it is. Raises EntityNotFound, EntityStateInvalid for a deleted one.
    """
    version = begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier)
    if row.state != ENABLED:
        return
    end_registration(tx, row, version)


def end_registration(tx: Tx, row: EntityRow, version: int) -> None:
    """Disable an enabled entity within a command that holds the organization's lock."""
    now = tx.env.now()
    registration.disable(tx, row, now=now, version=version)
    if row.mailbox is not None:
        mailboxes.set_mailbox_state(
            tx,
            mailbox=row.mailbox,
            state=mailboxes.DISABLED,
            purge_at=now + KEPT_MS,
        )
    change_policy(tx, row.org)


@command
def give_up_mailbox(tx: Tx, *, grant: Grant, entity: str) -> None:
    """Let the kept mailbox of a disabled entity (by id) be destroyed at once, not in 30 days.

    Raises EntityNotFound, EntityStateInvalid for a deleted entity and for an enabled one.
    """
    begin(tx, grant)
    row = resolve_existing(tx, grant.organization, entity, by_address=False)
    require_disabled(row, entity)
    if row.mailbox is not None:
        mailboxes.set_mailbox_state(
            tx, mailbox=row.mailbox, state=mailboxes.DISABLED, purge_at=tx.env.now()
        )


async def register_to_workmail(core: Core, grant: Grant, identifier: str, address: str) -> None:
    """Enable a user, group or resource under an address; the same address again is no change.

    Users and resources get a mailbox, whose keys are made before its row. Raises EntityNotFound,
    EntityAlreadyRegistered, EmailAddressInUse, MailDomainNotFound, MailDomainStateInvalid,
    InvalidParameter, OrganizationNotFound, OrganizationStateInvalid; of a directory outside also
    Unsupported, DirectoryAuthenticationFailed and DirectoryUnavailable.
    """
    plan = await core.store.read(
        plan_registration, grant=grant, identifier=identifier, address=address
    )
    if plan is None:
        return
    entity, needs_mailbox = plan
    addresses = await _addresses_outside(core, grant.organization, entity, address)
    new = None
    if needs_mailbox:
        try:
            new = await _new_mailbox(core, grant.organization, entity)
        except KeyDestroyed:
            # Its deletion came in between, and is what the caller is told of.
            await core.store.read(check_active, grant=grant)
            raise
    await core.store.write(
        register, grant=grant, entity=entity, address=address, new=new, addresses=addresses
    )


async def _addresses_outside(
    core: Core, organization: str, entity: str, address: str
) -> list[str] | None:
    """The addresses that Exchange gives an entity, None where addresses are ours.

    The entry of a directory outside has to be there. Raises EntityNotFound, InvalidParameter for
    another primary address than Exchange's, DirectoryAuthenticationFailed, DirectoryUnavailable.
    """
    found = await external.look_up(core, organization, entity)
    facts = await core.store.read(organizations.get_directory, organization=organization)
    if found is None or facts is None or not facts.interoperability:
        return None
    if not found.addresses or syntax.fold(found.addresses[0]) != syntax.fold(address):
        raise InvalidParameter(
            f"The address of {entity} is kept in the directory; register it under that address."
        )
    return found.addresses


async def _new_mailbox(core: Core, organization: str, owner: str) -> NewMailbox:
    mailbox = core.env.new_id()
    await core.keys.create_mailbox(organization, mailbox)
    return prepare_mailbox(
        core.env,
        await core.keys.mailbox(organization, mailbox),
        await core.keys.tag_key(organization, mailbox),
        mailbox=mailbox,
        organization=organization,
        owner=owner,
        quota=core.settings.limits.mailbox_megabytes * MEGABYTE,
    )


async def deregister_from_workmail(core: Core, grant: Grant, identifier: str) -> None:
    """Disable a user, group or resource; people's sessions end with the policy's new version.

    Raises EntityNotFound, OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.write(deregister, grant=grant, identifier=identifier)
