"""Who may send as whom: the envelope sender, From and Sender of a submission (decisions 17).

One's own addresses, those of mailboxes and groups with SEND_AS, and, with one's own address as
Sender, those with SEND_ON_BEHALF.
"""

from __future__ import annotations

from collections import OrderedDict

from workpost.domain.access import permissions
from workpost.domain.access.permissions import SEND_AS, SEND_ON_BEHALF
from workpost.domain.directory.holders import may_send_as
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import InvalidParameter, SenderNotAllowed
from workpost.kernel.principal import Grant
from workpost.store.core import Core

MAX_HEADER = 128 * 1024
MAX_LINES = 1_500
"""Limits of a submitted header, both well under those of `formats.mime`."""

OWN = 8 | SEND_AS | SEND_ON_BEHALF
"""The address is the login's own; its lowest bit is beside those of permissions."""


KNOWN = 10_000
"""Rights that a process remembers."""

_Asked = tuple[str, str, int, str]
_known: OrderedDict[_Asked, int] = OrderedDict()


async def _rights(core: Core, grant: Grant, address: str) -> int:
    """The rights to send as an address, 0 for none.

    A yes is remembered under the grant's policy version: whatever takes a right away raises that,
    and the transaction that accepts the message compares it.
    """
    asked = (grant.organization, grant.entity, grant.policy_version, address)
    if rights := _known.get(asked, 0):
        return rights
    if await core.store.read(may_send_as, grant=grant, address=address):
        rights = OWN
    else:
        rights = await core.store.read(permissions.send_rights, grant=grant, address=address)
    if rights and grant.policy_version:
        _known[asked] = rights
        if len(_known) > KNOWN:
            _known.popitem(last=False)
    return rights


async def check_sender(core: Core, grant: Grant, address: str) -> None:
    """Refuse an envelope sender that the login may not use.

    The null sender is nobody's: people send bounces through no submission server. A policy that has
    changed since the login is heard as a hint, and found by the transaction that accepts the
    message at the latest. Raises SenderNotAllowed.
    """
    if not address or not await _rights(core, grant, address):
        raise SenderNotAllowed(f"You may not send as <{address}>.")


async def check_header(core: Core, grant: Grant, summary: Summary, raw: bytes) -> None:
    """Refuse a From or Sender that the login may not use; without Sender, From is it, too.

    Raises SenderNotAllowed, and InvalidParameter for a header so long that the summary may not
    have seen all of it: a second From hidden there would escape the check.
    """
    if summary.header_end > MAX_HEADER or raw.count(b"\n", 0, summary.header_end) > MAX_LINES:
        raise InvalidParameter("The header of the message is too long.")
    if not summary.from_:
        raise SenderNotAllowed("The message has no From.")
    # Nearly all mail has one author, who sends it.
    alone = summary.sender == summary.from_ and len(summary.from_) == 1
    if alone and await _rights(core, grant, summary.from_[0][1]) & SEND_AS:
        return
    authors = {address for _, address in summary.from_}
    senders = {address for _, address in summary.sender}
    rights = {}
    for each in sorted(authors | senders):
        rights[each] = await _rights(core, grant, each)
    on_behalf = False
    for author in sorted(authors):
        if not rights[author]:
            raise SenderNotAllowed(f"You may not send as <{author}>.")
        on_behalf |= not rights[author] & SEND_AS
    for sender in sorted(senders):
        if on_behalf and rights[sender] != OWN:
            raise SenderNotAllowed("You may send this on behalf only, with yourself as Sender.")
        if not rights[sender] & SEND_AS:
            raise SenderNotAllowed(f"You may not send as <{sender}>.")
