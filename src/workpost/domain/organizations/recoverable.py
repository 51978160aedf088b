"""How long an organization keeps what its people delete from Deleted Items: a key of its settings.

Until it is told otherwise an organization keeps it for `retention.recoverable_days`; 0 days: it is
destroyed at once. A retention policy that deletes permanently from Deleted Items counts for what
lies behind them, too, where its period is shorter.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.retention import PERMANENTLY_DELETE, rules_in_force
from workpost.domain.organizations.state import begin, not_found, require_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import jobs, organizations

KEY = "recoverable_days"
MOST_DAYS = 365
SWEEP = "recoverable.sweep"
"""Kind of the job, one an organization."""
DAY_MS = 24 * 3_600_000


class Period(msgspec.Struct, frozen=True):
    """Days for which deleted items are kept; `own` tells the organization's from the default."""

    days: int
    own: bool


class _Settings(msgspec.Struct, frozen=True):
    recoverable_days: int | None = None


_decode = msgspec.json.Decoder(_Settings).decode


def sweep_of(organization: str) -> str:
    """The `dedupe` of an organization's job."""
    return f"recoverable/{organization}"


def days_in_force(tx: Reader, org: str, default: int) -> int:
    """For how many days an organization keeps what is deleted now, 0 for not at all."""
    row = organizations.get_organization(tx, organization=org)
    own = _decode(row.settings).recoverable_days if row is not None else 0
    return default if own is None else own


def longest(tx: Reader, org: str, default: int) -> int:
    """Milliseconds after which what was deleted is destroyed."""
    days = days_in_force(tx, org, default)
    rule = (rules_in_force(tx, org) or {}).get("DELETED_ITEMS")
    if rule is not None and rule.action == PERMANENTLY_DELETE and rule.days is not None:
        days = min(days, rule.days)
    return days * DAY_MS


@quick
def get_period(tx: Reader, *, grant: Grant, default: int) -> Period:
    """The period of the grant's organization."""
    require_active(tx, grant)
    row = organizations.get_organization(tx, organization=grant.organization)
    own = _decode(row.settings).recoverable_days if row is not None else None
    return Period(default if own is None else own, own is not None)


@command
def put_period(tx: Tx, *, grant: Grant, days: int | None) -> None:
    """Write the period, None for the default; what is too old then goes with the next sweep."""
    begin(tx, grant)
    row = organizations.get_organization(tx, organization=grant.organization)
    if row is None:
        raise not_found(grant.organization)
    settings = {**msgspec.json.decode(row.settings), KEY: days}
    organizations.set_settings(
        tx, organization=grant.organization, settings=msgspec.json.encode(settings).decode()
    )
    jobs.hasten_job(tx, dedupe=sweep_of(grant.organization), due=tx.env.now())


async def put_recoverable_period(core: Core, grant: Grant, days: int | None) -> None:
    """Keep deleted items for so many days (0 to 365), None for `retention.recoverable_days`.

    Raises InvalidParameter, OrganizationNotFound, OrganizationStateInvalid.
    """
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise InvalidParameter(f"Deleted items are kept for 0 to {MOST_DAYS} days.")
    await core.store.write(put_period, grant=grant, days=days)


async def describe_recoverable_period(core: Core, grant: Grant) -> Period:
    """The period in force; errors as above."""
    default = core.settings.retention.recoverable_days
    return await core.store.read(get_period, grant=grant, default=default)
