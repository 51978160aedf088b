"""From a frame to a command."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from workpost.protocols.imap.wire import commands
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.parse_fetch import parse_fetch, parse_store
from workpost.protocols.imap.wire.parse_mailbox import (
    parse_append,
    parse_create,
    parse_list,
    parse_lsub,
    parse_rename,
    parse_select,
    parse_status,
)
from workpost.protocols.imap.wire.parse_search import parse_search
from workpost.protocols.imap.wire.tokens import Cursor

MAX_ID_FIELDS = 30

_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,255}(?= )")


def parse(parts: tuple[bytes, ...]) -> commands.Command:
    """Parse the parts of a Frame. Raises WireError, with the tag if it was readable."""
    cursor = Cursor(parts)
    tag = cursor.match(_TAG, "tag and command")[0]
    try:
        cursor.space()
        name = cursor.atom().upper()
        read = _READERS.get(name)
        if read is None:
            raise WireError("Unknown command")
        return read(tag, cursor)
    except WireError as error:
        error.tag = tag
        raise


def is_done(parts: tuple[bytes, ...]) -> bool:
    """Return whether a frame is the DONE that ends IDLE (RFC 2177)."""
    return len(parts) == 1 and parts[0].strip().upper() == b"DONE"


def sasl_answer(line: bytes) -> bytes | None:
    """Decode a client's line in a SASL exchange; None when it cancels with `*`.

    Raises WireError when the line is no base64 (RFC 3501 section 6.2.2).
    """
    return None if line == b"*" else _base64(line)


def _base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise WireError("Invalid base64") from None


_Reader = Callable[[bytes, Cursor], commands.Command]


def _bare(make: type[commands.Command]) -> _Reader:
    def read(tag: bytes, cursor: Cursor) -> commands.Command:
        cursor.end()
        return make(tag)

    return read


def _login(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    user = cursor.text_string("User name")
    cursor.space()
    password = cursor.text_string("Password")
    cursor.end()
    return commands.Login(tag, user, password)


def _authenticate(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    mechanism = cursor.word()
    initial = None
    if cursor.accept(b" "):
        encoded = cursor.text[cursor.position :]
        cursor.position = len(cursor.text)
        initial = b"" if encoded == b"=" else _base64(encoded)
    cursor.end()
    return commands.Authenticate(tag, mechanism, initial)


def _id(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    fields: list[tuple[str, str | None]] = []
    if not cursor.accept(b"NIL"):
        cursor.expect(b"(")
        while not cursor.accept(b")"):
            if fields:
                cursor.space()
            name = cursor.string()
            cursor.space()
            value = cursor.nstring()
            shown = None if value is None else value.decode("utf-8", "replace")
            fields.append((name.decode("utf-8", "replace"), shown))
            if len(fields) > MAX_ID_FIELDS:
                raise WireError("Too many ID fields")
    cursor.end()
    return commands.Id(tag, tuple(fields))


def _enable(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    names = [cursor.word()]
    while cursor.accept(b" "):
        names.append(cursor.word())
    cursor.end()
    return commands.Enable(tag, tuple(names))


def _delete(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.end()
    return commands.Delete(tag, mailbox)


def _subscription(subscribed: bool) -> _Reader:
    def read(tag: bytes, cursor: Cursor) -> commands.Command:
        cursor.space()
        mailbox = cursor.mailbox()
        cursor.end()
        return commands.Subscribe(tag, mailbox, subscribed)

    return read


def _copy(tag: bytes, cursor: Cursor, uid: bool, move: bool) -> commands.Command:
    cursor.space()
    numbers = cursor.sequence_set()
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.end()
    return commands.Copy(tag, uid, numbers, mailbox, move)


def _uid(tag: bytes, cursor: Cursor) -> commands.Command:
    cursor.space()
    name = cursor.atom().upper()
    read = _NUMBERED.get(name)
    if read is not None:
        return read(tag, cursor, True)
    if name != b"EXPUNGE":
        raise WireError("Unknown UID command")
    cursor.space()
    uids = cursor.sequence_set()
    cursor.end()
    return commands.Expunge(tag, uids)


_NUMBERED: dict[bytes, Callable[[bytes, Cursor, bool], commands.Command]] = {
    b"FETCH": parse_fetch,
    b"STORE": parse_store,
    b"SEARCH": parse_search,
    b"COPY": lambda tag, cursor, uid: _copy(tag, cursor, uid, False),
    b"MOVE": lambda tag, cursor, uid: _copy(tag, cursor, uid, True),
}


def _without_uid(name: bytes) -> _Reader:
    read = _NUMBERED[name]
    return lambda tag, cursor: read(tag, cursor, False)


_READERS: dict[bytes, _Reader] = {
    b"CAPABILITY": _bare(commands.Capability),
    b"NOOP": _bare(commands.Noop),
    b"LOGOUT": _bare(commands.Logout),
    b"STARTTLS": _bare(commands.StartTls),
    b"NAMESPACE": _bare(commands.Namespace),
    b"IDLE": _bare(commands.Idle),
    b"CHECK": _bare(commands.Check),
    b"CLOSE": _bare(commands.Close),
    b"UNSELECT": _bare(commands.Unselect),
    b"EXPUNGE": _bare(commands.Expunge),
    b"LOGIN": _login,
    b"AUTHENTICATE": _authenticate,
    b"ID": _id,
    b"ENABLE": _enable,
    b"SELECT": lambda tag, cursor: parse_select(tag, cursor, False),
    b"EXAMINE": lambda tag, cursor: parse_select(tag, cursor, True),
    b"CREATE": parse_create,
    b"DELETE": _delete,
    b"RENAME": parse_rename,
    b"SUBSCRIBE": _subscription(True),
    b"UNSUBSCRIBE": _subscription(False),
    b"LIST": parse_list,
    b"LSUB": parse_lsub,
    b"STATUS": parse_status,
    b"APPEND": parse_append,
    b"UID": _uid,
    **{name: _without_uid(name) for name in _NUMBERED},
}
