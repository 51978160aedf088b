"""Overrides: for one device of one user, an answer in place of the mobile-device rules."""

from __future__ import annotations

from workpost.domain.directory.entities import resolve, resolve_existing
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import ResourceNotFound
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import device_overrides as table
from workpost.store.tables.device_overrides import OverrideRow
from workpost.store.tables.entities import USER

Position = tuple[str, str]
"""User and device in lower case of the last override of a page; ("", "") before the first."""


@command
def put_override(
    tx: Tx, *, grant: Grant, user: str, device: str, effect: str, description: str
) -> None:
    """Insert or replace an override; a replaced one keeps the date of its making.

    Raises EntityNotFound, EntityStateInvalid for a deleted user.
    """
    begin(tx, grant)
    org = grant.organization
    entity = resolve_existing(tx, org, user, kinds=(USER,)).id
    before = table.get_override(tx, org=org, entity=entity, device_fold=device.lower())
    now = tx.env.now()
    row = OverrideRow(entity, device.lower(), device, effect, description, now, now)
    table.put_override(tx, org=org, row=row)
    if before is None or before.effect != effect:
        change_policy(tx, org)


@command
def delete_override(tx: Tx, *, grant: Grant, user: str, device: str) -> None:
    """Delete an override; one that is not there is no error. Raises EntityNotFound."""
    begin(tx, grant)
    org = grant.organization
    entity = resolve(tx, org, user, kinds=(USER,)).id
    if table.delete_override(tx, org=org, entity=entity, device_fold=device.lower()):
        change_policy(tx, org)


@quick
def get_override(tx: Reader, *, grant: Grant, user: str, device: str) -> OverrideRow:
    """The override for a device of a user. Raises EntityNotFound, ResourceNotFound."""
    require_active(tx, grant)
    org = grant.organization
    entity = resolve(tx, org, user, kinds=(USER,)).id
    row = table.get_override(tx, org=org, entity=entity, device_fold=device.lower())
    if row is None:
        raise ResourceNotFound(f"There is no override for the device {device} of {user}.")
    return row


def list_overrides(
    tx: Reader, *, grant: Grant, user: str, device: str, after: Position, limit: int
) -> list[OverrideRow]:
    """A page of overrides, of one user or one device where they are given. EntityNotFound."""
    require_active(tx, grant)
    org = grant.organization
    entity = resolve(tx, org, user, kinds=(USER,)).id if user else ""
    return table.list_overrides(
        tx, org=org, entity=entity, device_fold=device.lower(), after=after, limit=limit
    )


async def put_device_override(
    core: Core, grant: Grant, *, user: str, device: str, effect: str, description: str = ""
) -> None:
    """Create or replace an override. `device` is not case-sensitive.

    Raises EntityNotFound, EntityStateInvalid, OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.write(
        put_override,
        grant=grant,
        user=user,
        device=device,
        effect=effect,
        description=description,
    )


async def delete_device_override(core: Core, grant: Grant, *, user: str, device: str) -> None:
    """Go back to the rules for a device. Raises EntityNotFound."""
    await core.store.write(delete_override, grant=grant, user=user, device=device)


async def get_device_override(core: Core, grant: Grant, *, user: str, device: str) -> OverrideRow:
    """The override for a device of a user. Raises EntityNotFound, ResourceNotFound."""
    return await core.store.read(get_override, grant=grant, user=user, device=device)


async def list_device_overrides(
    core: Core, grant: Grant, *, user: str, device: str, after: Position, limit: int
) -> tuple[list[OverrideRow], Position | None]:
    """A page of overrides and where to go on, None at the end. Raises EntityNotFound."""
    rows = await core.store.read(
        list_overrides, grant=grant, user=user, device=device, after=after, limit=limit + 1
    )
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], (last.entity, last.device_fold)
