"""E-mail addresses: keys for look-ups, strict envelope syntax, tolerant header lists."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

from workpost.formats.address_syntax import Mailbox, scan
from workpost.formats.encoded_words import decode_words

MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_ADDRESS = 254
MAX_LABEL = 63
KEPT = 4_096
"""Addresses whose keys are remembered: the same ones are folded at every step of a message."""
KEPT_LENGTH = 320
"""Lengths in octets (RFC 5321 4.5.3.1; the path of 256 includes its angle brackets)."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOM8 = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_ATOM8 = re.compile(rf"{_ATOM8}(?:\.{_ATOM8})*")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*+)"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_OTHER_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


class AddressError(ValueError):
    """The text is no mailbox of RFC 5321; the message says why, in words fit for a reply."""


def fold(address: str) -> str:
    """Return the key under which the address table holds `address`; never raises.

    Upper and lower case, composed and decomposed characters, a quoted local part that needs no
    quotes, a trailing dot of the domain, and the A-label and U-label of one name (RFC 5890) all
    give one key. Folding a key gives the key. Takes domains, too.
    """
    return _folded(address) if len(address) <= KEPT_LENGTH else _fold(address)


def _fold(address: str) -> str:
    if address.isascii() and '"' not in address:
        folded = address.strip().lower()
        if "xn--" not in folded and not folded.endswith("."):
            return folded
    local, domain = split(address.strip())
    if local.startswith('"'):
        local = quote_local(unquote_local(local))
    local = _caseless(local)
    domain = fold_domain(domain)
    return f"{local}@{domain}" if "@" in address else local or domain


_folded = lru_cache(KEPT)(_fold)


def fold_domain(domain: str) -> str:
    """Return the key of a domain name: lower case, NFC, U-labels, no trailing dot."""
    domain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", domain).lower())
    domain = domain.translate(_OTHER_DOTS)
    if "xn--" in domain:
        domain = ".".join(
            _u_label(label) if label.startswith("xn--") else label for label in domain.split(".")
        )
    return domain.rstrip(".")


def ascii_domain(domain: str) -> str:
    """Return a folded domain with A-labels for its U-labels, as DNS has it.

    A label that is too long for any A-label stays: encoding takes a time that grows with its cube.
    """
    if domain.isascii():
        return domain
    return ".".join(
        label
        if label.isascii() or len(label) >= MAX_LABEL
        else "xn--" + label.encode("punycode").decode("ascii")
        for label in domain.split(".")
    )


def _caseless(text: str) -> str:
    """Canonical caseless matching (Unicode 3.13, D145), composed again."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def _u_label(label: str) -> str:
    """Return the U-label of a lower-case A-label, or the label itself if it is no good one."""
    if len(label) > MAX_LABEL or not label.isascii():
        return label
    try:
        text = label[4:].encode("ascii").decode("punycode")
        if text.isascii() or text.encode("punycode").decode("ascii") != label[4:]:
            return label
    except ValueError:
        return label
    if unicodedata.normalize("NFC", text).lower() != text:
        return label
    if all(c.isalnum() or c == "-" or unicodedata.category(c)[0] == "M" for c in text):
        return text
    return label


def split(address: str) -> tuple[str, str]:
    """Return (local part, domain) at the last `@`; without one, (address, "")."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, "")


def with_a_labels(address: str) -> str:
    """An address with its domain as the DNS has it; the local part stays as it is written."""
    if address.isascii():
        return address
    local, domain = split(address)
    return f"{local}@{ascii_domain(fold_domain(domain))}"


def base_of_subaddress(address: str) -> str | None:
    """Return `ada@demo.test` for `ada+lists@demo.test` (RFC 5233), None if there is no such base.

    The local part is cut at its first `+`; quoted ones have no base.
    """
    local, domain = split(address)
    base, plus, _ = local.partition("+")
    if not plus or not base or local.startswith('"'):
        return None
    return f"{base}@{domain}"


def unquote_local(local: str) -> str:
    """Return a local part without its quotes and quoted pairs (RFC 5321 4.1.2)."""
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return local
    return re.sub(r"\\(.)", r"\1", local[1:-1], flags=re.DOTALL)


