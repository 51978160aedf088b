"""Who may send as whom: the envelope sender, From and Sender of a submission (decisions 17)."""

from __future__ import annotations

from workpost.domain.directory.holders import may_send_as
from workpost.formats.mime.summary import Summary
from workpost.kernel.errors import InvalidParameter, SenderNotAllowed
from workpost.kernel.principal import Grant
from workpost.store.core import Core

MAX_HEADER = 128 * 1024
MAX_LINES = 1_500
"""Limits of a submitted header, both well under those of `formats.mime`."""


async def check_sender(core: Core, grant: Grant, address: str) -> None:
    """Refuse an envelope sender that the login does not own. Raises SenderNotAllowed.

    The null sender is nobody's: people send bounces through no submission server.
    """
    if not address or not await core.store.read(may_send_as, grant=grant, address=address):
        raise SenderNotAllowed(f"You may not send as <{address}>.")


async def check_header(core: Core, grant: Grant, summary: Summary, raw: bytes) -> None:
    """Refuse a From or Sender that the login does not own.

    Raises SenderNotAllowed, and InvalidParameter for a header so long that the summary may not
    have seen all of it: a second From hidden there would escape the check.
    """
    if summary.header_end > MAX_HEADER or raw.count(b"\n", 0, summary.header_end) > MAX_LINES:
        raise InvalidParameter("The header of the message is too long.")
    if not summary.from_:
        raise SenderNotAllowed("The message has no From.")
    authors = {address for _, address in (*summary.from_, *summary.sender)}
    for address in sorted(authors):
        if not await core.store.read(may_send_as, grant=grant, address=address):
            raise SenderNotAllowed(f"You may not send as <{address}>.")
