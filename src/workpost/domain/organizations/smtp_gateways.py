"""SMTP gateways: servers of an organization's own that outbound rules send mail through.

Passwords are sealed under the organization's key before the command, and opened by `open_gateway`
alone, for whoever sends (`operations/outbound`).
"""

from __future__ import annotations

import ipaddress

import msgspec

from workpost.domain.organizations.flow_rules import NAME, check_text
from workpost.domain.organizations.state import begin, check_active, require_active
from workpost.formats import addresses
from workpost.kernel.errors import (
    InvalidParameter,
    LimitExceeded,
    NameUnavailable,
    ResourceNotFound,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.keys import sealing
from workpost.store.tables import flow_rules
from workpost.store.tables import smtp_gateways as table
from workpost.store.tables.smtp_gateways import GatewayRow

LOGIN = 256
"""Characters of a user name and of a password."""


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """A server with the login there; `host` is a name or an IP address."""

    name: str
    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Gateway({self.name!r}, {self.host!r}, {self.port}, {self.username!r})"


def place(organization: str, gateway: str) -> bytes:
    """What a sealed password is bound to."""
    return sealing.place("smtp_gateway", "sealed", organization, gateway, "password")


def gateway_not_found(gateway: str) -> ResourceNotFound:
    """The error for an id that no gateway has."""
    return ResourceNotFound(f"The organization has no SMTP gateway {gateway}.")


def check_gateway(gateway: Gateway) -> None:
    """Raise InvalidParameter for a name, login, port or host that is none.

    The bounds are those of the model, which the API has looked at already; operators come past it.
    """
    check_text(gateway.name, "name of an SMTP gateway", NAME)
    check_text(gateway.username, "user name", LOGIN)
    check_text(gateway.password, "password", LOGIN)
    if not 1 <= gateway.port <= 65_535:
        raise InvalidParameter(f"{gateway.port} is no port.")
    _host(gateway.host)


def _host(given: str) -> str:
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        name = addresses.fold_domain(given)
    try:
        addresses.check_domain(name)
    except addresses.AddressError as error:
        raise InvalidParameter(f"{given} is no host: {error}.") from None
    return addresses.ascii_domain(name)


async def _seal(core: Core, organization: str, gateway_id: str, gateway: Gateway) -> GatewayRow:
    bound = place(organization, gateway_id)
    sealed, gen = await core.keys.seal(organization, gateway.password.encode(), bound)
    return GatewayRow(
        id=gateway_id,
        name=gateway.name,
        host=_host(gateway.host),
        port=gateway.port,
        username=gateway.username,
        sealed=sealed,
        gen=gen,
    )


def _check_name(tx: Reader, org: str, row: GatewayRow) -> None:
    if table.holder_of_name(tx, org=org, name=row.name) not in (None, row.id):
        raise NameUnavailable(f"There is another SMTP gateway with the name {row.name}.")


@command
def create_gateway(tx: Tx, *, grant: Grant, row: GatewayRow, limit: int) -> None:
    """Insert a gateway. Raises NameUnavailable, LimitExceeded for more than `limit`."""
    begin(tx, grant)
    org = grant.organization
    _check_name(tx, org, row)
    if table.count_gateways(tx, org=org) >= limit:
        raise LimitExceeded(f"The organization has {limit} SMTP gateways, as many as it may.")
    table.insert_gateway(tx, org=org, new=row)


@command
def update_gateway(tx: Tx, *, grant: Grant, row: GatewayRow) -> None:
    """Replace a gateway. Raises ResourceNotFound, NameUnavailable."""
    begin(tx, grant)
    _check_name(tx, grant.organization, row)
    if not table.update_gateway(tx, org=grant.organization, new=row):
        raise gateway_not_found(row.id)


@command
def delete_gateway(tx: Tx, *, grant: Grant, gateway_id: str) -> None:
    """Delete a gateway, if it is there. Raises InvalidParameter while a rule leads to it."""
    begin(tx, grant)
    org = grant.organization
    rule = flow_rules.rule_of_gateway(tx, org=org, gateway=gateway_id)
    if rule is not None:
        raise InvalidParameter(f"The rule {rule} sends mail through this gateway.")
    table.delete_gateway(tx, org=org, id=gateway_id)


@quick
def read_gateway(tx: Reader, *, grant: Grant, gateway_id: str) -> GatewayRow:
    """One gateway. Raises ResourceNotFound."""
    require_active(tx, grant)
    row = table.get_gateway(tx, org=grant.organization, id=gateway_id)
    if row is None:
        raise gateway_not_found(gateway_id)
    return row


def read_gateways(tx: Reader, *, grant: Grant, after: str, limit: int) -> list[GatewayRow]:
    """A page of gateways by name."""
    require_active(tx, grant)
    return table.list_gateways(tx, org=grant.organization, after=after, limit=limit)


async def create(core: Core, grant: Grant, gateway: Gateway) -> str:
    """Create a gateway; returns its id.

    Raises InvalidParameter for what is no host, NameUnavailable, LimitExceeded,
    OrganizationNotFound, OrganizationStateInvalid, TryLater.
    """
    check_gateway(gateway)
    await core.store.read(check_active, grant=grant)
    gateway_id = core.env.new_uuid()
    row = await _seal(core, grant.organization, gateway_id, gateway)
    limit = core.settings.limits.smtp_gateways
    await core.store.write(create_gateway, grant=grant, row=row, limit=limit)
    return gateway_id


async def update(core: Core, grant: Grant, gateway_id: str, gateway: Gateway) -> None:
    """Replace a gateway as a whole; raises ResourceNotFound, and as `create`."""
    check_gateway(gateway)
    await core.store.read(read_gateway, grant=grant, gateway_id=gateway_id)
    row = await _seal(core, grant.organization, gateway_id, gateway)
    await core.store.write(update_gateway, grant=grant, row=row)


async def delete(core: Core, grant: Grant, gateway_id: str) -> None:
    """Delete a gateway, if it is there. Raises InvalidParameter while a rule leads to it."""
    await core.store.write(delete_gateway, grant=grant, gateway_id=gateway_id)


async def describe(core: Core, grant: Grant, gateway_id: str) -> GatewayRow:
    """One gateway. Raises ResourceNotFound, OrganizationNotFound, OrganizationStateInvalid."""
    return await core.store.read(read_gateway, grant=grant, gateway_id=gateway_id)


async def list_gateways(
    core: Core, grant: Grant, *, after: str, limit: int
) -> tuple[list[GatewayRow], str]:
    """A page of gateways by name and the name to continue after, "" at the end."""
    rows = await core.store.read(read_gateways, grant=grant, after=after, limit=limit + 1)
    return rows[:limit], rows[limit - 1].name if len(rows) > limit else ""


async def open_gateway(core: Core, organization: str, gateway_id: str) -> Gateway:
    """A gateway with its password in clear. Raises ResourceNotFound, KeyDestroyed, TryLater."""
    row = await core.store.read(table.get_gateway, org=organization, id=gateway_id)
    if row is None:
        raise gateway_not_found(gateway_id)
    bound = place(organization, gateway_id)
    password = await core.keys.unseal(organization, row.gen, row.sealed, bound)
    return Gateway(
        name=row.name,
        host=row.host,
        port=row.port,
        username=row.username,
        password=password.decode(),
    )
