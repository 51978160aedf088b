"""Access-control rules: one pure function that says yes or no (WorkMail guide, access rules).

All conditions of a rule must hold; the values within one are alternatives. Any matching DENY
denies, else any matching ALLOW allows, else the answer is no: an organization without rules is
closed.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec

from workpost.kernel.errors import InvalidParameter

ALLOW = "ALLOW"
DENY = "DENY"

K = TypeVar("K")


def refuse_both(rule: object, pairs: Iterable[tuple[str, str, str]]) -> None:
    """Refuse a rule with a condition and its opposite: (API name, attribute, opposite) triples.

    Raises InvalidParameter.
    """
    for name, included, excluded in pairs:
        if getattr(rule, included) and getattr(rule, excluded):
            raise InvalidParameter(f"A rule has {name} or Not{name}, not both.")


class AccessRule(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One rule as it is stored; the members are those of the API."""

    effect: str
    description: str = ""
    ip_ranges: tuple[str, ...] = ()
    not_ip_ranges: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    not_user_ids: tuple[str, ...] = ()
    impersonation_role_ids: tuple[str, ...] = ()
    not_impersonation_role_ids: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """ALLOW or DENY, and the names of the rules that made it so; none when no rule matched."""

    effect: str
    matched: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        """True for ALLOW."""
        return self.effect == ALLOW


_rule = msgspec.json.Decoder(AccessRule)


@lru_cache(maxsize=1024)
def read_rule(text: str) -> AccessRule:
    """The rule of a row's JSON text."""
    return _rule.decode(text)


def decide(
    rules: Iterable[tuple[str, AccessRule]],
    *,
    action: str,
    address: str,
    user: str = "",
    role: str = "",
) -> Verdict:
    """The verdict of named rules on one access.

    `action` is IMAP, SMTP, EWS, ... as the API spells them; `address` the IP address of the
    client; `user` an entity id; `role` an impersonation role's id or empty.
    """
    effect, matched = weigh(
        (rule.effect, name) for name, rule in rules if _matches(rule, action, address, user, role)
    )
    return Verdict(effect, matched)


def weigh(matching: Iterable[tuple[str, K]]) -> tuple[str, tuple[K, ...]]:
    """The effect of the rules that match, as (effect, rule), and those that made it so.

    The order of all rules of WorkMail: a denial beats a permission, silence is a denial.
    """
    found: dict[str, list[K]] = {DENY: [], ALLOW: []}
    for effect, rule in matching:
        found[effect].append(rule)
    for effect in (DENY, ALLOW):
        if found[effect]:
            return effect, tuple(found[effect])
    return DENY, ()


def _matches(rule: AccessRule, action: str, address: str, user: str, role: str) -> bool:
    return (
        _fits(action, rule.actions, rule.not_actions)
        and _fits(user, rule.user_ids, rule.not_user_ids)
        and _fits(role, rule.impersonation_role_ids, rule.not_impersonation_role_ids)
        and (not rule.ip_ranges or _within(address, rule.ip_ranges))
        and (not rule.not_ip_ranges or not _within(address, rule.not_ip_ranges))
    )


def _fits(value: str, included: Sequence[str], excluded: Sequence[str]) -> bool:
    return (not included or value in included) and value not in excluded


def _within(address: str, ranges: tuple[str, ...]) -> bool:
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    firsts, lasts = _spans(ranges, peer.version)
    number = int(peer)
    at = bisect_right(firsts, number) - 1
    return at >= 0 and number <= lasts[at]


@lru_cache(maxsize=1024)
def _spans(ranges: tuple[str, ...], version: int) -> tuple[list[int], list[int]]:
    """The first and the last addresses of ranges of an IP version: ascending, none in another.

    An organization has up to 10,240 ranges, and every login asks all of them.
    """
    networks = (ipaddress.ip_network(text, strict=False) for text in ranges)
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(
        (int(each.network_address), int(each.broadcast_address))
        for each in networks
        if each.version == version
    ):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(last, lasts[-1])
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts
