"""What an operator decides about where mail goes: forwarding, senders of groups, catch-alls.

WorkMail has none of these in its API. Each change raises the policy version, as what was found out
about a recipient before may be wrong now.
"""

from __future__ import annotations

import msgspec

from workpost.domain.directory.entities import require_enabled, resolve_existing
from workpost.domain.directory.walking import EVERYONE, MEMBERS, ORGANIZATION
from workpost.domain.organizations.mail_domains import not_found
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.formats import addresses as syntax
from workpost.kernel.errors import InvalidParameter, MailDomainStateInvalid
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import addresses, domains, entities
from workpost.store.tables.entities import GROUP, RESOURCE, USER, EntityRow

SENDERS = {"everyone": EVERYONE, "organization": ORGANIZATION, "members": MEMBERS}


class Holder(msgspec.Struct, frozen=True):
    """Whose an address is."""

    organization: str
    entity: str


@quick
def find_address(tx: Reader, *, address: str) -> Holder | None:
    """The holder of an address of the installation."""
    held = addresses.get_address(tx, addr_fold=syntax.fold(address))
    return Holder(held.org, held.entity) if held is not None else None


@quick
def describe_entity(tx: Reader, *, grant: Grant, identifier: str) -> EntityRow:
    """The user, group or resource. Raises EntityNotFound, EntityStateInvalid for a deleted one."""
    require_active(tx, grant)
    return resolve_existing(tx, grant.organization, identifier)


@command
def set_forwarding(
    tx: Tx, *, grant: Grant, identifier: str, address: str, keep_copy: bool = True
) -> None:
    """Let mail for a registered user or resource go on to an address; "" ends that.

    A remote user keeps no copy, having no mailbox. Raises EntityNotFound, EntityStateInvalid,
    InvalidParameter for what is no address, or one's own.
    """
    version = begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(USER, RESOURCE))
    require_enabled(row, identifier)
    if address:
        _check_target(tx, row, address)
    entities.set_forward(
        tx,
        org=row.org,
        entity=row.id,
        forward=address,
        keeps_copy=row.mailbox is not None and (keep_copy or not address),
        version=version,
    )
    change_policy(tx, row.org)


def _check_target(tx: Reader, row: EntityRow, address: str) -> None:
    try:
        syntax.parse_mailbox(address, smtputf8=True)
    except syntax.AddressError as error:
        raise InvalidParameter(f"{address} is not an e-mail address: {error}.") from None
    folded = syntax.fold(address)
    for one in (folded, syntax.base_of_subaddress(folded)):
        held = addresses.get_address(tx, addr_fold=one) if one else None
        if held is not None and (held.org, held.entity) == (row.org, row.id):
            raise InvalidParameter(f"{address} belongs to {row.name} itself.")


@command
def set_group_senders(tx: Tx, *, grant: Grant, identifier: str, senders: str) -> None:
    """Say who may write to a group: a key of `SENDERS`.

    Raises EntityNotFound, EntityStateInvalid for a deleted group, InvalidParameter.
    """
    version = begin(tx, grant)
    row = resolve_existing(tx, grant.organization, identifier, kinds=(GROUP,))
    if senders not in SENDERS:
        raise InvalidParameter(f"Senders of a group are one of {', '.join(SENDERS)}.")
    entities.set_senders(tx, org=row.org, entity=row.id, senders=SENDERS[senders], version=version)
    change_policy(tx, row.org)


@command
def set_catch_all(tx: Tx, *, grant: Grant, domain: str, identifier: str | None) -> None:
    """Let an enabled entity get mail for addresses of a domain that nobody holds; None: nobody.

    Raises MailDomainNotFound, MailDomainStateInvalid, EntityNotFound, EntityStateInvalid.
    """
    begin(tx, grant)
    org = grant.organization
    name = syntax.fold_domain(domain)
    found = domains.get_domain(tx, org=org, name=name)
    if found is None:
        raise not_found(domain)
    entity = None
    if identifier is not None:
        if found.state != domains.VERIFIED:
            raise MailDomainStateInvalid(f"The mail domain {domain} is not verified.")
        row = resolve_existing(tx, org, identifier)
        require_enabled(row, identifier)
        entity = row.id
    domains.set_catch_all(tx, org=org, name=name, entity=entity)
    change_policy(tx, org)


@quick
def get_catch_all(tx: Reader, *, grant: Grant, domain: str) -> str | None:
    """The address (or name) of a domain's catch-all. Raises MailDomainNotFound."""
    require_active(tx, grant)
    found = domains.get_domain(tx, org=grant.organization, name=syntax.fold_domain(domain))
    if found is None:
        raise not_found(domain)
    if found.catch_all is None:
        return None
    row = entities.get_entity(tx, org=grant.organization, entity=found.catch_all)
    return (row.primary_address or row.name) if row is not None else None
