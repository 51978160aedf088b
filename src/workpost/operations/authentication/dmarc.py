"""DMARC: does the domain that people read in From stand behind this message? (RFC 9989)

The organizational domain is found by the DNS tree walk, not by a list of public suffixes
(docs/decisions/0031-authentication.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import msgspec

from workpost.formats.mailauth.dmarc import (
    NONE,
    POLICIES,
    QUARANTINE,
    REJECT,
    DmarcError,
    DmarcRecord,
    milder,
    organizational_domain,
    parse_dmarc,
    walk_names,
)
from workpost.integrations.dns.base import Resolver
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.dkim import DkimResult
from workpost.operations.authentication.spf import SpfResult, is_domain
from workpost.operations.authentication.starting import start

MAX_AUTHORS = 8
"""Domains of one From that are asked about."""
MAX_SIGNERS = 10
"""Signing domains that are compared with each of them."""
MAX_QUESTIONS = 60
"""Records that are asked for in all; a message of one author and five signers has 15."""

SECONDS = 5.0
"""For each author by itself, and as long again to find a policy that the DNS did not tell."""
LATE = "the DNS took too long"

Found = list[tuple[str, DmarcRecord]]

_NAME = re.compile(r"[a-z0-9_.-]+")
"""What names of mail domains are made of; the DNS takes more, and has nothing of `bank.test>`."""
_HOST = re.compile(r"[a-z0-9-]+|\[(?:ipv6:)?[0-9a-f.:]+\]")
_ORDER = (
    ("pass", frozenset(("", *POLICIES))),
    ("none", frozenset(("",))),
    ("fail", frozenset((NONE,))),
    ("permerror", frozenset(("", NONE))),
    ("temperror", frozenset(("", NONE))),
    ("permerror", frozenset((QUARANTINE,))),
    ("fail", frozenset((QUARANTINE,))),
    ("temperror", frozenset((QUARANTINE, REJECT))),
    ("fail", frozenset((REJECT,))),
)
"""Results with their policies, from the best to the worst: by what follows from them."""


class _TooManyError(Exception):
    """The message asks for more than any honest one."""


class DmarcResult(msgspec.Struct, frozen=True):
    """pass, fail, none (no record), temperror or permerror (RFC 8601 2.7.7 with RFC 9989).

    `domain` is the author domain that decided; `policy` what its record asks for a message that
    fails (none, quarantine, reject; "" where there is no record), sampling and testing considered.
    A message made so that the question has no end, or whose author cannot be told, is a permerror
    with the policy quarantine.
    """

    result: str
    domain: str = ""
    policy: str = ""
    reason: str = ""


async def check_dmarc(
    resolver: Resolver,
    *,
    author_domains: Sequence[str],
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int = 0,
) -> DmarcResult:
    """Check the domains of From, in lower case with A-labels; the worst result counts.

    `sample` (0 to 99) is a random number of the message: a policy for P per cent of the mail counts
    where it is lower than P (RFC 7489 6.6.4). Never raises.
    """
    domains = [each for each in dict.fromkeys(author_domains) if _is_author(each)]
    results = await _check_each(_Walks(resolver), domains[:MAX_AUTHORS], spf, dkim, sample)
    if len(domains) > MAX_AUTHORS:
        reason = "From has authors in too many domains"
        results.append(DmarcResult("permerror", domains[0], QUARANTINE, reason))
    # Mail programs show an address that is none, too. A machine without a domain deceives nobody.
    others = [each for each in author_domains if not _is_author(each)]
    if not author_domains or not all(map(_HOST.fullmatch, others)):
        reason = "From names no author, or one without a domain"
        results.append(DmarcResult("permerror", policy=QUARANTINE, reason=reason))
    elif not results:
        results.append(DmarcResult("permerror", reason="From names no author with a domain"))
    return max(results, key=_severity)


def _is_author(name: str) -> bool:
    """Whether an author's domain can have a policy."""
    return is_domain(name) and _NAME.fullmatch(name) is not None


def _severity(result: DmarcResult) -> int:
    """More is worse: what one author's domain asks for is not undone by another's."""
    return next(
        number
        for number, (name, policies) in enumerate(_ORDER)
        if result.result == name and result.policy in policies
    )


