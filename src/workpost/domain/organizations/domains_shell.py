"""What protocols call to work with the mail domains of an organization."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Sequence

import msgspec

from workpost.domain.organizations import mail_domains
from workpost.domain.organizations.dkim import make_keys
from workpost.domain.organizations.dns_records import DnsRecord, key_record, records_of
from workpost.domain.organizations.idempotency import ClientToken, recall
from workpost.domain.organizations.mail_domains import NewDomain
from workpost.domain.organizations.state import check_active
from workpost.formats import addresses
from workpost.kernel.errors import Conflict, InvalidParameter, KeyDestroyed, MailDomainNotFound
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.keys.types import DataKey
from workpost.store.tables import dkim_keys
from workpost.store.tables.domains import DomainRow

TOKEN_BYTES = 32


class MailDomain(msgspec.Struct, frozen=True):
    """A domain with the records that its owner publishes; `name` is ASCII."""

    name: str
    row: DomainRow
    records: list[DnsRecord]


def check_name(core: Core, given: str) -> str:
    """The folded name of a domain that may be registered. Raises InvalidParameter."""
    name = addresses.fold_domain(given)
    try:
        addresses.check_domain(name)
    except addresses.AddressError as error:
        raise InvalidParameter(f"{given} is not a domain name: {error}.") from None
    suffix = addresses.fold_domain(core.settings.organizations.suffix)
    if name == suffix or name.endswith("." + suffix):
        raise InvalidParameter(f"Domains under .{suffix} belong to organizations' aliases.")
    if "." not in name:
        raise InvalidParameter(f"The domain {given} is incomplete.")
    return name


async def prepare_domains(
    core: Core, organization: str, names: Sequence[str], key: DataKey
) -> list[NewDomain]:
    """Tokens and DKIM keys of new domains (folded names), sealed under the organization's key."""
    prepared = []
    for name in names:
        token = base64.b64encode(core.env.random_bytes(TOKEN_BYTES)).decode()
        keys = await asyncio.to_thread(make_keys, key, organization, name, token)
        prepared.append(NewDomain(name, token, keys, core.env.new_id()))
    return prepared


async def register_domain(
    core: Core, grant: Grant, given: str, token: ClientToken | None = None
) -> None:
    """Register a domain: from now on its records are looked for; once more where they were not.

    Raises InvalidParameter, MailDomainInUse, LimitExceeded, OrganizationNotFound,
    OrganizationStateInvalid, TryLater.
    """
    name = check_name(core, given)
    if await core.store.read(recall, token=token):
        return
    limit = core.settings.limits.domains_per_organization
    row = await core.store.read(mail_domains.plan_registration, grant=grant, name=name, limit=limit)
    if row is not None and row.token:
        with contextlib.suppress(Conflict):
            new = NewDomain(name, row.token, [], core.env.new_id())
            await _register(core, grant, new, token)
            return
    key = await _key(core, grant)
    (new,) = await prepare_domains(core, grant.organization, [name], key)
    await _register(core, grant, new, token)


async def _register(core: Core, grant: Grant, new: NewDomain, token: ClientToken | None) -> None:
    await core.store.write(
        mail_domains.register_domain,
        grant=grant,
        new=new,
        limit=core.settings.limits.domains_per_organization,
        token=token,
    )


async def _key(core: Core, grant: Grant) -> DataKey:
    try:
        return await core.keys.organization(grant.organization)
    except KeyDestroyed:
        # The organization's deletion came in between, and is what the caller is told of.
        await core.store.read(check_active, grant=grant)
        raise


async def get_domain(core: Core, grant: Grant, given: str) -> MailDomain:
    """One domain with its records. Raises MailDomainNotFound."""
    row = await core.store.read(
        mail_domains.get_domain, grant=grant, name=addresses.fold_domain(given)
    )
    name = addresses.ascii_domain(row.name)
    return MailDomain(name, row, records_of(name, row.token, core.settings.host_name))


async def list_domains(
    core: Core, grant: Grant, *, after: str, limit: int
) -> tuple[list[DomainRow], str]:
    """A page of domains and the name to continue after, "" at the end."""
    rows = await core.store.read(
        mail_domains.list_domains, grant=grant, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].name if len(rows) > limit else ""


async def deregister_domain(core: Core, grant: Grant, given: str) -> None:
    """Remove a domain. Raises MailDomainInUse, InvalidParameter for the test domain."""
    name = addresses.fold_domain(given)
    await core.store.write(mail_domains.deregister_domain, grant=grant, name=name)


async def set_default_domain(core: Core, grant: Grant, given: str) -> None:
    """Choose the default domain. Raises MailDomainNotFound, MailDomainStateInvalid."""
    name = addresses.fold_domain(given)
    await core.store.write(mail_domains.set_default_domain, grant=grant, name=name)


async def key_records(core: Core, grant: Grant, given: str) -> list[DnsRecord]:
    """The DKIM keys of a domain as the operator publishes them in the server's own zone.

    Raises MailDomainNotFound.
    """
    domain = await get_domain(core, grant, given)
    keys = await core.store.read(
        dkim_keys.list_keys, org=grant.organization, domain=domain.row.name
    )
    if not keys:
        raise MailDomainNotFound(f"The domain {domain.name} has no DKIM keys of its own.")
    host = core.settings.host_name
    return [key_record(key.selector, key.algorithm, key.public, host) for key in keys]
