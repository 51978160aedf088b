"""The Sender Rewriting Scheme: sender addresses of forwarded mail, which find their way back.

What is forwarded under its sender's own address fails SPF at the next host. `rewrite` makes a
sender of the forwarding domain that holds the one before, `reverse` opens it when a bounce comes:

    SRS0=<hash>=<day>=<domain>=<local part>@forwarder
    SRS1=<hash>=<domain of the first forwarder>=<its SRS0 without "SRS0">@forwarder

The hash is keyed (nobody makes such addresses but us, so they are no open relay), covers the
forwarding domain, and is compared without case, as hosts on the way may change that; the day (mod
1024) ends an address after `VALID_DAYS`. SRS1 holds the first forwarder's address and no more, so
that it does not grow from host to host. There is no RFC; the scheme is libsrs2's and Postfix
SRSd's, with a longer hash.
"""

from __future__ import annotations

import base64
import hmac

from workpost.formats import addresses as syntax

VALID_DAYS = 21
"""How long bounces are taken back; hosts give up after five days, some wait longer."""
TOLERATED_DAYS = 1
"""How far another node's clock may be ahead."""
_HASH_BYTES = 5
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_CYCLE = len(_ALPHABET) ** 2


class SrsError(ValueError):
    """The address is none of ours, or no longer; the message says why."""


def is_srs(address: str) -> bool:
    """True for an address that has the form of the scheme, whoever made it."""
    return address.removeprefix('"')[:5].lower() in ("srs0=", "srs0+", "srs0-", "srs1=")


def rewrite(key: bytes, sender: str, domain: str, day: int) -> str:
    """The sender to forward under, in `domain`; `day` counts from 1970.

    Raises SrsError for a sender without a domain, or an address of more than 254 octets.
    """
    local, host = syntax.split(sender)
    if not local or not host:
        raise SrsError("the sender has no domain")
    local = syntax.unquote_local(local)
    if is_srs(local) and (chained := _chain(local, host)) is not None:
        first, rest = chained
        signature = _hash(key, domain, "1", first, rest)
        made = f"SRS1={signature}={first}={rest}"
    else:
        stamp = _ALPHABET[day % _CYCLE // 32] + _ALPHABET[day % 32]
        signature = _hash(key, domain, "0", stamp, host, local)
        made = f"SRS0={signature}={stamp}={host}={local}"
    address = f"{syntax.quote_local(made)}@{domain}"
    if len(address.encode()) > syntax.MAX_ADDRESS:
        raise SrsError("the sender is too long to be rewritten")
    return address


def reverse(key: bytes, address: str, day: int) -> str:
    """The sender that `rewrite` was given: of an SRS1, the first forwarder's SRS0.

    Raises SrsError for what is no such address, forged, or too old.
    """
    local, domain = syntax.split(address)
    local = syntax.unquote_local(local)
    parts = local.split("=", 4)
    if parts[0].upper() == "SRS0" and len(parts) == 5:
        _, signature, stamp, host, rest = parts
        _check(signature, _hash(key, domain, "0", stamp, host, rest))
        _check_age(stamp.lower(), day)
        return f"{syntax.quote_local(rest)}@{host}"
    parts = local.split("=", 3)
    if parts[0].upper() == "SRS1" and len(parts) == 4:
        _, signature, host, rest = parts
        _check(signature, _hash(key, domain, "1", host, rest))
        return f"{syntax.quote_local('SRS0' + rest)}@{host}"
    raise SrsError("the address is not of the scheme")


def _chain(local: str, host: str) -> tuple[str, str] | None:
    """(first forwarder, its SRS0 after "SRS0") of a sender rewritten before; None for another."""
    if local[3] == "0":
        return host, local[4:]
    parts = local.split("=", 3)
    return (parts[2], parts[3]) if len(parts) == 4 and parts[2] and parts[3] else None


def _hash(key: bytes, domain: str, *parts: str) -> str:
    text = "\0".join([syntax.fold_domain(domain), *(part.lower() for part in parts)])
    digest = hmac.digest(key, text.encode(), "sha256")[:_HASH_BYTES]
    return base64.b32encode(digest).decode().lower()


def _check(given: str, wanted: str) -> None:
    if not hmac.compare_digest(given.lower().encode(), wanted.encode()):
        raise SrsError("the address was not made here")


def _check_age(stamp: str, day: int) -> None:
    if len(stamp) != 2 or not all(char in _ALPHABET for char in stamp):
        raise SrsError("the address has no day")
    made = _ALPHABET.index(stamp[0]) * 32 + _ALPHABET.index(stamp[1])
    age = (day - made + TOLERATED_DAYS) % _CYCLE
    if age > VALID_DAYS + TOLERATED_DAYS:
        raise SrsError("the address has expired")