async def _check_each(
    walks: _Walks,
    domains: Sequence[str],
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> list[DmarcResult]:
    """All authors at once: one with a slow DNS must not keep another from being asked."""
    checks = [_check_in_time(walks, domain, spf, dkim, sample) for domain in domains]
    return [await checks[0]] if len(checks) == 1 else list(await asyncio.gather(*checks))


async def _check_in_time(
    walks: _Walks,
    domain: str,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    author = _Author(domain)
    found = start(_check(walks, author, spf, dkim, sample))
    try:
        if found.done():
            return found.result()
        async with asyncio.timeout(SECONDS):
            return await found
    except TryLater as error:
        reason = error.message
    except TimeoutError:
        reason = LATE
    except _TooManyError:
        return DmarcResult("permerror", domain, QUARANTINE, "there is too much to ask the DNS")
    return DmarcResult(
        "temperror", domain, author.policy or await _ask_above(walks, domain), reason
    )


async def _ask_above(walks: _Walks, domain: str) -> str:
    """The policy of a domain above one that does not answer, "" for none.

    A part of a zone that is served by nobody any more would be a way around the policy.
    """
    try:
        async with asyncio.timeout(SECONDS):
            for name in walk_names(domain)[1:]:
                try:
                    record = await walks.record(name)
                except TryLater:
                    continue
                if record is not None:
                    policy = record.subdomains or record.policy
                    return milder(policy) if record.testing else policy
    except (TimeoutError, _TooManyError):
        return ""
    return ""


class _Author:
    """A domain of From; `policy` as soon as it is known."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.policy = ""


async def _check(
    walks: _Walks,
    author: _Author,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    """Raises TryLater, _TooManyError."""
    domain = author.domain
    where, record = await _discover(walks, domain)
    if record is None:
        return DmarcResult("none", domain, reason="the domain has no DMARC record")
    policy = author.policy = await _policy(walks, domain, where, record, sample)
    # A check that was cut short tells no domain: it might have been the author's.
    unsure = any(each.result == "temperror" and not each.domain for each in dkim)
    for identity, result, is_strict in _identities(spf, dkim, record):
        if not await _is_aligned(walks, domain, identity, is_strict=is_strict):
            continue
        if result == "pass":
            return DmarcResult("pass", domain, policy)
        unsure = True
    if unsure:
        return DmarcResult("temperror", domain, policy, "a check could not be finished")
    return DmarcResult("fail", domain, policy)


def _identities(
    spf: SpfResult | None, dkim: Sequence[DkimResult], record: DmarcRecord
) -> list[tuple[str, str, bool]]:
    """Who authenticated, or would if the DNS had answered: passes first, each domain once."""
    found = [
        (each.domain, each.result, record.strict_dkim) for each in dkim if each.result == "pass"
    ][:MAX_SIGNERS]
    if spf is not None and spf.result == "pass":
        found.insert(0, (spf.domain, "pass", record.strict_spf))
    if spf is not None and spf.result == "temperror":
        found.append((spf.domain, "temperror", record.strict_spf))
    found += [
        (each.domain, each.result, record.strict_dkim)
        for each in dkim
        if each.result == "temperror"
    ][:MAX_SIGNERS]
    return list(dict.fromkeys(found))


async def _discover(walks: _Walks, domain: str) -> tuple[str, DmarcRecord | None]:
    """The record that holds for an author domain, and where it stands (RFC 9989 4.10.1)."""
    own = await walks.record(domain)
    if own is not None:
        return domain, own
    found = await walks.walk(domain)
    organization = organizational_domain(domain, found)
    for name, record in found:
        if name == organization:
            return name, record
    # None at the organizational domain: that of the public suffix above it, if there is one.
    return found[-1] if found else ("", None)


async def _policy(walks: _Walks, domain: str, where: str, record: DmarcRecord, sample: int) -> str:
    policy = record.policy
    if domain != where:
        policy = record.subdomains or policy
        if record.nonexistent is not None and not await walks.exists(domain):
            policy = record.nonexistent
    if record.testing or sample >= record.percent:
        return milder(policy)
    return policy


async def _is_aligned(walks: _Walks, author: str, identity: str, *, is_strict: bool) -> bool:
    """Whether two domains belong together (RFC 9989 4.4)."""
    if author == identity:
        return True
    if is_strict or not identity:
        return False
    organization = organizational_domain(author, await walks.walk(author))
    # Its own organizational domain lies above the other or is the other: no question is needed.
    if identity != organization and not identity.endswith(f".{organization}"):
        return False
    return organizational_domain(identity, await walks.walk(identity)) == organization


class _Walks:
    """The records of the tree, each asked for once a message."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._questions = 0
        self._records: dict[str, DmarcRecord | None] = {}
        self._walks: dict[str, Found] = {}

    async def record(self, name: str) -> DmarcRecord | None:
        """The record of one name; several are none (RFC 9989 4.10). Raises TryLater."""
        if name in self._records:
            return self._records[name]
        if self._questions >= MAX_QUESTIONS:
            raise _TooManyError
        self._questions += 1
        asked = f"_dmarc.{name}"
        found = []
        # A name so long that nothing fits before it has no record.
        if len(asked) <= 253:
            for text in (await self._resolver.txt(asked)).values:
                try:
                    found.append(parse_dmarc(text))
                except DmarcError:
                    continue
        record = self._records[name] = found[0] if len(found) == 1 else None
        return record

    async def walk(self, domain: str) -> Found:
        """The records from a domain upwards, up to one that says where to stop."""
        if domain not in self._walks:
            found: Found = []
            for name in walk_names(domain):
                record = await self.record(name)
                if record is not None:
                    found.append((name, record))
                    if record.psd != "u":
                        break
            self._walks[domain] = found
        return self._walks[domain]

    async def exists(self, domain: str) -> bool:
        """Whether a domain has any address or MX (RFC 9989 3.2.13)."""
        for ask in (self._resolver.a, self._resolver.aaaa, self._resolver.mx):
            answer = await ask(domain)
            if answer.values:
                return True
            if not answer.exists:
                return False
        return False
