"""Texts of LDAP: filters (RFC 4515), distinguished names (RFC 4514), identifiers and times.

Whatever comes from outside goes into a filter through `escape_value` or `escape_bytes`, and into a
name through `escape_dn`: nothing in it can then end the value that it stands for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid

MAX_DN = 8192
"""Characters of a distinguished name that are looked at."""

MAX_KEY = 2000
"""Octets of the key of a name: PostgreSQL has no index entry beyond 2,704."""
MAX_STAMP = 40

_SPECIAL = frozenset('"+,;<>\\=#')
_HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TIME = re.compile(r"[0-9]{14}(\.[0-9]+)?Z")


class LdapTextError(ValueError):
    """The text is not what its grammar allows."""


def escape_bytes(value: bytes) -> str:
    """An assertion value of a filter, every byte escaped (RFC 4515 3)."""
    return "".join(f"\\{byte:02x}" for byte in value)


def escape_value(value: str) -> str:
    """An assertion value of a filter (RFC 4515 3): escaped but for letters, digits and `.-_@`."""
    return "".join(
        character
        if character.isascii() and (character.isalnum() or character in ".-_@")
        else escape_bytes(character.encode("utf-8", "surrogatepass"))
        for character in value
    )


def escape_dn(value: str) -> str:
    """An attribute value inside a distinguished name (RFC 4514 2.4)."""
    text = "".join(_escape_dn_character(character) for character in value)
    if text[:1] == " ":
        text = "\\" + text
    if value[-1:] == " " and len(value) > 1:
        text = text[:-1] + "\\ "
    return text


def _escape_dn_character(character: str) -> str:
    if character in _SPECIAL:
        return "\\" + character
    return f"\\{ord(character):02x}" if character < " " else character


def parse_dn(text: str) -> list[list[tuple[str, str]]]:
    """A distinguished name as its relative names, each a list of (type, value).

    Values are unescaped text; a value in `#hex` stays as it is. Raises LdapTextError.
    """
    if len(text) > MAX_DN:
        raise LdapTextError("the name is too long")
    if not text.strip(" "):
        return []
    names: list[list[tuple[str, str]]] = [[]]
    at = 0
    while True:
        kind, at = _parse_type(text, at)
        value, at = _parse_value(text, at)
        names[-1].append((kind, value))
        if at == len(text):
            return names
        if text[at] != "+":
            names.append([])
        at += 1


def _parse_type(text: str, at: int) -> tuple[str, int]:
    end = text.find("=", at)
    kind = text[at:end].strip(" ") if end >= 0 else ""
    if not _TYPE.fullmatch(kind):
        raise LdapTextError("an attribute type is missing")
    return kind, end + 1


def _parse_value(text: str, at: int) -> tuple[str, int]:
    """The value that begins at `at`, and where the separator behind it, or the end, is."""
    found = bytearray()
    kept = 0
    """Length up to which trailing spaces are escaped ones."""
    while at < len(text) and text[at] == " ":
        at += 1
    while at < len(text) and text[at] not in ",;+":
        character = text[at]
        if character == "\\":
            pair = _HEX_PAIR.match(text, at + 1)
            if pair is not None:
                found.append(int(pair[0], 16))
                at += 3
            elif at + 1 < len(text) and (text[at + 1] in _SPECIAL or text[at + 1] == " "):
                found += text[at + 1].encode()
                at += 2
            else:
                raise LdapTextError("a backslash escapes nothing")
            kept = len(found)
            continue
        found += character.encode("utf-8", "surrogatepass")
        at += 1
    while len(found) > kept and found.endswith(b" "):
        del found[-1]
    try:
        return found.decode("utf-8", "surrogatepass"), at
    except UnicodeDecodeError:
        raise LdapTextError("an escaped value is not UTF-8") from None


def fold_dn(text: str) -> str:
    """The key under which equal distinguished names are found; what does not parse is its own.

    Case, spaces around separators and the way of escaping make no difference. The key of a long
    name is a digest.
    """
    try:
        key = _join_folded(parse_dn(text))
    except LdapTextError:
        key = text.lower()
    octets = key.encode("utf-8", "surrogatepass")
    if len(octets) <= MAX_KEY and not _SURROGATE.search(key):
        return key
    return hashlib.blake2b(octets, digest_size=32).hexdigest()


def _join_folded(names: list[list[tuple[str, str]]]) -> str:
    return ",".join(
        "+".join(sorted(f"{kind.lower()}={_fold_value(value)}" for kind, value in name))
        for name in names
    )


def _fold_value(value: str) -> str:
    return escape_dn(" ".join(value.lower().split()))


def read_guid(value: bytes) -> str:
    """The text of an objectGUID ([MS-DTYP] 2.3.4.2). Raises LdapTextError."""
    if len(value) != 16:
        raise LdapTextError("a GUID has 16 bytes")
    return str(uuid.UUID(bytes_le=value))


def guid_bytes(text: str) -> bytes:
    """The bytes of an objectGUID. Raises LdapTextError."""
    try:
        return uuid.UUID(text).bytes_le
    except ValueError:
        raise LdapTextError("this is not a GUID") from None


def read_uuid(value: bytes) -> str:
    """The text of an entryUUID (RFC 4530 2.1), in lower case. Raises LdapTextError."""
    try:
        return str(uuid.UUID(value.decode("ascii")))
    except ValueError:
        raise LdapTextError("this is not a UUID") from None


def read_sid(value: bytes) -> str:
    """The text `S-1-...` of an objectSid ([MS-DTYP] 2.4.2). Raises LdapTextError."""
    if len(value) < 8 or value[0] != 1 or not 1 <= value[1] <= 15 or len(value) != 8 + 4 * value[1]:
        raise LdapTextError("this is not a SID of revision 1")
    authority = int.from_bytes(value[2:8], "big")
    parts = [int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4)]
    # Authorities of more than 32 bits are written in hexadecimal.
    top = str(authority) if authority < 1 << 32 else f"0x{authority:012x}"
    return "-".join(["S", "1", top, *map(str, parts)])


def write_time(at: int) -> str:
    """A time in ms since the epoch as generalized time in UTC (RFC 4517 3.3.13)."""
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y%m%d%H%M%SZ")


def is_later(one: str, other: str) -> bool:
    """Whether a stamp of change (a number, or a generalized time) is later than another one.

    "" is earlier than all others.
    """
    if one.isdigit() and other.isdigit():
        return int(one) > int(other)
    return one > other


def is_stamp(text: str) -> bool:
    """Whether a text is a stamp of change: a number or a generalized time in UTC."""
    number = text.isascii() and text.isdigit()
    return len(text) <= MAX_STAMP and (number or _TIME.fullmatch(text) is not None)
