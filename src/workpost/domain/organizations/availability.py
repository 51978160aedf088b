"""Availability configurations: where an organization asks for free/busy of other domains.

Passwords are sealed under the organization's key before the command, and opened by
`open_provider` alone, for whoever asks the provider (`operations/availability`).
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.idempotency import ClientToken, recall, with_token
from workpost.domain.organizations.state import begin, check_active, require_active
from workpost.formats import addresses
from workpost.integrations.egress.messages import parse_target
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
from workpost.store.tables import availability
from workpost.store.tables.availability import EWS, LAMBDA, ConfigurationRow, ProviderRow


class EwsProvider(msgspec.Struct, frozen=True):
    """An Exchange server, or what speaks like one."""

    url: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"EwsProvider({self.url!r}, {self.username!r})"


class LambdaProvider(msgspec.Struct, frozen=True):
    """A function that tells free/busy."""

    arn: str


Provider = EwsProvider | LambdaProvider


def place(organization: str, domain: str) -> bytes:
    """What a sealed password is bound to."""
    return sealing.place("availability", "sealed", organization, domain, "password")


def _not_found(domain: str) -> ResourceNotFound:
    return ResourceNotFound(f"The organization has no availability configuration for {domain}.")


def check_provider(core: Core, provider: Provider) -> None:
    """Raise InvalidParameter for a malformed URL, and without TLS unless that is allowed."""
    if isinstance(provider, LambdaProvider):
        return
    try:
        target = parse_target(provider.url)
    except ValueError as error:
        raise InvalidParameter(f"The EwsEndpoint cannot be used: {error}.") from None
    if target.scheme != "https" and not core.settings.egress.plain_http:
        raise InvalidParameter("The EwsEndpoint must begin with https://.")


def _domain(given: str) -> str:
    name = addresses.fold_domain(given)
    try:
        addresses.check_domain(name)
    except addresses.AddressError as error:
        raise InvalidParameter(f"{given} is not a domain name: {error}.") from None
    return name


async def _seal(core: Core, organization: str, domain: str, provider: Provider) -> ProviderRow:
    if isinstance(provider, LambdaProvider):
        return ProviderRow(LAMBDA, provider.arn, "", b"", 0)
    bound = place(organization, domain)
    sealed, gen = await core.keys.seal(organization, provider.password.encode(), bound)
    return ProviderRow(EWS, provider.url, provider.username, sealed, gen)


@command
def insert_configuration(
    tx: Tx,
    *,
    grant: Grant,
    domain: str,
    provider: ProviderRow,
    limit: int,
    token: ClientToken | None = None,
) -> None:
    """Insert a configuration.

    Raises NameUnavailable for a domain that has one, LimitExceeded for more than `limit`,
    InvalidParameter for a token that came with other parameters.
    """
    with_token(tx, token, type(None), lambda: _insert(tx, grant, domain, provider, limit))


def _insert(tx: Tx, grant: Grant, domain: str, provider: ProviderRow, limit: int) -> None:
    begin(tx, grant)
    org = grant.organization
    if availability.get_configuration(tx, org=org, domain=domain) is not None:
        raise NameUnavailable(f"The domain {domain} has an availability configuration.")
    if availability.count_configurations(tx, org=org) >= limit:
        raise LimitExceeded(f"The organization has {limit} configurations, as many as it may.")
    availability.insert_configuration(tx, org=org, domain=domain, provider=provider)


@command
def update_configuration(tx: Tx, *, grant: Grant, domain: str, provider: ProviderRow) -> None:
    """Replace the provider of a domain. Raises ResourceNotFound."""
    begin(tx, grant)
    if not availability.update_configuration(
        tx, org=grant.organization, domain=domain, provider=provider
    ):
        raise _not_found(domain)


@command
def delete_configuration(tx: Tx, *, grant: Grant, domain: str) -> None:
    """Delete a configuration; one that is not there is no error."""
    begin(tx, grant)
    availability.delete_configuration(tx, org=grant.organization, domain=domain)


@quick
def get_configuration(tx: Reader, *, grant: Grant, domain: str) -> ConfigurationRow:
    """The configuration of a domain (folded). Raises ResourceNotFound."""
    require_active(tx, grant)
    row = availability.get_configuration(tx, org=grant.organization, domain=domain)
    if row is None:
        raise _not_found(domain)
    return row


def read_configurations(
    tx: Reader, *, grant: Grant, after: str, limit: int
) -> list[ConfigurationRow]:
    """A page of configurations by domain."""
    require_active(tx, grant)
    return availability.list_configurations(tx, org=grant.organization, after=after, limit=limit)


async def create(
    core: Core, grant: Grant, given: str, provider: Provider, token: ClientToken | None = None
) -> None:
    """Configure a domain that has no configuration.

    Raises InvalidParameter, NameUnavailable, LimitExceeded, OrganizationNotFound,
    OrganizationStateInvalid, TryLater.
    """
    check_provider(core, provider)
    domain = _domain(given)
    if await core.store.read(recall, token=token):
        return
    await core.store.read(check_active, grant=grant)
    await core.store.write(
        insert_configuration,
        grant=grant,
        domain=domain,
        provider=await _seal(core, grant.organization, domain, provider),
        limit=core.settings.limits.availability_configurations,
        token=token,
    )


async def update(core: Core, grant: Grant, given: str, provider: Provider) -> None:
    """Replace the provider of a domain. Raises InvalidParameter, ResourceNotFound, TryLater."""
    check_provider(core, provider)
    domain = addresses.fold_domain(given)
    await core.store.read(get_configuration, grant=grant, domain=domain)
    await core.store.write(
        update_configuration,
        grant=grant,
        domain=domain,
        provider=await _seal(core, grant.organization, domain, provider),
    )


async def delete(core: Core, grant: Grant, given: str) -> None:
    """Delete the configuration of a domain, if it is there."""
    domain = addresses.fold_domain(given)
    await core.store.write(delete_configuration, grant=grant, domain=domain)


async def list_configurations(
    core: Core, grant: Grant, *, after: str, limit: int
) -> tuple[list[ConfigurationRow], str]:
    """A page of configurations and the domain to continue after, "" at the end."""
    rows = await core.store.read(read_configurations, grant=grant, after=after, limit=limit + 1)
    return rows[:limit], rows[limit - 1].domain if len(rows) > limit else ""


async def open_provider(core: Core, grant: Grant, given: str) -> Provider:
    """The provider of a domain with its password in clear.

    Raises ResourceNotFound, OrganizationNotFound, OrganizationStateInvalid, TryLater.
    """
    domain = addresses.fold_domain(given)
    row = (await core.store.read(get_configuration, grant=grant, domain=domain)).provider
    if row.kind == LAMBDA:
        return LambdaProvider(row.target)
    bound = place(grant.organization, domain)
    password = await core.keys.unseal(grant.organization, row.gen, row.sealed, bound)
    return EwsProvider(row.target, row.username, password.decode())
