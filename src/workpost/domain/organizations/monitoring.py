"""PutEmailMonitoringConfiguration and its siblings: the log group that mail events go to.

The configuration says which events are unsent from then on (`store/tables/events.py`); the job
`monitoring.ship` brings them to the group (`operations/monitoring`).
"""

from __future__ import annotations

import asyncio

import msgspec

from workpost.domain.organizations.log_groups import DEFAULT, find_group, open_group
from workpost.domain.organizations.state import account_of, begin, not_found, require_active
from workpost.formats.arn import ArnError, parse_arn
from workpost.integrations.logs.base import GroupMissing, LogGroup
from workpost.kernel.errors import InvalidParameter, ResourceNotFound
from workpost.kernel.log_groups import MappedGroup
from workpost.kernel.outside import find_role
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import monitoring, organizations
from workpost.store.tables.monitoring import MonitoringRow

SHIP = "monitoring.ship"
"""Kind of the job; its dedupe is `ship/<organization>`."""
OWN_ROLE = (
    "arn:aws:iam::{}:role/aws-service-role/events.workmail.amazonaws.com/"
    "AWSServiceRoleForAmazonWorkMailEvents"
)
"""The role that is used where none is given (API reference, RoleArn)."""
_KIND = "log-group"


class Monitored(msgspec.Struct, frozen=True):
    """A configuration as the API shows it."""

    role: str
    log_group: str


@command
def put_configuration(tx: Tx, *, grant: Grant, role: str, log_group: str) -> None:
    """Insert or replace the configuration; events of before the first one are not its."""
    begin(tx, grant)
    row = MonitoringRow(grant.organization, account_of(grant), role, log_group, since=tx.env.now())
    monitoring.put_monitoring(tx, row)


@command
def delete_configuration(tx: Tx, *, grant: Grant) -> None:
    """Delete the configuration, if there is one; what is unsent stays so and is sent nowhere."""
    begin(tx, grant)
    monitoring.delete_monitoring(tx, org=grant.organization)


@quick
def get_configuration(tx: Reader, *, grant: Grant) -> MonitoringRow:
    """The configuration. Raises ResourceNotFound."""
    require_active(tx, grant)
    row = monitoring.get_monitoring(tx, org=grant.organization)
    if row is None:
        raise ResourceNotFound("The organization has no email monitoring configuration.")
    return row


@quick
def get_alias(tx: Reader, *, grant: Grant) -> str:
    """The alias of the active organization."""
    require_active(tx, grant)
    row = organizations.get_organization(tx, organization=grant.organization)
    if row is None:
        raise not_found(grant.organization)
    return row.alias


def group_of(core: Core, account: str, arn: str) -> tuple[str, MappedGroup]:
    """The name in a log group's ARN and what it stands for.

    Raises InvalidParameter for one of another account or Region, ResourceNotFound.
    """
    try:
        parsed = parse_arn(arn)
    except ArnError as error:
        raise InvalidParameter(f"LogGroupArn is malformed: {error}.") from None
    kind, _, rest = parsed.resource.partition(":")
    name = rest.removesuffix(":*")
    if parsed.service != "logs" or kind != _KIND or parsed.account != account:
        raise InvalidParameter(f"{arn} is no log group of the account {account}.")
    if parsed.region != core.settings.api.region:
        raise InvalidParameter(f"The log group {arn} is not in {core.settings.api.region}.")
    mapped = find_group(core, account, name)
    if mapped is None:
        raise ResourceNotFound(f"The log group {name} does not exist.")
    return name, mapped


def profile_of(core: Core, account: str, role: str) -> str:
    """The profile of the AWS SDK that a role stands for, "" for none and for the service's own.

    Raises InvalidParameter for one of another account, ResourceNotFound.
    """
    if not role:
        return ""
    try:
        parsed = parse_arn(role)
    except ArnError as error:
        raise InvalidParameter(f"RoleArn is malformed: {error}.") from None
    if parsed.account != account or parsed.resource_type != "role":
        raise InvalidParameter(f"{role} is no role of the account {account}.")
    profile = find_role(core.settings.outside, account, role)
    if profile is None:
        raise ResourceNotFound(f"The role {role} does not exist.")
    return profile


def destination(core: Core, account: str, role: str, arn: str) -> tuple[str, MappedGroup]:
    """Where events of a configuration go now: the group's name, and what it stands for.

    The profile of the role comes before that of the group. Raises what `group_of` and `profile_of`
    raise.
    """
    name, mapped = group_of(core, account, arn)
    profile = profile_of(core, account, role) or mapped.profile
    return name, msgspec.structs.replace(mapped, profile=profile)


async def prepare(core: Core, group: LogGroup, name: str, alias: str) -> None:
    """Make the group of the default name, which keeps what it holds for a time; check any other.

    Raises GroupMissing, TryLater.
    """
    if name == DEFAULT + alias:
        await asyncio.to_thread(group.create, core.settings.monitoring.retention_days)
    else:
        await asyncio.to_thread(group.check)


async def put_monitoring_configuration(
    core: Core, grant: Grant, *, log_group: str, role: str = ""
) -> None:
    """Send mail events to a log group from now on (PutEmailMonitoringConfiguration).

    Raises OrganizationNotFound, OrganizationStateInvalid; InvalidParameter for a log group or role
    of another account or Region, ResourceNotFound for one that is not there, TryLater.
    """
    account = account_of(grant)
    alias = await core.store.read(get_alias, grant=grant)
    if role == OWN_ROLE.format(account):
        role = ""
    name, mapped = destination(core, account, role, log_group)
    try:
        await prepare(core, open_group(core, account, name, mapped), name, alias)
    except GroupMissing as error:
        raise ResourceNotFound(error.message) from error
    await core.store.write(put_configuration, grant=grant, role=role, log_group=log_group)


async def describe_monitoring_configuration(core: Core, grant: Grant) -> Monitored:
    """The configuration (DescribeEmailMonitoringConfiguration). Raises ResourceNotFound."""
    row = await core.store.read(get_configuration, grant=grant)
    return Monitored(row.role or OWN_ROLE.format(row.account), row.log_group)


async def delete_monitoring_configuration(core: Core, grant: Grant) -> None:
    """Send no more events (DeleteEmailMonitoringConfiguration), even where none were sent.

    Raises OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.write(delete_configuration, grant=grant)
