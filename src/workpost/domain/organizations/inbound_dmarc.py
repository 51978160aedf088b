"""Whether an organization enforces DMARC on mail from outside: a key of its settings.

`operations/mailflow/enforcing.py` asks `enforcing` about each message that fails.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.organizations.state import begin, not_found, require_active
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import organizations

KEY = "dmarc_enforced"


class _Settings(msgspec.Struct, frozen=True):
    dmarc_enforced: bool = True


_decode = msgspec.json.Decoder(_Settings).decode


@command
def put_inbound_dmarc(tx: Tx, *, grant: Grant, enforced: bool) -> None:
    """Write whether the organization enforces; its other settings stay."""
    begin(tx, grant)
    row = organizations.get_organization(tx, organization=grant.organization)
    if row is None:
        raise not_found(grant.organization)
    settings = {**msgspec.json.decode(row.settings), KEY: enforced}
    organizations.set_settings(
        tx, organization=grant.organization, settings=msgspec.json.encode(settings).decode()
    )


@quick
def get_inbound_dmarc(tx: Reader, *, grant: Grant) -> bool:
    """Whether the grant's organization enforces."""
    require_active(tx, grant)
    return bool(enforcing(tx, among=[grant.organization]))


@quick
def enforcing(tx: Reader, *, among: Sequence[str]) -> list[str]:
    """Those of some organizations that enforce, which each does unless it was told otherwise."""
    found = []
    for each in among:
        row = organizations.get_organization(tx, organization=each)
        if row is not None and _decode(row.settings).dmarc_enforced:
            found.append(each)
    return found


async def put_inbound_dmarc_settings(core: Core, grant: Grant, *, enforced: bool) -> None:
    """Enforce DMARC from the next message on, or no longer (PutInboundDmarcSettings).

    Raises OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.write(put_inbound_dmarc, grant=grant, enforced=enforced)


async def describe_inbound_dmarc_settings(core: Core, grant: Grant) -> bool:
    """Whether DMARC is enforced (DescribeInboundDmarcSettings); errors as above."""
    return await core.store.read(get_inbound_dmarc, grant=grant)
