"""Is a recipient accepted at RCPT TO? One look-up for people who live here (decisions 19)."""

from __future__ import annotations

from workpost.domain.directory.routing import is_local_domain, lookup_address
from workpost.formats.addresses import fold, split
from workpost.kernel.errors import AccessDenied, QuotaExceeded, UnknownRecipient
from workpost.store.core import Core


async def check_recipient(core: Core, address: str, *, inside: bool, size: int = 0) -> None:
    """Refuse a recipient; `inside` when the sender has logged in, `size` as announced (0: not).

    Raises UnknownRecipient for an address of ours that nobody holds, AccessDenied for one
    elsewhere when the sender did not log in (no relaying), QuotaExceeded for a full mailbox when
    the sender is another server, who will come again.
    """
    folded = fold(address)
    holder = await core.store.read(lookup_address, addr_fold=folded)
    if holder is not None:
        if not holder.takes(size) and not inside:
            raise QuotaExceeded(f"The mailbox of <{address}> is full.")
        return
    if "@" not in address:
        raise UnknownRecipient(f"Which domain does <{address}> belong to?")
    if await core.store.read(is_local_domain, domain=split(folded)[1]):
        raise UnknownRecipient(f"Nobody here receives mail as <{address}>.")
    if not inside:
        raise AccessDenied("Relaying is not allowed; log in at the submission port.")
