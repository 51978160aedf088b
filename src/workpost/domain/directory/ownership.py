"""Who owns what: an LDAP server its users and groups, Exchange the addresses beside it.

A directory outside is read-only here (UnsupportedOperationException). Whether a user or group is
hidden, a user's role and identity, registration, addresses, permissions and resources are ours;
under interoperability with Exchange addresses and resources are not.
"""

from __future__ import annotations

from workpost.domain.organizations.state import begin, require_active
from workpost.kernel.errors import Unsupported
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, quick
from workpost.store.tables import organizations
from workpost.store.tables.entities import DELETED, ENABLED, EntityRow

READ_ONLY = "The users and groups of this organization are kept in a directory that is read-only."
EXCHANGE = "The organization works together with Exchange, where addresses and resources are kept."


def require_own_directory(tx: Reader, organization: str) -> None:
    """Raise Unsupported where users and groups are read from a directory outside."""
    facts = organizations.get_directory(tx, organization=organization)
    if facts is not None and facts.kind:
        raise Unsupported(READ_ONLY)


def require_own_addresses(tx: Reader, organization: str) -> None:
    """Raise Unsupported under interoperability with Exchange."""
    facts = organizations.get_directory(tx, organization=organization)
    if facts is not None and facts.interoperability:
        raise Unsupported(EXCHANGE)


@quick
def check_own_directory(tx: Reader, *, grant: Grant) -> None:
    """`require_own_directory` of an active organization, for work to be done before a command."""
    require_active(tx, grant)
    require_own_directory(tx, grant.organization)


@quick
def check_own_addresses(tx: Reader, *, grant: Grant) -> None:
    """`require_own_addresses` of an active organization, for work to be done before a command."""
    require_active(tx, grant)
    require_own_addresses(tx, grant.organization)


def begin_own(tx: Tx, grant: Grant) -> int:
    """`begin` for a change of users and groups. Raises Unsupported, too."""
    version = begin(tx, grant)
    require_own_directory(tx, grant.organization)
    return version


def begin_addresses(tx: Tx, grant: Grant) -> int:
    """`begin` for a change of addresses. Raises Unsupported, too."""
    version = begin(tx, grant)
    require_own_addresses(tx, grant.organization)
    return version


def is_in_address_book(row: EntityRow, *, interoperability: bool) -> bool:
    """Whether the global address list shows an entity.

    Enabled ones that are not hidden; under interoperability also those that are not enabled, whose
    mailboxes are on Exchange.
    """
    if row.hidden or row.state == DELETED:
        return False
    return row.state == ENABLED or interoperability