def quote_local(local: str) -> str:
    """Return a plain local part in quotes if it needs them."""
    if _DOT_ATOM8.fullmatch(local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_mailbox(text: str, *, smtputf8: bool = False) -> str:
    """Check a Mailbox of an SMTP path, without its brackets (RFC 5321 4.1.2, RFC 6531 3.3).

    Returns it in its simplest spelling: quotes only where needed, the domain as given. UTF-8 is
    allowed in both parts with `smtputf8`. Raises AddressError for anything else, also for what
    is longer than 64 octets before and 255 after the `@`, or 254 in all.
    """
    if len(text) > MAX_ADDRESS or len(text.encode("utf-8", "replace")) > MAX_ADDRESS:
        raise AddressError("the address is longer than 254 octets")
    if not text.isascii():
        if not smtputf8:
            raise AddressError("the address needs SMTPUTF8")
        _check_unicode(text)
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise AddressError("the address is not of the form local-part@domain")
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError("the local part is longer than 64 octets")
    if local[0] == '"':
        match = _QUOTED.fullmatch(local)
        if match is None:
            raise AddressError("the quoted local part is malformed")
        local = quote_local(unquote_local(local))
    elif not _DOT_ATOM8.fullmatch(local):
        raise AddressError("the local part has characters that need quoting")
    if domain[0] == "[":
        _check_literal(domain)
    else:
        check_domain(domain)
    return f"{local}@{domain}"


def _check_unicode(text: str) -> None:
    for char in text:
        # Controls, surrogates, format characters, unassigned ones, and separators.
        if char > "\x7f" and unicodedata.category(char)[0] in "CZ":
            raise AddressError("the address has characters that no address may have")


def _check_literal(domain: str) -> None:
    if not domain.endswith("]"):
        raise AddressError("the address literal is not closed")
    inner = domain[1:-1]
    try:
        if inner[:5].upper() == "IPV6:":
            if "%" in inner:
                raise AddressError("the address literal has a zone")
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ipaddress.AddressValueError:
        raise AddressError("the address literal is no IP address") from None


def check_domain(domain: str) -> None:
    """Raise AddressError unless `domain` is a Domain of RFC 5321 4.1.2 or 6531 3.3."""
    if len(domain.encode("utf-8", "replace")) > MAX_DOMAIN:
        raise AddressError("the domain is longer than 255 octets")
    for label in domain.split("."):
        if not label:
            raise AddressError("the domain has an empty label")
        if len(label.encode("utf-8", "replace")) > MAX_LABEL:
            raise AddressError("a label of the domain is longer than 63 octets")
        if label.isascii():
            good = _LABEL.fullmatch(label) is not None
        else:
            good = label[0] != "-" != label[-1] and all(
                c == "-" or c.isalnum() or unicodedata.category(c)[0] == "M" for c in label
            )
        if not good:
            raise AddressError("the domain has characters that no domain name may have")


def parse_address_list(value: bytes | str) -> tuple[tuple[str, str], ...]:
    """Return the (display name, address) pairs of a From, To, ... value; never raises.

    Takes everything RFC 5322 allows (groups flattened, comments, routes, folding removed) and
    what senders really write; encoded words are decoded. `address` has no `@` where the sender
    gave no domain. Linear in time; at most 5,000 addresses.
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    return decode_entries(scan(raw.decode("latin-1")))


def decode_entries(entries: list[Mailbox]) -> tuple[tuple[str, str], ...]:
    """Return the (display name, address) pairs of what `address_syntax.scan` found."""
    out: list[tuple[str, str]] = []
    for name, _, local, domain in entries:
        if local is None or domain is None:
            continue
        text = _text(local)
        if domain:
            text = f"{quote_local(text)}@{_text(domain)}"
        out.append((_text(name) if name else "", text))
    return tuple(out)


def _text(value: str) -> str:
    if value.isascii() and value.isprintable() and "=?" not in value:
        return value
    return decode_words(value.encode("latin-1"))
