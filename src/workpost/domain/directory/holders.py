"""Addresses and who holds them: aliases, checks of new addresses, DescribeEntity, sender rights."""

from __future__ import annotations

from workpost.domain.directory.entities import (
    REMOTE_USER,
    read_props,
    require_enabled,
    resolve_existing,
)
from workpost.domain.directory.ownership import begin_addresses
from workpost.domain.organizations.journaling import AUTHOR
from workpost.domain.organizations.state import change_policy, require_active
from workpost.formats import addresses as syntax
from workpost.kernel.errors import (
    EmailAddressInUse,
    EntityNotFound,
    InvalidParameter,
    LimitExceeded,
    MailDomainNotFound,
    MailDomainStateInvalid,
)
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import addresses, domains, entities
from workpost.store.tables.entities import ENABLED, EntityRow


def check_new_address(tx: Reader, org: str, address: str) -> str:
    """The fold of an address that the organization may give out.

    Raises InvalidParameter for what is no address, MailDomainNotFound, MailDomainStateInvalid,
    EmailAddressInUse for that of the author of journal reports.
    """
    try:
        syntax.parse_mailbox(address)
    except syntax.AddressError as error:
        raise InvalidParameter(f"{address} is not an e-mail address: {error}.") from None
    folded = syntax.fold(address)
    local, name = syntax.split(folded)
    domain = domains.get_domain(tx, org=org, name=name)
    if domain is None:
        raise MailDomainNotFound(f"The organization has no mail domain {name}.")
    if domain.state != domains.VERIFIED:
        raise MailDomainStateInvalid(f"The mail domain {name} is not verified.")
    if local == AUTHOR:
        raise EmailAddressInUse(f"The address {address} is that of the author of journal reports.")
    return folded


def is_elsewhere(tx: Reader, row: EntityRow, address: str) -> bool:
    """Whether an address is where a remote user's mailbox is: in no domain that is served here.

    Raises InvalidParameter for what is no address, EmailAddressInUse when another remote user of
    the organization has it.
    """
    if read_props(row).user_role != REMOTE_USER:
        return False
    try:
        syntax.parse_mailbox(address, smtputf8=True)
    except syntax.AddressError as error:
        raise InvalidParameter(f"{address} is not an e-mail address: {error}.") from None
    folded = syntax.fold(address)
    name = syntax.split(folded)[1]
    if domains.get_verified(tx, name=name) or domains.get_domain(tx, org=row.org, name=name):
        return False
    other = entities.find_remote(tx, org=row.org, addr_fold=folded)
    if other is not None and other.id != row.id:
        raise EmailAddressInUse(f"The address {address} is used by a user, group or resource.")
    return True


def give_address(tx: Tx, entity: EntityRow, *, folded: str, address: str, is_primary: bool) -> None:
    """Give an entity an address; one that it has already stays as it is.

    Raises EmailAddressInUse when somebody else holds it.
    """
    given = addresses.insert_address(
        tx,
        addr_fold=folded,
        address=address,
        org=entity.org,
        entity=entity.id,
        is_primary=is_primary,
    )
    if given:
        return
    holder = addresses.get_address(tx, addr_fold=folded)
    if holder is None or (holder.org, holder.entity) != (entity.org, entity.id):
        raise EmailAddressInUse(f"The address {address} is used by a user, group or resource.")


@command
def create_alias(tx: Tx, *, grant: Grant, identifier: str, alias: str, limit: int) -> None:
    """Give an enabled entity one more address; one that it has already is no change.

    Raises EntityNotFound, EntityStateInvalid, EmailAddressInUse, MailDomainNotFound,
    MailDomainStateInvalid, InvalidParameter, LimitExceeded when it has `limit` aliases.
    """
    begin_addresses(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier)
    require_enabled(row, identifier)
    folded = check_new_address(tx, grant.organization, alias)
    give_address(tx, row, folded=folded, address=alias, is_primary=False)
    _check_aliases(tx, row, limit)
    if syntax.base_of_subaddress(folded) is not None:
        # Whoever holds the address without its `+` part may not send as this one any more.
        change_policy(tx, row.org)


