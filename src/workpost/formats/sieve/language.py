"""Every command and test that is understood, with its arguments and the capability it needs.

The one table of the language: what is not in it does not exist.
"""

from __future__ import annotations

from typing import NamedTuple

STRING = "a string"
STRINGS = "a string or a list of strings"
NUMBER = "a number"

COMPARATORS = ("i;octet", "i;ascii-casemap", "i;ascii-numeric", "i;unicode-casemap")
CAPABILITIES = (
    "body",
    "comparator-i;ascii-casemap",
    "comparator-i;ascii-numeric",
    "comparator-i;octet",
    "comparator-i;unicode-casemap",
    "copy",
    "date",
    "duplicate",
    "editheader",
    "encoded-character",
    "enotify",
    "envelope",
    "ereject",
    "fileinto",
    "imap4flags",
    "index",
    "mailbox",
    "regex",
    "reject",
    "relational",
    "special-use",
    "subaddress",
    "vacation",
    "vacation-seconds",
    "variables",
)
"""What `require` may name, and what ManageSieve announces."""


class Tagged(NamedTuple):
    """A tagged argument: the type of the value behind it, None for a switch.

    Of one `group` only one may be given; `needs` is the capability it comes with, `only_with`
    another tag that it makes sense beside.
    """

    value: str | None = None
    group: str = ""
    needs: str = ""
    only_with: str = ""


class Spec(NamedTuple):
    """A command or test; `positional` are the types of its arguments, the last `optional` first.

    `tests`: how many tests follow, -1 for a list of at least one. `early`: how many of the first
    positional arguments may be left out, and the capability that they need.
    """

    positional: tuple[str, ...] = ()
    tags: dict[str, Tagged] = {}  # noqa: RUF012 - never changed
    needs: tuple[str, ...] = ()
    """Any of these capabilities will do; none: it is of the base language."""
    tests: int = 0
    block: bool = False
    may_omit_first: str = ""
    """The first positional argument may be left out; given, it needs this capability."""
    may_omit_last: bool = False


_MATCH = {
    ":is": Tagged(group="match type"),
    ":contains": Tagged(group="match type"),
    ":matches": Tagged(group="match type"),
    ":regex": Tagged(group="match type", needs="regex"),
    ":count": Tagged(STRING, group="match type", needs="relational"),
    ":value": Tagged(STRING, group="match type", needs="relational"),
    ":comparator": Tagged(STRING),
}
_PART = {
    ":localpart": Tagged(group="address part"),
    ":domain": Tagged(group="address part"),
    ":all": Tagged(group="address part"),
    ":user": Tagged(group="address part", needs="subaddress"),
    ":detail": Tagged(group="address part", needs="subaddress"),
}
_INDEX = {
    ":index": Tagged(NUMBER, needs="index"),
    ":last": Tagged(needs="index", only_with=":index"),
}
_FLAGS = {":flags": Tagged(STRINGS, needs="imap4flags")}
_MODIFIERS = {
    ":lower": Tagged(group="case"),
    ":upper": Tagged(group="case"),
    ":lowerfirst": Tagged(group="first case"),
    ":upperfirst": Tagged(group="first case"),
    ":quotewildcard": Tagged(group="quoting"),
    ":quoteregex": Tagged(group="quoting", needs="regex"),
    ":length": Tagged(),
    ":encodeurl": Tagged(needs="enotify"),
}
_ZONE = {
    ":zone": Tagged(STRING, group="zone"),
    ":originalzone": Tagged(group="zone"),
}

