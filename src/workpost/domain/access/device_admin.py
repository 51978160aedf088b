"""Devices as an administrator sees them: list, look at, wipe, remove."""

from __future__ import annotations

from workpost.domain.access.devices import PROVISIONING, WIPE_REQUIRED, WIPING, Device, show
from workpost.domain.directory.entities import resolve
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import ResourceNotFound
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import devices as table
from workpost.store.tables.entities import USER, EntityRow


def _unknown(device: str, user: str) -> ResourceNotFound:
    return ResourceNotFound(f"The user {user} has no device {device}.")


def _user(tx: Reader, grant: Grant, user: str) -> EntityRow:
    return resolve(tx, grant.organization, user, kinds=(USER,))


def list_devices(tx: Reader, *, grant: Grant, user: str, after: str, limit: int) -> list[Device]:
    """A page of a user's devices by id in lower case. Raises EntityNotFound."""
    require_active(tx, grant)
    row = _user(tx, grant, user)
    if row.mailbox is None:
        return []
    version = table.get_policy(tx, org=row.org).version
    return [
        show(tx, org=row.org, entity=row.id, row=each, version=version)
        for each in table.list_devices(tx, mailbox=row.mailbox, after=after, limit=limit)
    ]


@quick
def get_device(tx: Reader, *, grant: Grant, user: str, device: str) -> Device:
    """A device of a user. Raises EntityNotFound, ResourceNotFound."""
    require_active(tx, grant)
    row = _user(tx, grant, user)
    found = table.get_device(tx, mailbox=row.mailbox or 0, id=device.lower())
    if found is None:
        raise _unknown(device, user)
    version = table.get_policy(tx, org=row.org).version
    return show(tx, org=row.org, entity=row.id, row=found, version=version)


@command
def wipe_device(tx: Tx, *, grant: Grant, user: str, device: str) -> None:
    """Have a device wiped; asking again is no error. Raises EntityNotFound, ResourceNotFound."""
    begin(tx, grant)
    row = _user(tx, grant, user)
    moved = table.move_state(
        tx,
        mailbox=row.mailbox or 0,
        id=device.lower(),
        to=WIPE_REQUIRED,
        expected=(*PROVISIONING, *WIPING),
    )
    if not moved:
        raise _unknown(device, user)
    change_policy(tx, row.org)


@command
def remove_device(tx: Tx, *, grant: Grant, user: str, device: str) -> None:
    """Forget a device, and a wipe that it has not done. Raises EntityNotFound, ResourceNotFound."""
    begin(tx, grant)
    row = _user(tx, grant, user)
    if not table.delete_device(tx, mailbox=row.mailbox or 0, id=device.lower()):
        raise _unknown(device, user)
    change_policy(tx, row.org)


async def get_mobile_devices(
    core: Core, grant: Grant, user: str, *, after: str, limit: int
) -> tuple[list[Device], str]:
    """A page of a user's devices and where to go on, "" at the end. Raises EntityNotFound."""
    found = await core.store.read(
        list_devices, grant=grant, user=user, after=after, limit=limit + 1
    )
    return found[:limit], found[limit - 1].id.lower() if len(found) > limit else ""


async def get_mobile_device(core: Core, grant: Grant, user: str, device: str) -> Device:
    """A device of a user; `device` is not case-sensitive. EntityNotFound, ResourceNotFound."""
    return await core.store.read(get_device, grant=grant, user=user, device=device)


async def wipe_mobile_device(core: Core, grant: Grant, user: str, device: str) -> None:
    """Have a device reset itself when it next connects. Raises EntityNotFound, ResourceNotFound."""
    await core.store.write(wipe_device, grant=grant, user=user, device=device)


async def delete_mobile_device(core: Core, grant: Grant, user: str, device: str) -> None:
    """Take a device off the list; if it syncs again, it is there again, as a new one.

    Raises EntityNotFound, ResourceNotFound.
    """
    await core.store.write(remove_device, grant=grant, user=user, device=device)
