"""What each query and command on an organization does first: is it there, active, and allowed.

`begin` is the first statement of every command on a directory. It takes the organization's row
lock, so that commands on one directory run one after the other on every engine and checks such as
"no cycle of groups" cannot race.
"""

from __future__ import annotations

from workpost.kernel.errors import (
    AccessDenied,
    Fault,
    OrganizationNotFound,
    OrganizationStateInvalid,
)
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader, Tx, quick
from workpost.store.tables import organizations
from workpost.store.tables.organizations import ACTIVE, OrganizationRow


def not_found(organization: str) -> OrganizationNotFound:
    """The error for an organization that the account does not have."""
    return OrganizationNotFound(f"The account has no organization {organization}.")


def not_active(organization: str, state: str) -> OrganizationStateInvalid:
    """The error for an organization in a state that does not allow the call."""
    return OrganizationStateInvalid(f"Organization {organization} is not Active, state: {state}")


def require_administrator(grant: Grant) -> None:
    """Raise AccessDenied unless the grant covers the administration of its organization."""
    if not grant.allows(Right.ADMINISTER):
        raise AccessDenied("This is not allowed here.")


def account_of(grant: Grant) -> str:
    """The account of an API caller's grant, "" for people and system actors."""
    kind, _, story = grant.principal.actor.partition(":")
    return story.partition("/")[0] if kind == "account" else ""


def get_organization(tx: Reader, grant: Grant) -> OrganizationRow:
    """The grant's organization in any state.

    Raises AccessDenied, OrganizationNotFound also for an organization of another account.
    """
    require_administrator(grant)
    row = organizations.get_organization(tx, organization=grant.organization)
    account = account_of(grant)
    if row is None or (account and row.account != account):
        raise not_found(grant.organization)
    return row


def require_active(tx: Reader, grant: Grant) -> None:
    """Raise AccessDenied, OrganizationNotFound, or OrganizationStateInvalid unless it is active."""
    require_administrator(grant)
    known = organizations.get_state(tx, organization=grant.organization)
    account = account_of(grant)
    if known is None or (account and known[0] != account):
        raise not_found(grant.organization)
    if known[1] != ACTIVE:
        raise not_active(grant.organization, known[1])


@quick
def check_active(tx: Reader, *, grant: Grant) -> None:
    """`require_active` as a query, for work to be done before a command."""
    require_active(tx, grant)


def begin(tx: Tx, grant: Grant) -> int:
    """Lock the grant's organization for a change of its directory; returns the new gal_modseq.

    Raises AccessDenied, OrganizationNotFound, OrganizationStateInvalid.
    """
    require_administrator(grant)
    # Twice: an organization may become active between the attempt and the look for the reason.
    for _ in range(2):
        modseq = organizations.take_gal_modseq(
            tx, organization=grant.organization, account=account_of(grant)
        )
        if modseq is not None:
            return modseq
        require_active(tx, grant)
    raise Fault(f"the active organization {grant.organization} could not be locked")


def change_policy(tx: Tx, organization: str) -> int:
    """Raise the policy version and tell everyone; grants made before are stale from now on."""
    version = organizations.raise_policy_version(tx, organization=organization)
    tx.announce("policy", organization, version)
    return version
