"""What protocols call to create, describe, list and delete organizations."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.organizations import deletion, lifecycle, takeover
from workpost.domain.organizations.domains_shell import check_name, prepare_domains
from workpost.domain.organizations.idempotency import ClientToken, read_result, recall
from workpost.domain.organizations.outside import OutsideDirectory, check_unused
from workpost.formats import addresses
from workpost.kernel.errors import (
    AccessDenied,
    InvalidParameter,
    NameUnavailable,
)
from workpost.kernel.principal import Grant, Right
from workpost.store.core import Core
from workpost.store.tables import organizations
from workpost.store.tables.organizations import OrganizationRow


class NewOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """What CreateOrganization asks for; `kms_key` is the ARN of the operator's key, or empty."""

    alias: str
    domains: Sequence[str] = ()
    directory_id: str = ""
    interoperability: bool = False
    kms_key: str = ""


async def create_organization(
    core: Core,
    grant: Grant,
    account: str,
    new: NewOrganization,
    token: ClientToken | None = None,
    *,
    outside: OutsideDirectory | None = None,
) -> str:
    """Create an organization of the account and return its id.

    It is active at once, or, where it takes over the directory of a deleted one or reads one that
    is `outside`, after a job.

    Its keys are made first: a row never lacks its key. A repeated `token` gets the first call's
    organization, and InvalidParameter when it came with other parameters. Raises
    NameUnavailable, InvalidParameter, LimitExceeded, DirectoryInUse and DirectoryUnavailable,
    TryLater when the keys cannot be made.
    """
    if not grant.allows(Right.ADMINISTER):
        raise AccessDenied("This is not allowed here.")
    if recalled := await core.store.read(recall, token=token):
        return read_result(recalled, str)
    test_domain = addresses.fold_domain(f"{new.alias}.{core.settings.organizations.suffix}")
    others = _check(core, new, outside)
    if await core.store.read(organizations.is_alias_taken, alias=new.alias):
        raise lifecycle.alias_taken(new.alias)
    limit = core.settings.limits.organizations_per_account
    await core.store.read(lifecycle.check_limit, account=account, limit=limit)
    left_by = await _find_directory(core, account, new, outside)
    organization = f"m-{core.env.new_hex()}"
    await core.keys.create_organization(organization, kms_key=new.kms_key or None)
    key = await core.keys.organization(organization)
    return await core.store.write(
        lifecycle.create_organization,
        organization=organization,
        account=account,
        alias=new.alias,
        directory_id=new.directory_id or f"d-{core.env.new_hex()[-10:]}",
        test_domain=test_domain,
        other_domains=await prepare_domains(core, organization, others, key),
        device_rule_id=core.env.new_uuid(),
        limit=limit,
        left_by=left_by,
        outside=outside,
        token=token,
    )


async def _find_directory(
    core: Core, account: str, new: NewOrganization, outside: OutsideDirectory | None
) -> str:
    if not new.directory_id:
        return ""
    if outside is not None:
        await core.store.read(check_unused, account=account, directory_id=new.directory_id)
        return ""
    return await core.store.read(
        takeover.find_left_directory,
        account=account,
        alias=new.alias,
        directory_id=new.directory_id,
    )


def _check(core: Core, new: NewOrganization, outside: OutsideDirectory | None) -> list[str]:
    """The folded additional domains; raises what is wrong with the request."""
    if new.alias.startswith("d-"):
        raise NameUnavailable(f"The alias {new.alias} is not available: it starts with d-.")
    if new.interoperability and (outside is None or not outside.interoperability):
        raise InvalidParameter("EnableInteroperability needs the DirectoryId of an AD Connector.")
    # Only the operator turns an ARN into a key: theirs is the account that pays and may decrypt.
    if new.kms_key and new.kms_key != core.settings.keys.kms_key:
        raise InvalidParameter(f"The KMS key {new.kms_key} is not available to this account.")
    folded: list[str] = []
    for given in new.domains:
        name = check_name(core, given)
        if name in folded:
            raise InvalidParameter(f"The domain {given} is given twice.")
        folded.append(name)
    return folded


async def describe_organization(core: Core, grant: Grant) -> OrganizationRow:
    """The organization in any state, deleted ones included. Raises OrganizationNotFound."""
    return await core.store.read(lifecycle.describe_organization, grant=grant)


async def list_organizations(
    core: Core, grant: Grant, account: str, *, after: str, limit: int
) -> tuple[list[OrganizationRow], str]:
    """A page of the account's organizations and the id to continue after, "" at the end."""
    if not grant.allows(Right.ADMINISTER):
        raise AccessDenied("This is not allowed here.")
    rows = await core.store.read(
        lifecycle.list_organizations, account=account, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else ""


async def delete_organization(
    core: Core,
    grant: Grant,
    *,
    force: bool,
    with_directory: bool = True,
    with_application: bool = False,
    token: ClientToken | None = None,
) -> str:
    """Begin to delete the organization and return its state, "Deleting".

    All access has ended when this returns; a durable job shreds the keys and removes the rest.
    `with_application` deletes the Identity Center application that it uses, too. A repeated
    `token` is told the same again. Raises OrganizationNotFound,
    OrganizationStateInvalid.
    """
    return await core.store.write(
        deletion.begin_deletion,
        grant=grant,
        force=force,
        with_directory=with_directory,
        with_application=with_application,
        token=token,
    )
