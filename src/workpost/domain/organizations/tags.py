"""Tags of organizations: read by people, and by the conditions of IAM policies.

A change of tags is a change of policy: who may do what can depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workpost.domain.organizations.state import (
    account_of,
    begin,
    change_policy,
    require_administrator,
)
from workpost.kernel.errors import (
    InvalidParameter,
    OrganizationNotFound,
    OrganizationStateInvalid,
    ResourceNotFound,
    TooManyTags,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import organization_tags, organizations
from workpost.store.tables.organizations import ACTIVE

RESERVED = "aws:"


def not_found(arn: str) -> ResourceNotFound:
    """The error for an ARN that is not of an organization of the account."""
    return ResourceNotFound(f"There is no resource {arn}.")


@quick
def list_tags(tx: Reader, *, grant: Grant) -> dict[str, str]:
    """The organization's tags. Raises OrganizationNotFound for one that is not active."""
    require_administrator(grant)
    known = organizations.get_state(tx, organization=grant.organization)
    if known is None or known != (account_of(grant) or known[0], ACTIVE):
        raise OrganizationNotFound(f"There is no organization {grant.organization}.")
    return organization_tags.organization_tags(tx, grant.organization)


@command
def put_tags(tx: Tx, *, grant: Grant, tags: dict[str, str], limit: int) -> None:
    """Add tags or give them other values. Raises TooManyTags for more than `limit` in all."""
    begin(tx, grant)
    org = grant.organization
    have = organization_tags.organization_tags(tx, org)
    after = have | tags
    if len(after) > limit:
        raise TooManyTags(f"An organization has at most {limit} tags.")
    if after != have:
        organization_tags.put_tags(tx, org=org, tags=tags)
        change_policy(tx, org)


@command
def remove_tags(tx: Tx, *, grant: Grant, keys: list[str]) -> None:
    """Take tags away; those that are not there are no error."""
    begin(tx, grant)
    org = grant.organization
    have = organization_tags.organization_tags(tx, org)
    if not have.keys().isdisjoint(keys):
        organization_tags.delete_tags(tx, org=org, keys=keys)
        change_policy(tx, org)


def _check(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    for key, _ in pairs:
        if key.lower().startswith(RESERVED):
            raise InvalidParameter(f"The tag key {key} begins with {RESERVED}, which is reserved.")
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise InvalidParameter("A tag key is given more than once.")
    return tags


async def tag(core: Core, grant: Grant, pairs: Sequence[tuple[str, str]]) -> None:
    """Add tags (key, value) to the grant's organization.

    Raises InvalidParameter for reserved and repeated keys, TooManyTags, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    tags = dict(_check(pairs))
    limit = core.settings.limits.tags
    await core.store.write(put_tags, grant=grant, tags=tags, limit=limit)


async def untag(core: Core, grant: Grant, keys: Sequence[str]) -> None:
    """Take tags away. Raises OrganizationNotFound, also for one that is not active."""
    try:
        await core.store.write(remove_tags, grant=grant, keys=list(keys))
    except OrganizationStateInvalid as error:
        raise OrganizationNotFound(error.message) from None


async def tags_of(core: Core, grant: Grant) -> dict[str, str]:
    """The tags, by key. Raises OrganizationNotFound, also for one that is not active."""
    found = await core.store.read(list_tags, grant=grant)
    return dict(sorted(found.items()))
