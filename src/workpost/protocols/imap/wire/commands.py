"""The commands of a client, as values. Each has the tag and what the command says, no more.

Mailbox names are text, flags are text (`\\Seen`, `$Forwarded`), sets are SequenceSet, times are
seconds of the Unix epoch. `uid` says that the command came with UID before it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from workpost.protocols.imap.wire.sequence import SequenceSet


class Command(msgspec.Struct, frozen=True):
    """What every command has. `tag` is as the client wrote it."""

    tag: bytes


class Capability(Command, frozen=True):
    """CAPABILITY, RFC 3501 section 6.1.1."""


class Noop(Command, frozen=True):
    """NOOP, RFC 3501 section 6.1.2."""


class Logout(Command, frozen=True):
    """LOGOUT, RFC 3501 section 6.1.3."""


class Id(Command, frozen=True):
    """ID, RFC 2971: what the client says of itself, empty for NIL."""

    fields: tuple[tuple[str, str | None], ...]


class StartTls(Command, frozen=True):
    """STARTTLS, RFC 3501 section 6.2.1."""


class Authenticate(Command, frozen=True):
    """AUTHENTICATE, RFC 3501 section 6.2.2 and RFC 4959; `initial` is decoded, None if absent."""

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"Authenticate(tag={self.tag!r}, mechanism={self.mechanism!r})"


class Login(Command, frozen=True):
    """LOGIN, RFC 3501 section 6.2.3. Its repr leaves the password out."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(tag={self.tag!r}, user={self.user!r})"


class Enable(Command, frozen=True):
    """ENABLE, RFC 5161; names in upper case."""

    names: tuple[str, ...]


class Namespace(Command, frozen=True):
    """NAMESPACE, RFC 2342."""


class Idle(Command, frozen=True):
    """IDLE, RFC 2177. The DONE that ends it is a line of its own, see `is_done`."""


class KnownUids(msgspec.Struct, frozen=True):
    """What a client remembers of a folder: QRESYNC, RFC 7162 section 3.2.5.

    `uids` is None when not given; `numbers` and `number_uids` are the optional sequence match
    data, of equal length.
    """

    uidvalidity: int
    modseq: int
    uids: SequenceSet | None = None
    numbers: SequenceSet = ()
    number_uids: SequenceSet = ()


class Select(Command, frozen=True):
    """SELECT and EXAMINE (`read_only`), RFC 3501 sections 6.3.1 and 6.3.2."""

    mailbox: str
    read_only: bool
    condstore: bool = False
    qresync: KnownUids | None = None


class Create(Command, frozen=True):
    """CREATE, RFC 3501 section 6.3.3; special uses such as `\\Archive`, RFC 6154 section 3."""

    mailbox: str
    uses: tuple[str, ...] = ()


class Delete(Command, frozen=True):
    """DELETE, RFC 3501 section 6.3.4."""

    mailbox: str


class Rename(Command, frozen=True):
    """RENAME, RFC 3501 section 6.3.5."""

    mailbox: str
    new_name: str


class Subscribe(Command, frozen=True):
    """SUBSCRIBE and UNSUBSCRIBE (`subscribed` false), RFC 3501 sections 6.3.6 and 6.3.7."""

    mailbox: str
    subscribed: bool


StatusItem: TypeAlias = Literal[
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"
]


class List(Command, frozen=True):
    """LIST and LSUB (`lsub`), RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154.

    `select` has SUBSCRIBED, RECURSIVEMATCH, REMOTE, SPECIAL-USE; `show` has SUBSCRIBED,
    CHILDREN, SPECIAL-USE; `status` is what STATUS shows of each mailbox. `extended` says that
    the client used the grammar of RFC 5258.
    """

    reference: str
    patterns: tuple[str, ...]
    lsub: bool = False
    extended: bool = False
    select: frozenset[str] = frozenset()
    show: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()


class Status(Command, frozen=True):
    """STATUS, RFC 3501 section 6.3.10."""

    mailbox: str
    items: tuple[StatusItem, ...]


class Append(Command, frozen=True):
    """APPEND of one message, RFC 3501 section 6.3.11; `received` is None when not given."""

    mailbox: str
    flags: tuple[str, ...]
    received: int | None
    message: bytes


class Check(Command, frozen=True):
    """CHECK, RFC 3501 section 6.4.1."""


class Close(Command, frozen=True):
    """CLOSE, RFC 3501 section 6.4.2."""


class Unselect(Command, frozen=True):
    """UNSELECT, RFC 3691."""


class Expunge(Command, frozen=True):
    """EXPUNGE, RFC 3501 section 6.4.3, or UID EXPUNGE (`uids` given), RFC 4315 section 2.1."""

    uids: SequenceSet | None = None


SearchKey: TypeAlias = tuple[object, ...]
"""A search key as a tuple, the first element its name:

("ALL",) ("RECENT", wanted: bool) ("FLAG", flag, wanted: bool)
("SET", SequenceSet) ("UID", SequenceSet)
("BEFORE" | "ON" | "SINCE" | "SENTBEFORE" | "SENTON" | "SENTSINCE", date)
("LARGER" | "SMALLER", bytes) ("OLDER" | "YOUNGER", seconds) ("MODSEQ", least)
("BCC" | "CC" | "FROM" | "SUBJECT" | "TO" | "BODY" | "TEXT", str) ("HEADER", name, str)
("NOT", key) ("OR", key, key) ("AND", (key, ...))
"""


class Search(Command, frozen=True):
    """SEARCH, RFC 3501 section 6.4.4. `modseq` says that a MODSEQ key occurs (RFC 7162)."""

    uid: bool
    key: SearchKey
    modseq: bool = False


Attribute: TypeAlias = Literal[
    "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ"
]


class Section(msgspec.Struct, frozen=True):
    """Bytes of a message that FETCH asks for.

    `part` is the path (empty: the message), `what` is "", HEADER, HEADER.FIELDS,
    HEADER.FIELDS.NOT, TEXT or MIME, `partial` is (first byte, how many). `label` is the name
    to answer with, origin included. Without `peek` reading sets \\Seen.
    """

    label: bytes
    part: tuple[int, ...] = ()
    what: str = ""
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False


class Fetch(Command, frozen=True):
    """FETCH, RFC 3501 section 6.4.5, with CHANGEDSINCE and VANISHED of RFC 7162.

    `attributes` has each once, in the order asked; macros are resolved.
    """

    uid: bool
    numbers: SequenceSet
    attributes: tuple[Attribute, ...]
    sections: tuple[Section, ...] = ()
    changed_since: int | None = None
    vanished: bool = False


class Store(Command, frozen=True):
    """STORE, RFC 3501 section 6.4.6, with UNCHANGEDSINCE of RFC 7162 section 3.1.3."""

    uid: bool
    numbers: SequenceSet
    mode: Literal["replace", "add", "remove"]
    silent: bool
    flags: tuple[str, ...]
    unchanged_since: int | None = None


class Copy(Command, frozen=True):
    """COPY, RFC 3501 section 6.4.7, and MOVE (`move`), RFC 6851."""

    uid: bool
    numbers: SequenceSet
    mailbox: str
    move: bool = False
