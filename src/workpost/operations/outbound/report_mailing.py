"""Reports to other domains as mail: signed, queued and tried again like all mail that leaves."""

from __future__ import annotations

from workpost.domain.directory.expansion import expand_envelope
from workpost.domain.directory.routing import lookup_address
from workpost.domain.messages.delivery import Outgoing
from workpost.domain.messages.shell import summary_of
from workpost.formats.addresses import fold
from workpost.kernel.logging import logger
from workpost.operations.mailflow import placing, trace
from workpost.operations.mailflow.envelope import Envelope, Wish
from workpost.store.core import Core

NEVER = Wish(("NEVER",))
"""RFC 3461 4.1."""

log = logger("outbound")


async def signer_of(core: Core, setting: str, contact: str) -> str | None:
    """The organization of the address that signs reports; None, and a warning, for nobody's."""
    holder = await core.store.read(lookup_address, addr_fold=fold(contact))
    if holder is None:
        log.warning("an address that is to sign reports is nobody's here", setting=setting)
        return None
    return holder.org


async def prepare_report(
    core: Core, *, contact: str, organization: str, to: str, raw: bytes
) -> Outgoing | None:
    """A report ready to be written; None where it can reach nobody.

    `contact` is the address in `organization` that it comes from. Nobody is told that a report did
    not arrive, but the events of the organization: strangers choose the addresses, and how many
    there are. Raises TryLater.
    """
    envelope = Envelope(
        sender=contact, recipients=[to], wishes={to: NEVER}, helo=core.settings.host_name
    )
    routed = await expand_envelope(core, [to])
    stamped = trace.stamp(core, envelope, raw)
    message = await placing.place(core, envelope, stamped, await summary_of(stamped.raw))
    made = await placing.make_outgoing(
        core, message, routed, home=organization, direction="outgoing"
    )
    return made if made.deliveries or made.queued else None
