"""The out-of-office setting of a mailbox: who hears what while its owner is away.

Web mail and EWS set the same; `operations/mailflow/answering` answers by it, as by `vacation` of a
Sieve script (RFC 5230): each sender once per absence and period, never lists and machines.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.policy import check_grant
from workpost.kernel.errors import InvalidParameter, MailboxNotFound
from workpost.kernel.principal import Grant, Right
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.keys import sealing
from workpost.store.tables import mailboxes, out_of_office
from workpost.store.tables.out_of_office import DISABLED, ENABLED, SCHEDULED, AwayRow

STATES = (DISABLED, ENABLED, SCHEDULED)
INSIDE = "INSIDE"
EVERYONE = "EVERYONE"
AUDIENCES = (INSIDE, EVERYONE)
"""Who hears an answer at all: people of the organization, or also everybody else."""
MAX_TEXT = 64 * 1024
"""Characters of each text."""
LAST = 1 << 53


class OutOfOffice(msgspec.Struct, frozen=True, kw_only=True):
    """The setting; `starts` and `ends` in ms since the epoch count when it is SCHEDULED.

    `internal` is told to people of the organization, `external` to others, where `audience` is
    EVERYONE and it is not empty.
    """

    state: str = DISABLED
    starts: int = 0
    ends: int = 0
    internal: str = ""
    external: str = ""
    audience: str = INSIDE

    def is_away(self, now: int) -> bool:
        """Whether answers are due at a time."""
        if self.state == SCHEDULED:
            return self.starts <= now < self.ends
        return self.state == ENABLED

    def text_for(self, *, inside: bool) -> str:
        """What a sender is told, "" for nothing."""
        if inside:
            return self.internal
        return self.external if self.audience == EVERYONE else ""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of a setting."""

    internal: str
    external: str
    audience: str


_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(_Sealed).decode


def check(setting: OutOfOffice) -> None:
    """Raise InvalidParameter for what no mailbox can have."""
    if setting.state not in STATES:
        raise InvalidParameter(f"The state is one of {', '.join(STATES)}.")
    if setting.audience not in AUDIENCES:
        raise InvalidParameter(f"The audience is one of {', '.join(AUDIENCES)}.")
    if not (0 <= setting.starts <= LAST and 0 <= setting.ends <= LAST):
        raise InvalidParameter("The times are not times.")
    if setting.state == SCHEDULED and setting.starts >= setting.ends:
        raise InvalidParameter("The absence ends before it begins.")
    for text in (setting.internal, setting.external):
        if len(text) > MAX_TEXT:
            raise InvalidParameter(f"A text has at most {MAX_TEXT} characters.")
        if any("\ud800" <= char < "\ue000" or char == "\0" for char in text):
            raise InvalidParameter("A text holds a character that cannot be sent.")
    if setting.state != DISABLED and not setting.text_for(inside=True):
        raise InvalidParameter("The text for people of the organization is missing.")


@quick
def read_setting(tx: Reader, *, grant: Grant) -> AwayRow | None:
    """The row of the grant's mailbox."""
    check_grant(tx, grant, Right.READ)
    return out_of_office.get_setting(tx, mailbox=grant.mailbox)


@command
def write_setting(tx: Tx, *, grant: Grant, row: AwayRow) -> None:
    """Write the row of the grant's mailbox. Raises MailboxNotFound."""
    check_grant(tx, grant, Right.WRITE)
    box = mailboxes.lock_mailbox(tx, mailbox=grant.mailbox)
    if box is None or box.org != grant.organization or box.state != mailboxes.ACTIVE:
        raise MailboxNotFound("The mailbox is not available.")
    if row.mailbox != grant.mailbox:
        raise MailboxNotFound("The mailbox does not exist.")
    out_of_office.put_setting(tx, row)


async def get_out_of_office(core: Core, grant: Grant) -> OutOfOffice:
    """The setting of the grant's mailbox."""
    row = await core.store.read(read_setting, grant=grant)
    return OutOfOffice() if row is None else await open_setting(core, grant.organization, row)


async def put_out_of_office(core: Core, grant: Grant, setting: OutOfOffice) -> None:
    """Replace the setting; who was answered before is answered anew. Raises InvalidParameter."""
    check(setting)
    key = await core.keys.mailbox(grant.organization, grant.mailbox)
    told = _Sealed(setting.internal, setting.external, setting.audience)
    sealed = sealing.seal(key.key, _encode(told), place(grant.organization, grant.mailbox))
    row = AwayRow(
        grant.mailbox,
        setting.state,
        setting.starts,
        setting.ends,
        sealed,
        key.gen,
        core.env.now(),
    )
    await core.store.write(write_setting, grant=grant, row=row)


async def open_setting(core: Core, organization: str, row: AwayRow) -> OutOfOffice:
    """The setting of a row of an organization's mailbox. Raises Fault, KeyDestroyed, TryLater."""
    key = await core.keys.mailbox(organization, row.mailbox, row.gen)
    told = _decode(sealing.unseal(key.key, row.sealed, place(organization, row.mailbox)))
    return OutOfOffice(
        state=row.state,
        starts=row.starts,
        ends=row.ends,
        internal=told.internal,
        external=told.external,
        audience=told.audience,
    )


def place(organization: str, mailbox: int) -> bytes:
    """Where the sealed texts of a mailbox belong."""
    return sealing.place("out_of_office", "sealed", organization, mailbox, "setting")
