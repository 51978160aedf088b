"""What the server says it can do (RFC 3501 7.2.1)."""

from __future__ import annotations

from functools import lru_cache

_ALWAYS = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN"
_LOGGED_IN = (
    "UNSELECT UIDPLUS MOVE CONDSTORE QRESYNC SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED "
    "LIST-STATUS WITHIN"
)


@lru_cache(maxsize=4)
def before_login(*, starttls: bool, login: bool) -> str:
    """Capabilities of a client that has not logged in."""
    names = [_ALWAYS, _LOGGED_IN]
    if starttls:
        names.append("STARTTLS")
    names.append("AUTH=PLAIN" if login else "LOGINDISABLED")
    return " ".join(names)


@lru_cache(maxsize=4)
def after_login(message_limit: int) -> str:
    """Capabilities of a client that has logged in; APPENDLIMIT is RFC 7889."""
    return f"{_ALWAYS} {_LOGGED_IN} APPENDLIMIT={message_limit}"
