"""Which mailbox a command means: by its number, as `workpost check` shows it, or by address."""

from __future__ import annotations

from workpost.formats.addresses import fold
from workpost.kernel.errors import ResourceNotFound
from workpost.store.core import Core
from workpost.store.tables.addresses import get_holder
from workpost.store.tables.mailboxes import MailboxRow, get_mailbox

METAVAR = "MAILBOX"
HELP = "its address, or its number as `workpost check` shows it"


async def find_mailbox(core: Core, text: str) -> MailboxRow:
    """The mailbox of this number or address. Raises ResourceNotFound."""
    number = 0
    if text.isdecimal():
        number = int(text)
    elif holder := await core.store.read(get_holder, addr_fold=fold(text)):
        number = holder.mailbox
    row = await core.store.read(get_mailbox, mailbox=number) if 0 < number < 1 << 63 else None
    if row is None:
        raise ResourceNotFound(f"there is no mailbox {text}")
    return row
