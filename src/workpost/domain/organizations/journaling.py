"""Journaling as administrators set it: where a report of each message goes, and what if it fails.

`operations/mailflow/journaling.py` makes the reports.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.state import begin, check_active, require_active
from workpost.formats import addresses
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import flow_rules

AUTHOR = "amazonjournaling"
"""The local part of the reports' author, in the organization's first domain."""


class Journaling(msgspec.Struct, frozen=True):
    """Who gets the reports, and who hears of those that cannot be delivered; both or neither."""

    recipient: str = ""
    fallback: str = ""


@command
def put_journaling(tx: Tx, *, grant: Grant, journaling: Journaling) -> None:
    """Replace the addresses."""
    begin(tx, grant)
    flow_rules.put_journaling(
        tx, org=grant.organization, journal=journaling.recipient, fallback=journaling.fallback
    )


@quick
def read_journaling(tx: Reader, *, grant: Grant) -> Journaling:
    """The addresses of the grant's organization."""
    require_active(tx, grant)
    [row] = flow_rules.policies_of(tx, orgs=[grant.organization])
    return Journaling(row.journal, row.fallback)


async def set_journaling(core: Core, grant: Grant, journaling: Journaling) -> None:
    """Begin, change or (without addresses) end journaling, from the next message on.

    Raises InvalidParameter for one address without the other, for what is none, and for one
    address as both; OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.read(check_active, grant=grant)
    if bool(journaling.recipient) != bool(journaling.fallback):
        raise InvalidParameter("Journaling needs both addresses.")
    for address in (journaling.recipient, journaling.fallback):
        try:
            if address:
                addresses.parse_mailbox(address)
        except addresses.AddressError as error:
            raise InvalidParameter(f"{address} is no address: {error}.") from None
    if journaling.recipient and addresses.fold(journaling.recipient) == addresses.fold(
        journaling.fallback
    ):
        raise InvalidParameter("Who gets the reports cannot be who hears that they fail.")
    await core.store.write(put_journaling, grant=grant, journaling=journaling)


async def get_journaling(core: Core, grant: Grant) -> Journaling:
    """The addresses, empty ones where nothing is journaled."""
    return await core.store.read(read_journaling, grant=grant)
