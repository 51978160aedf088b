"""What a script writes out and can never mean: told at upload, not when mail comes.

A string with variables in it is looked at when it is used, as is a method of `notify`, which
`valid_notify_method` may stand before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from workpost.formats.addresses import AddressError, parse_address_list, parse_mailbox
from workpost.formats.sieve import dates
from workpost.formats.sieve.variables import is_name

ENVELOPE_PARTS = ("from", "to")
IMPORTANCES = ("1", "2", "3")
_NO_ADDRESSES = frozenset(
    {
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "comments",
        "keywords",
        "received",
        "resent-date",
        "resent-message-id",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "content-description",
        "content-id",
        "list-id",
        "auto-submitted",
        "precedence",
        "importance",
    }
)
"""Fields that the `address` test must not be asked of (RFC 5228 5.1)."""


def read_address(text: str) -> str:
    """The address of `ada@example.test` or `Ada <ada@example.test>` (RFC 5228 2.4.2.3).

    Raises AddressError, also for several.
    """
    text = text.strip()
    if text.endswith(">"):
        found = parse_address_list(text)
        if len(found) != 1:
            raise AddressError("it is not one address")
        text = found[0][1]
    return parse_mailbox(text, smtputf8=True)


def complaints(name: str, tags: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    """What is wrong with the strings of a command or test; those with variables are left out."""
    if tags.get(":index") == 0:
        yield ":index counts from 1"
    for zone in strings(tags.get(":zone")):
        if dates.offset_of(zone) is None:
            yield f"{zone[:20]!r} is no time zone such as +0100"
    check = _CHECKS.get(name)
    if check is not None:
        yield from check(tags, values)


def strings(value: object) -> tuple[str, ...]:
    """The strings of an argument."""
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()


def _addresses(what: str, value: object) -> Iterator[str]:
    for text in strings(value):
        try:
            read_address(text)
        except AddressError as error:
            yield f"{what}: {error}"


def _redirect(_: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    yield from _addresses("redirect", values[0])


def _vacation(tags: Mapping[str, object], _: Sequence[object]) -> Iterator[str]:
    for name in (":from", ":addresses"):
        yield from _addresses(f"vacation {name}", tags.get(name))


def _notify(tags: Mapping[str, object], _: Sequence[object]) -> Iterator[str]:
    yield from _addresses("notify :from", tags.get(":from"))
    for text in strings(tags.get(":importance")):
        if text not in IMPORTANCES:
            yield f"{text[:10]!r} is no importance: 1, 2 or 3"


def _fileinto(_: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    if values[0] == "":
        yield "fileinto has no folder"


def _variable(_: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    for text in strings(values[0]) if len(values) > 1 else ():
        if not is_name(text):
            yield f"{text[:40]!r} is no name of a variable"


def _envelope(_: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    for text in strings(values[0]):
        if text.lower() not in ENVELOPE_PARTS:
            yield f"the envelope has no {text[:40]!r}"


def _address(_: Mapping[str, object], values: Sequence[object]) -> Iterator[str]:
    for text in strings(values[0]):
        if text.lower() in _NO_ADDRESSES:
            yield f"{text} holds no addresses, use header"


_CHECKS: dict[str, Callable[[Mapping[str, object], Sequence[object]], Iterator[str]]] = {
    "redirect": _redirect,
    "vacation": _vacation,
    "notify": _notify,
    "fileinto": _fileinto,
    "set": _variable,
    "setflag": _variable,
    "addflag": _variable,
    "removeflag": _variable,
    "hasflag": _variable,
    "envelope": _envelope,
    "address": _address,
}
