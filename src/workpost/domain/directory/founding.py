"""CreateOrganization: over a directory of its own, or one outside that the operator has set."""

from __future__ import annotations

from workpost.domain.directory.external import configured, open_source
from workpost.domain.directory.imported import ACTIVE
from workpost.domain.organizations import shell
from workpost.domain.organizations.idempotency import ClientToken, recall
from workpost.domain.organizations.outside import OutsideDirectory, check_unused
from workpost.domain.organizations.shell import NewOrganization
from workpost.domain.organizations.state import require_administrator
from workpost.kernel.errors import (
    DirectoryAuthenticationFailed,
    DirectoryUnavailable,
    InvalidParameter,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core


async def create_organization(
    core: Core,
    grant: Grant,
    account: str,
    new: NewOrganization,
    token: ClientToken | None = None,
) -> str:
    """Create an organization of the account and return its id.

    One over a directory outside is "Creating" until its users and groups were read once. Raises
    what `organizations.shell.create_organization` raises; DirectoryUnavailable also when the
    directory does not answer or does not take our credentials.
    """
    require_administrator(grant)
    settings = configured(core, account, new.directory_id)
    if settings is None:
        return await shell.create_organization(core, grant, account, new, token)
    outside = OutsideDirectory(settings.kind, new.interoperability and settings.kind == ACTIVE)
    # A repeated call is told its result also when the directory is away by now.
    if await core.store.read(recall, token=token) is None:
        await core.store.read(check_unused, account=account, directory_id=new.directory_id)
        if settings.alias and settings.alias != new.alias:
            raise InvalidParameter(
                f"The alias of the directory {new.directory_id} is {settings.alias}; use the same."
            )
        try:
            await open_source(core, new.directory_id).threads.root(["supportedLDAPVersion"])
        except DirectoryAuthenticationFailed as error:
            raise DirectoryUnavailable(error.message) from error
    return await shell.create_organization(core, grant, account, new, token, outside=outside)
