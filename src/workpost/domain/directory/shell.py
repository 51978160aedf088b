"""What protocols call to work with users, groups, aliases and members of an organization."""

from __future__ import annotations

import msgspec

from workpost.domain.directory import groups, holders, passwords, users
from workpost.domain.directory.entities import REMOTE_USER, Props, read_props
from workpost.domain.directory.users import UserFilter
from workpost.domain.organizations.state import check_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables.entities import USER, EntityRow

Position = tuple[str, str]
"""Sort key and id of the last row of a page; ("", "") before the first."""


class User(msgspec.Struct, frozen=True):
    """A user (its row) with its properties read."""

    row: EntityRow
    props: Props


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

    Raises InvalidParameter for a role that callers cannot give, PasswordUnacceptable,
    NameUnavailable, OrganizationNotFound, OrganizationStateInvalid.
    """
    props = props or Props()
    # The organization's state comes before the password, in what a caller is told.
    await core.store.read(check_active, grant=grant)
    if props.user_role not in {USER, REMOTE_USER}:
        raise InvalidParameter(f"The role {props.user_role} cannot be given to a new user.")
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
    )
    return entity


async def describe_user(core: Core, grant: Grant, identifier: str) -> User:
    """The user by id, address or name. Raises EntityNotFound."""
    row = await core.store.read(users.describe_user, grant=grant, identifier=identifier)
    return User(row, read_props(row))


async def list_users(
    core: Core, grant: Grant, wanted: UserFilter, *, after: Position, limit: int
) -> tuple[list[User], Position | None]:
    """A page of users and the position to continue after, None at the end."""
    rows = await core.store.read(
        users.list_users, grant=grant, wanted=wanted, after=after, limit=limit + 1
    )
    page = [User(row, read_props(row)) for _, row in rows[:limit]]
    if len(rows) <= limit:
        return page, None
    key, last = rows[limit - 1]
    return page, (key, last.id)


async def delete_user(core: Core, grant: Grant, identifier: str) -> None:
    """Delete a disabled user for good. Raises EntityNotFound, EntityStateInvalid."""
    await core.store.write(users.delete_user, grant=grant, identifier=identifier)


async def reset_password(core: Core, grant: Grant, identifier: str, password: str) -> None:
    """Set a user's password; sessions that the old one opened end.

    Raises EntityNotFound, PasswordUnacceptable.
    """
    # The organization's state comes before the password, in what a caller is told.
    await core.store.read(check_active, grant=grant)
    await core.store.write(
        users.reset_password,
        grant=grant,
        identifier=identifier,
        password=await _hash(core, password),
    )


async def create_group(core: Core, grant: Grant, *, name: str, hidden: bool = False) -> str:
    """Create a disabled group without an address and return its id. Raises NameUnavailable."""
    entity = core.env.new_uuid()
    await core.store.write(
        groups.create_group, grant=grant, entity=entity, name=name, hidden=hidden
    )
    return entity


async def add_member(core: Core, grant: Grant, *, group: str, member: str) -> None:
    """Add an enabled user or group to an enabled group; a repeat changes nothing.

    Raises EntityNotFound, EntityStateInvalid, InvalidParameter for a cycle.
    """
    await core.store.write(groups.add_member, grant=grant, group=group, member=member)


async def create_alias(core: Core, grant: Grant, identifier: str, alias: str) -> None:
    """Give an enabled entity one more address.

    Raises EntityNotFound, EntityStateInvalid, EmailAddressInUse, MailDomainNotFound,
    MailDomainStateInvalid, InvalidParameter.
    """
    await core.store.write(holders.create_alias, grant=grant, identifier=identifier, alias=alias)


async def describe_entity(core: Core, grant: Grant, address: str) -> EntityRow:
    """The enabled entity that holds an address. Raises EntityNotFound."""
    return await core.store.read(holders.describe_entity, grant=grant, address=address)
