"""What protocols call to work with resources and their delegates."""

from __future__ import annotations

from workpost.domain.directory import resources
from workpost.domain.directory.entities import ROOM, Entity, check_reserved
from workpost.domain.directory.ownership import check_own_addresses
from workpost.domain.directory.resources import ResourceChanges
from workpost.domain.organizations.state import check_active
from workpost.kernel.errors import NameReserved, NameUnavailable
from workpost.kernel.principal import Grant
from workpost.store.core import Core


async def create_resource(
    core: Core,
    grant: Grant,
    *,
    name: str,
    type: str = ROOM,
    description: str = "",
    hidden: bool = False,
) -> str:
    """Create a disabled room or piece of equipment and return its id.

    Raises NameReserved, NameUnavailable.
    """
    await core.store.read(check_own_addresses, grant=grant)
    check_reserved(core.settings.organizations.reserved_names, name)
    entity = f"r-{core.env.new_hex()}"
    await core.store.write(
        resources.create_resource,
        grant=grant,
        entity=entity,
        name=name,
        type=type,
        description=description,
        hidden=hidden,
    )
    return entity


async def describe_resource(core: Core, grant: Grant, identifier: str) -> Entity:
    """The resource by id, address or name. Raises EntityNotFound."""
    row = await core.store.read(resources.describe_resource, grant=grant, identifier=identifier)
    return Entity.of(row)


async def update_resource(
    core: Core, grant: Grant, identifier: str, changes: ResourceChanges
) -> None:
    """Change a resource. A reserved name is told as one that is not available.

    Raises EntityNotFound, EntityStateInvalid, NameUnavailable, InvalidConfiguration.
    """
    await core.store.read(check_active, grant=grant)
    if changes.name is not None:
        try:
            check_reserved(core.settings.organizations.reserved_names, changes.name)
        except NameReserved as error:
            raise NameUnavailable(error.message) from None
    await core.store.write(
        resources.update_resource, grant=grant, identifier=identifier, changes=changes
    )


async def delete_resource(core: Core, grant: Grant, identifier: str) -> None:
    """Delete a disabled resource for good. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(resources.delete_resource, grant=grant, identifier=identifier)


async def add_delegate(core: Core, grant: Grant, *, resource: str, entity: str) -> None:
    """Let an enabled user or group answer for an enabled resource.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter.
    """
    await core.store.write(resources.add_delegate, grant=grant, resource=resource, entity=entity)


async def remove_delegate(core: Core, grant: Grant, *, resource: str, entity: str) -> None:
    """Take a delegate from a resource.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter.
    """
    await core.store.write(resources.remove_delegate, grant=grant, resource=resource, entity=entity)


async def list_delegates(
    core: Core, grant: Grant, identifier: str, *, after: str, limit: int
) -> tuple[list[tuple[str, str]], str]:
    """A page of (id, kind) of a resource's delegates, and the id to continue after."""
    rows = await core.store.read(
        resources.list_delegates, grant=grant, identifier=identifier, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1][0] if len(rows) > limit else ""
