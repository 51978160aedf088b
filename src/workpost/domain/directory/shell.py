"""What protocols call to work with users, groups, aliases and members of an organization."""

from __future__ import annotations

from workpost.domain.directory import external, groups, holders, listing, passwords, users
from workpost.domain.directory.entities import REMOTE_USER, Entity, Props, check_reserved
from workpost.domain.directory.listing import EntityFilter, Position
from workpost.domain.directory.ownership import check_own_directory
from workpost.domain.directory.users import UserChanges
from workpost.domain.organizations.state import check_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.entities import DELETED, EntityRow
from workpost.store.tables.members import MemberRow

USER_ROLES = frozenset({"USER", REMOTE_USER})
"""Those that callers can give."""

Rows = tuple[list[EntityRow], Position | None]
"""A part of a listing and where to go on."""


def check_role(role: str) -> None:
    """Raise InvalidParameter for a role that only the system gives."""
    if role not in USER_ROLES:
        raise InvalidParameter(f"The role {role} cannot be given to a user.")


async def _hash(core: Core, password: str) -> str:
    passwords.check_password(password)
    normal = passwords.normalize(password)
    return await passwords.hasher().hash(core.settings.passwords, core.env, normal)


async def create_user(
    core: Core,
    grant: Grant,
    *,
    name: str,
    display: str,
    password: str | None,
    hidden: bool = False,
    props: Props | None = None,
) -> str:
    """Create a disabled user without an address and return its id.

    Raises InvalidParameter for a role that callers cannot give and for an IdentityProviderUserId
    that another user has, NameReserved,
    PasswordUnacceptable, NameUnavailable, LimitExceeded, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    props = props or Props()
    # The organization's state comes before the password, in what a caller is told.
    await core.store.read(check_own_directory, grant=grant)
    check_role(props.user_role)
    check_reserved(core.settings.organizations.reserved_names, name)
    entity = core.env.new_uuid()
    await core.store.write(
        users.create_user,
        grant=grant,
        entity=entity,
        name=name,
        display=display,
        hidden=hidden,
        password=await _hash(core, password) if password is not None else None,
        props=props,
        limit=core.settings.limits.users_per_organization,
    )
    return entity


async def describe_user(core: Core, grant: Grant, identifier: str) -> Entity:
    """The user by id, address or name, with what a directory outside says of the person now.

    Raises EntityNotFound, DirectoryAuthenticationFailed, DirectoryUnavailable.
    """
    row = await core.store.read(users.describe_user, grant=grant, identifier=identifier)
    user = Entity.of(row)
    if row.state == DELETED:
        return user
    now = await external.look_up(core, grant.organization, row.id)
    return user if now is None else users.with_personal_data(user, now)


async def update_user(core: Core, grant: Grant, identifier: str, changes: UserChanges) -> None:
    """Change a user's attributes. Raises InvalidParameter, EntityNotFound, EntityStateInvalid."""
    await core.store.read(check_active, grant=grant)
    if "user_role" in changes.props:
        check_role(changes.props["user_role"])
    await core.store.write(users.update_user, grant=grant, identifier=identifier, changes=changes)


async def list_entities(
    core: Core, grant: Grant, kind: str, wanted: EntityFilter, *, after: Position, limit: int
) -> tuple[list[Entity], Position | None]:
    """A page of users, groups or resources and where to continue, None at the end."""
    search = _search_identity if wanted.identity else _list
    rows, position = await search(core, grant, kind, wanted, after, limit)
    return [Entity.of(row) for row in rows], position


async def _list(
    core: Core, grant: Grant, kind: str, wanted: EntityFilter, after: Position, limit: int
) -> Rows:
    return await core.store.read(
        listing.list_entities, grant=grant, kind=kind, wanted=wanted, after=after, limit=limit
    )


async def _search_identity(
    core: Core, grant: Grant, kind: str, wanted: EntityFilter, after: Position, limit: int
) -> Rows:
    """As many queries of a few milliseconds as it takes to fill a page and look beyond it."""
    position: Position | None = after
    found: list[EntityRow] = []
    while position is not None and len(found) <= limit:
        missing = limit + 1 - len(found)
        rows, position = await _list(core, grant, kind, wanted, position, missing)
        found += rows
    if len(found) > limit:
        return found[:limit], listing.position_of(found[limit - 1], wanted)
    return found, position


