"""The policy version: how a change of access reaches everyone (decisions 2).

Every change of a password, state, rule, permission, token or role raises it; every Grant carries
the one it was made under; every query and command on a mailbox compares them.
"""

from __future__ import annotations

from workpost.kernel.errors import AccessDenied, StaleGrant
from workpost.kernel.principal import Grant, Right
from workpost.store.database.unit import Reader
from workpost.store.tables.organizations import get_policy_version


def check_grant(tx: Reader, grant: Grant, right: Right) -> None:
    """Refuse a grant that is stale or does not cover `right`.

    Raises StaleGrant (ask access again and repeat) or AccessDenied.
    """
    if not grant.allows(right):
        raise AccessDenied("This is not allowed here.")
    if grant.policy_version == 0:
        return
    if grant.expires and grant.expires <= tx.env.now():
        raise StaleGrant("What opened the mailbox has expired.")
    if get_policy_version(tx, organization=grant.organization) != grant.policy_version:
        raise StaleGrant("The organization's policy has changed.")
