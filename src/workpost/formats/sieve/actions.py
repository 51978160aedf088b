"""What a script wants done, in its words; and what it may ask about the world around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo

import msgspec


class Keep(msgspec.Struct, frozen=True):
    """File into the INBOX; `flags` are IMAP's, None where the script says nothing of them."""

    flags: tuple[str, ...] | None = None


class FileInto(msgspec.Struct, frozen=True):
    """File into a folder; `create` makes it, `special_use` is tried first (RFC 8579 3.1)."""

    folder: str
    flags: tuple[str, ...] | None = None
    create: bool = False
    special_use: str = ""


class Redirect(msgspec.Struct, frozen=True):
    """Send on to an address (RFC 5228 4.2)."""

    address: str


class Reject(msgspec.Struct, frozen=True):
    """Refuse the message (RFC 5429); `during` asks for a refusal while SMTP still listens."""

    reason: str
    during: bool


class Vacation(msgspec.Struct, frozen=True):
    """Answer the sender, once in a while (RFC 5230); `seconds` None for the default period."""

    reason: str
    handle: str
    seconds: int | None = None
    subject: str = ""
    from_: str = ""
    addresses: tuple[str, ...] = ()
    mime: bool = False


class Notify(msgspec.Struct, frozen=True):
    """Tell somebody (RFC 5435, 5436); `importance` is 1, 2 or 3."""

    method: str
    message: str = ""
    from_: str = ""
    importance: int = 2
    options: tuple[str, ...] = ()


Action = Keep | FileInto | Redirect | Reject | Vacation | Notify


class Seen(msgspec.Struct, frozen=True):
    """An id that `duplicate` asked for (RFC 7352), to be remembered for `seconds`.

    `renew` counts the time from this message on, not from the first.
    """

    handle: str
    identity: str
    seconds: int
    renew: bool


class Result(msgspec.Struct, frozen=True):
    """What came of a run: the actions in order; the implicit keep is one of them.

    No action at all means discarded. `message` has the header as edited, None where nobody
    edited it. `error` tells why the script was broken off: then the message is kept. `flags` are
    those of a keep that the script did not ask for, where an action turns out to be impossible.
    """

    actions: list[Action]
    seen: list[Seen]
    message: bytes | None = None
    error: str = ""
    flags: tuple[str, ...] | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may ask for. Callables answer at once, from what was looked up before."""

    sender: str
    recipient: str
    now: float
    """Seconds since 1970, UTC."""
    zone: tzinfo = UTC
    """Of the owner's clock (RFC 5260 4.1)."""
    folder_exists: Callable[[str], bool] = lambda _: False
    special_use_exists: Callable[[str, Sequence[str]], bool] = lambda _, __: False
    was_seen: Callable[[str, str], bool] = lambda _, __: False
    """Whether an id of a handle was remembered (RFC 7352)."""
    is_late: Callable[[], bool] = lambda: False
    """Whether the run has taken all the time that it has."""