async def delete_user(core: Core, grant: Grant, identifier: str) -> None:
    """Delete a disabled user for good. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(users.delete_user, grant=grant, identifier=identifier)


async def reset_password(core: Core, grant: Grant, identifier: str, password: str) -> None:
    """Set a user's password; sessions that the old one opened end.

    Raises EntityNotFound, PasswordUnacceptable.
    """
    # The organization's state comes before the password, in what a caller is told.
    await core.store.read(check_own_directory, grant=grant)
    await core.store.write(
        users.reset_password,
        grant=grant,
        identifier=identifier,
        password=await _hash(core, password),
    )


async def create_group(core: Core, grant: Grant, *, name: str, hidden: bool = False) -> str:
    """Create a disabled group without an address and return its id.

    Raises NameReserved, NameUnavailable.
    """
    await core.store.read(check_own_directory, grant=grant)
    check_reserved(core.settings.organizations.reserved_names, name)
    entity = core.env.new_uuid()
    await core.store.write(
        groups.create_group, grant=grant, entity=entity, name=name, hidden=hidden
    )
    return entity


async def describe_group(core: Core, grant: Grant, identifier: str) -> Entity:
    """The group by id, address or name. Raises EntityNotFound."""
    return Entity.of(
        await core.store.read(groups.describe_group, grant=grant, identifier=identifier)
    )


async def update_group(core: Core, grant: Grant, identifier: str, *, hidden: bool | None) -> None:
    """Hide or show a group in the address list. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(groups.update_group, grant=grant, identifier=identifier, hidden=hidden)


async def delete_group(core: Core, grant: Grant, identifier: str) -> None:
    """Delete a disabled group for good. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(groups.delete_group, grant=grant, identifier=identifier)


async def add_member(core: Core, grant: Grant, *, group: str, member: str) -> None:
    """Add an enabled user or group to an enabled group; a repeat changes nothing.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter for a cycle.
    """
    await core.store.write(groups.add_member, grant=grant, group=group, member=member)


async def remove_member(core: Core, grant: Grant, *, group: str, member: str) -> None:
    """Remove a member from a group. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(groups.remove_member, grant=grant, group=group, member=member)


async def list_members(
    core: Core, grant: Grant, identifier: str, *, after: str, limit: int
) -> tuple[list[MemberRow], str]:
    """A page of a group's direct members, and the id to continue after, "" at the end."""
    rows = await core.store.read(
        groups.list_members, grant=grant, identifier=identifier, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else ""


async def list_groups_of(
    core: Core, grant: Grant, identifier: str, *, prefix: str, after: str, limit: int
) -> tuple[list[tuple[str, str]], str]:
    """A page of (id, name) of an entity's groups, and the id to continue after, "" at the end."""
    rows = await core.store.read(
        groups.list_groups_of,
        grant=grant,
        identifier=identifier,
        prefix=prefix,
        after=after,
        limit=limit + 1,
    )
    return rows[:limit], rows[limit - 1][0] if len(rows) > limit else ""


async def create_alias(core: Core, grant: Grant, identifier: str, alias: str) -> None:
    """Give an enabled entity one more address.

    Raises EntityNotFound, EntityStateInvalid, EmailAddressInUse, MailDomainNotFound,
    MailDomainStateInvalid, InvalidParameter, LimitExceeded.
    """
    await core.store.write(
        holders.create_alias,
        grant=grant,
        identifier=identifier,
        alias=alias,
        limit=core.settings.limits.aliases_per_entity,
    )


async def delete_alias(core: Core, grant: Grant, identifier: str, alias: str) -> None:
    """Free an alias. Raises EntityNotFound, EntityStateInvalid, InvalidParameter."""
    await core.store.write(holders.delete_alias, grant=grant, identifier=identifier, alias=alias)


async def list_aliases(
    core: Core, grant: Grant, identifier: str, *, after: str, limit: int
) -> tuple[list[str], str]:
    """A page of an entity's aliases, and the fold to continue after, "" at the end."""
    rows = await core.store.read(
        holders.list_aliases, grant=grant, identifier=identifier, after=after, limit=limit + 1
    )
    last = rows[limit - 1][0] if len(rows) > limit else ""
    return [address for _, address in rows[:limit]], last


async def update_primary(core: Core, grant: Grant, identifier: str, address: str) -> None:
    """Make an address the primary one; the one before becomes an alias.

    Raises what `create_alias` raises.
    """
    await core.store.write(
        holders.update_primary,
        grant=grant,
        identifier=identifier,
        address=address,
        limit=core.settings.limits.aliases_per_entity,
    )


async def describe_entity(core: Core, grant: Grant, address: str) -> EntityRow:
    """The enabled entity that holds an address. Raises EntityNotFound."""
    return await core.store.read(holders.describe_entity, grant=grant, address=address)
