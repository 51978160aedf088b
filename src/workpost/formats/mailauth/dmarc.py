"""DMARC records (RFC 9989 4.7, RFC 7489 6.3), and the names that are asked for them. No DNS."""

from __future__ import annotations

from functools import lru_cache

import msgspec

NONE = "none"
QUARANTINE = "quarantine"
REJECT = "reject"
POLICIES = (NONE, QUARANTINE, REJECT)
"""From mild to strict."""

VERSION = "DMARC1"
MAX_RECORD = 16_384
MAX_TAGS = 64
MAX_NAMES = 8
"""Questions of one tree walk (RFC 9989 4.10)."""
REMEMBERED = 2_048
REMEMBERED_LENGTH = 512


class DmarcError(ValueError):
    """The text is no DMARC record."""


class DmarcRecord(msgspec.Struct, frozen=True):
    """What a domain asks receivers to do.

    `subdomains` and `nonexistent` are None where nothing is said of them. `psd` is "y", "n" or "u".
    `reports` says whether there is a tag rua (`report_uris`).
    """

    policy: str
    subdomains: str | None = None
    nonexistent: str | None = None
    strict_dkim: bool = False
    strict_spf: bool = False
    testing: bool = False
    percent: int = 100
    psd: str = "u"
    reports: bool = False


def parse_dmarc(text: str) -> DmarcRecord:
    """Read a record. Raises DmarcError where `v=DMARC1` is not the first tag.

    Whatever else is malformed, unknown or said twice counts as not said (RFC 7489 6.3), and without
    a policy that can be read it is `none`: a slip of the pen must not leave a domain unread.
    """
    return _remembered(text) if len(text) <= REMEMBERED_LENGTH else _parse(text)


def _parse(text: str) -> DmarcRecord:
    if len(text) > MAX_RECORD:
        raise DmarcError("the record is too long")
    tags: dict[str, str] = {}
    for number, tag in enumerate(text.split(";", MAX_TAGS)[:MAX_TAGS]):
        name, _, value = tag.partition("=")
        name, value = name.strip().lower(), value.strip()
        if number == 0 and (name, value) != ("v", VERSION):
            raise DmarcError("the record does not begin with v=DMARC1")
        tags.setdefault(name, value.lower())
    return DmarcRecord(
        policy=_policy(tags.get("p")) or NONE,
        subdomains=_policy(tags.get("sp")),
        nonexistent=_policy(tags.get("np")),
        strict_dkim=tags.get("adkim") == "s",
        strict_spf=tags.get("aspf") == "s",
        testing=tags.get("t") == "y",
        percent=_percent(tags.get("pct", "")),
        psd=tags["psd"] if tags.get("psd") in {"y", "n"} else "u",
        reports=bool(tags.get("rua")),
    )


_remembered = lru_cache(REMEMBERED)(_parse)


def _policy(value: str | None) -> str | None:
    return value if value in POLICIES else None


def _percent(value: str) -> int:
    if len(value) <= 3 and value.isascii() and value.isdigit():
        return min(int(value), 100)
    return 100


def milder(policy: str) -> str:
    """The policy one step below: what a domain asks for that tests (RFC 9989 4.7, `t`)."""
    return POLICIES[max(POLICIES.index(policy) - 1, 0)]


def walk_names(domain: str) -> list[str]:
    """The names that a tree walk asks for a domain, itself first (RFC 9989 4.10)."""
    labels = domain.split(".")
    above = labels[-(MAX_NAMES - 1) :] if len(labels) >= MAX_NAMES else labels[1:]
    return [domain, *(".".join(above[start:]) for start in range(len(above)))]


def organizational_domain(domain: str, found: list[tuple[str, DmarcRecord]]) -> str:
    """The organizational domain by what a tree walk found, longest name first (RFC 9989 4.10.2)."""
    for name, record in found:
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            below = domain[: -len(name) - 1].rpartition(".")[2]
            return f"{below}.{name}"
    return found[-1][0] if found else domain