def _check_aliases(tx: Tx, row: EntityRow, limit: int) -> None:
    if addresses.count_aliases(tx, org=row.org, entity=row.id) > limit:
        raise LimitExceeded(f"A {row.kind.lower()} has at most {limit} aliases.")


@command
def delete_alias(tx: Tx, *, grant: Grant, identifier: str, alias: str) -> None:
    """Free an alias of an entity; what is not its alias is no change.

    Raises EntityNotFound, EntityStateInvalid for a deleted entity, InvalidParameter for the
    primary address.
    """
    begin_addresses(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier)
    folded = syntax.fold(alias)
    held = addresses.get_address(tx, addr_fold=folded)
    if held is None or (held.org, held.entity) != (row.org, row.id):
        return
    if held.is_primary:
        raise InvalidParameter(
            f"{alias} is the primary address of {identifier}; make another one primary first."
        )
    addresses.delete_address(tx, org=row.org, entity=row.id, addr_fold=folded)
    # Logins under this address end.
    change_policy(tx, row.org)


def list_aliases(
    tx: Reader, *, grant: Grant, identifier: str, after: str, limit: int
) -> list[tuple[str, str]]:
    """A page of (fold, address) of an entity's aliases, the primary address left out.

    Raises EntityNotFound, EntityStateInvalid for a deleted entity.
    """
    require_active(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier)
    return addresses.list_aliases(tx, org=row.org, entity=row.id, after=after, limit=limit)


@command
def update_primary(tx: Tx, *, grant: Grant, identifier: str, address: str, limit: int) -> None:
    """Make an address the primary one of an enabled entity; the one before becomes an alias.

    An alias of the entity changes places with it. Mail of a remote user goes on to the address
    elsewhere that it was given last. Raises what `create_alias` raises.
    """
    version = begin_addresses(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier)
    require_enabled(row, identifier)
    elsewhere = is_elsewhere(tx, row, address)
    folded = syntax.fold(address)
    if not elsewhere:
        folded = check_new_address(tx, grant.organization, address)
    if folded == row.primary_fold:
        return
    if elsewhere:
        entities.set_forward(
            tx, org=row.org, entity=row.id, forward=address, keeps_copy=False, version=version
        )
    else:
        give_address(tx, row, folded=folded, address=address, is_primary=False)
    addresses.set_primary(tx, org=row.org, entity=row.id, addr_fold=folded)
    _check_aliases(tx, row, limit)
    entities.set_primary_address(
        tx, org=row.org, entity=row.id, address=address, addr_fold=folded, version=version
    )
    change_policy(tx, row.org)


@quick
def describe_entity(tx: Reader, *, grant: Grant, address: str) -> EntityRow:
    """The enabled entity that holds an address, primary or alias; a remote user's elsewhere, too.

    Raises EntityNotFound.
    """
    require_active(tx, grant)
    folded = syntax.fold(address)
    held = addresses.get_address(tx, addr_fold=folded)
    if held is None:
        row = entities.find_remote(tx, org=grant.organization, addr_fold=folded)
    else:
        mine = held.org == grant.organization
        row = entities.get_entity(tx, org=held.org, entity=held.entity) if mine else None
    if row is not None and row.state == ENABLED:
        return row
    raise EntityNotFound(f"Nobody in the organization has the address {address}.")


@quick
def may_send_as(tx: Reader, *, grant: Grant, address: str) -> bool:
    """True when the grant's entity owns the address: primary, alias, or one of these with `+`.

    An address that exists with its `+` belongs to its own holder only (decisions 17).
    """
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    if held is None:
        base = syntax.base_of_subaddress(syntax.fold(address))
        held = addresses.get_address(tx, addr_fold=base) if base else None
    return held is not None and (held.org, held.entity) == (grant.organization, grant.entity)