COMMANDS: dict[str, Spec] = {
    "require": Spec((STRINGS,)),
    "if": Spec(tests=1, block=True),
    "elsif": Spec(tests=1, block=True),
    "else": Spec(block=True),
    "stop": Spec(),
    "keep": Spec(tags=_FLAGS),
    "discard": Spec(),
    "fileinto": Spec(
        (STRING,),
        {
            ":copy": Tagged(needs="copy"),
            ":create": Tagged(needs="mailbox"),
            ":specialuse": Tagged(STRING, needs="special-use"),
            **_FLAGS,
        },
        ("fileinto",),
    ),
    "redirect": Spec((STRING,), {":copy": Tagged(needs="copy")}),
    "reject": Spec((STRING,), needs=("reject",)),
    "ereject": Spec((STRING,), needs=("ereject",)),
    "vacation": Spec(
        (STRING,),
        {
            ":days": Tagged(NUMBER, group="period"),
            ":seconds": Tagged(NUMBER, group="period", needs="vacation-seconds"),
            ":subject": Tagged(STRING),
            ":from": Tagged(STRING),
            ":addresses": Tagged(STRINGS),
            ":mime": Tagged(),
            ":handle": Tagged(STRING),
        },
        ("vacation", "vacation-seconds"),
    ),
    "setflag": Spec((STRING, STRINGS), needs=("imap4flags",), may_omit_first="variables"),
    "addflag": Spec((STRING, STRINGS), needs=("imap4flags",), may_omit_first="variables"),
    "removeflag": Spec((STRING, STRINGS), needs=("imap4flags",), may_omit_first="variables"),
    "set": Spec((STRING, STRING), _MODIFIERS, ("variables",)),
    "addheader": Spec((STRING, STRING), {":last": Tagged()}, ("editheader",)),
    "deleteheader": Spec(
        (STRING, STRINGS),
        {**_MATCH, ":index": Tagged(NUMBER), ":last": Tagged(only_with=":index")},
        ("editheader",),
        may_omit_last=True,
    ),
    "notify": Spec(
        (STRING,),
        {
            ":from": Tagged(STRING),
            ":importance": Tagged(STRING),
            ":options": Tagged(STRINGS),
            ":message": Tagged(STRING),
        },
        ("enotify",),
    ),
}

TESTS: dict[str, Spec] = {
    "true": Spec(),
    "false": Spec(),
    "not": Spec(tests=1),
    "allof": Spec(tests=-1),
    "anyof": Spec(tests=-1),
    "address": Spec((STRINGS, STRINGS), {**_MATCH, **_PART, **_INDEX}),
    "envelope": Spec((STRINGS, STRINGS), {**_MATCH, **_PART}, ("envelope",)),
    "header": Spec((STRINGS, STRINGS), {**_MATCH, **_INDEX}),
    "exists": Spec((STRINGS,)),
    "size": Spec((NUMBER,), {":over": Tagged(group="bound"), ":under": Tagged(group="bound")}),
    "body": Spec(
        (STRINGS,),
        {
            **_MATCH,
            ":raw": Tagged(group="transform"),
            ":content": Tagged(STRINGS, group="transform"),
            ":text": Tagged(group="transform"),
        },
        ("body",),
    ),
    "hasflag": Spec((STRINGS, STRINGS), _MATCH, ("imap4flags",), may_omit_first="variables"),
    "string": Spec((STRINGS, STRINGS), _MATCH, ("variables",)),
    "date": Spec((STRING, STRING, STRINGS), {**_MATCH, **_INDEX, **_ZONE}, ("date",)),
    "currentdate": Spec((STRING, STRINGS), {**_MATCH, ":zone": Tagged(STRING)}, ("date",)),
    "duplicate": Spec(
        (),
        {
            ":handle": Tagged(STRING),
            ":header": Tagged(STRING, group="identity"),
            ":uniqueid": Tagged(STRING, group="identity"),
            ":seconds": Tagged(NUMBER),
            ":last": Tagged(),
        },
        ("duplicate",),
    ),
    "mailboxexists": Spec((STRINGS,), needs=("mailbox",)),
    "specialuse_exists": Spec((STRING, STRINGS), needs=("special-use",), may_omit_first="*"),
    "valid_notify_method": Spec((STRINGS,), needs=("enotify",)),
    "notify_method_capability": Spec((STRING, STRING, STRINGS), _MATCH, ("enotify",)),
}
