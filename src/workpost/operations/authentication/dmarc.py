"""DMARC: does the domain that people read in From stand behind this message? (RFC 9989)

The organizational domain is found by the DNS tree walk, not by a list of public suffixes
(docs/decisions/0031-authentication.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

import msgspec

from workpost.formats.mailauth.dmarc import (
    NONE,
    POLICIES,
    QUARANTINE,
    REJECT,
    DmarcRecord,
    milder,
    organizational_domain,
    walk_names,
)
from workpost.integrations.dns.base import Resolver
from workpost.kernel.errors import TryLater
from workpost.operations.authentication.dkim import DkimResult
from workpost.operations.authentication.dmarc_records import TooManyError, Walks, discover
from workpost.operations.authentication.spf import SpfResult, is_domain
from workpost.operations.authentication.starting import start

MAX_AUTHORS = 8
"""Domains of one From that are asked about."""
MAX_SIGNERS = 10
"""Signing domains that are compared with each of them."""
SECONDS = 5.0
"""For each author by itself, and as long again to find a policy that the DNS did not tell."""
LATE = "the DNS took too long"
SPF = "spf"
DKIM = "dkim"

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


class Standing(msgspec.Struct, frozen=True):
    """What a domain that asks for aggregate reports is told of one message (RFC 9990).

    `domain` is where the record stands; `spf` and `dkim` say which has passed in alignment;
    `exempt` is the type of override where the record itself asks for less than its policy.
    """

    domain: str
    spf: bool
    dkim: bool
    exempt: str = ""


class DmarcResult(msgspec.Struct, frozen=True):
    """pass, fail, none (no record), temperror or permerror (RFC 8601 2.7.7 with RFC 9989).

    `domain` is the author domain that decided; `policy` what its record asks for a message that
    fails (none, quarantine, reject; "" where there is no record), sampling and testing considered.
    A message made so that the question has no end, or whose author cannot be told, is a permerror
    with the policy quarantine. `standing` is for reports, where they are wanted on both sides.
    """

    result: str
    domain: str = ""
    policy: str = ""
    reason: str = ""
    standing: Standing | None = None


async def check_dmarc(
    resolver: Resolver,
    *,
    author_domains: Sequence[str],
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int = 0,
    reported: bool = False,
) -> DmarcResult:
    """Check the domains of From, in lower case with A-labels; the worst result counts.

    `sample` (0 to 99) is a random number of the message: a policy for P per cent of the mail counts
    where it is lower than P (RFC 7489 6.6.4). `reported`: somebody is told of both methods, so
    neither is passed over when the other has passed. Never raises.
    """
    domains = [each for each in dict.fromkeys(author_domains) if _is_author(each)]
    authors = [_Author(each, reported) for each in domains[:MAX_AUTHORS]]
    results = await _check_each(Walks(resolver), authors, spf, dkim, sample)
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
    return results[0] if len(results) == 1 else max(results, key=_severity)


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
    walks: Walks,
    authors: Sequence[_Author],
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> list[DmarcResult]:
    """All authors at once: one with a slow DNS must not keep another from being asked."""
    checks = [_check_in_time(walks, author, spf, dkim, sample) for author in authors]
    return [await checks[0]] if len(checks) == 1 else list(await asyncio.gather(*checks))


async def _check_in_time(
    walks: Walks,
    author: _Author,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    domain = author.domain
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
    except TooManyError:
        if not author.passed:
            return DmarcResult("permerror", domain, QUARANTINE, "there is too much to ask the DNS")
        reason = ""
    if author.passed:
        # Only a report wanted to know more; it is not told of what is not known.
        return DmarcResult("pass", domain, author.policy)
    return DmarcResult(
        "temperror", domain, author.policy or await _ask_above(walks, domain), reason
    )


async def _ask_above(walks: Walks, domain: str) -> str:
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
    except (TimeoutError, TooManyError):
        return ""
    return ""


class _Author:
    """A domain of From; `policy` and the methods that `passed` in alignment as soon as known.

    `reported` as in `check_dmarc`.
    """

    def __init__(self, domain: str, reported: bool) -> None:
        self.domain = domain
        self.reported = reported
        self.policy = ""
        self.passed: set[str] = set()


async def _check(
    walks: Walks,
    author: _Author,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    sample: int,
) -> DmarcResult:
    """Raises TryLater, TooManyError."""
    domain = author.domain
    where, record = await discover(walks, domain)
    if record is None:
        return DmarcResult("none", domain, reason="the domain has no DMARC record")
    published = await _policy(walks, domain, where, record)
    exempt = "" if published == NONE else _exemption(record, sample)
    policy = author.policy = milder(published) if exempt else published
    # A check that was cut short tells no domain: it might have been the author's.
    unsure = any(each.result == "temperror" and not each.domain for each in dkim)
    told = author.reported and record.reports
    passed = author.passed
    for method, identity, result in _identities(spf, dkim):
        is_strict = record.strict_spf if method == SPF else record.strict_dkim
        if not await _is_aligned(walks, domain, identity, is_strict=is_strict):
            continue
        if result != "pass":
            unsure = True
        elif not told:
            return DmarcResult("pass", domain, policy)
        else:
            passed.add(method)
    standing = Standing(where, SPF in passed, DKIM in passed, exempt) if told else None
    if passed:
        return DmarcResult("pass", domain, policy, standing=standing)
    if unsure:
        return DmarcResult("temperror", domain, policy, "a check could not be finished")
    return DmarcResult("fail", domain, policy, standing=standing)


def _identities(
    spf: SpfResult | None, dkim: Sequence[DkimResult]
) -> Iterable[tuple[str, str, str]]:
    """Who authenticated, or would if the DNS had answered, as (method, domain, result).

    Passes come first, each domain once for a method.
    """
    found = [(DKIM, each.domain, each.result) for each in dkim if each.result == "pass"]
    del found[MAX_SIGNERS:]
    if spf is not None and spf.result == "pass":
        found.insert(0, (SPF, spf.domain, "pass"))
    if spf is not None and spf.result == "temperror":
        found.append((SPF, spf.domain, "temperror"))
    late = [(DKIM, each.domain, each.result) for each in dkim if each.result == "temperror"]
    return dict.fromkeys(found + late[:MAX_SIGNERS])


async def _policy(walks: Walks, domain: str, where: str, record: DmarcRecord) -> str:
    policy = record.policy
    if domain != where:
        policy = record.subdomains or policy
        if record.nonexistent is not None and not await walks.exists(domain):
            policy = record.nonexistent
    return policy


def _exemption(record: DmarcRecord, sample: int) -> str:
    """Why a message is judged more mildly than the policy says (RFC 9990), "" if not."""
    if record.testing:
        return "policy_test_mode"
    return "other" if sample >= record.percent else ""


async def _is_aligned(walks: Walks, author: str, identity: str, *, is_strict: bool) -> bool:
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
