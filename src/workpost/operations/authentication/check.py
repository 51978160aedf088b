"""The authentication of a message from outside: SPF, DKIM and ARC side by side, then DMARC.

Each half is bounded in time by itself: a domain with a slow DNS must not leave the author's domain
unasked. What is not known by then is a temperror. Nothing here refuses a message:
`mailflow/enforcing.py` does what follows from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

import msgspec

from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.formats.mailauth.authors import AuthorsError, author_domains
from workpost.formats.mailauth.dmarc import NONE, QUARANTINE
from workpost.formats.mailauth.results import (
    LARGEST_HEADER,
    MethodResult,
    ResultsError,
    parse_results,
    write_results,
)
from workpost.formats.mime.scanner import header_end
from workpost.operations.authentication.arc import ArcResult, verify_arc
from workpost.operations.authentication.dkim import DkimResult, verify_dkim
from workpost.operations.authentication.dmarc import LATE, DmarcResult, check_dmarc
from workpost.operations.authentication.spf import SpfResult, check_untimed
from workpost.operations.authentication.starting import start
from workpost.store.core import Core

REMEMBERED = 1_024
"""Peers of whom is known whether they are to be trusted."""
SECONDS = 10.0
"""For SPF, DKIM and ARC together."""

PASS = "PASS"
FAIL = "FAIL"
GRAY = "GRAY"
PROCESSING_FAILED = "PROCESSING_FAILED"


class Arrival(Protocol):
    """What is asked of the envelope of a message."""

    @property
    def sender(self) -> str:
        """The address of MAIL FROM, "" for the null sender."""
        ...

    @property
    def helo(self) -> str:
        """What the client called itself."""
        ...

    @property
    def peer(self) -> str:
        """The client's IP address."""
        ...

    @property
    def protocol(self) -> str:
        """The `with` keyword of Received."""
        ...


class Verdicts(msgspec.Struct, frozen=True):
    """PASS, FAIL, GRAY or PROCESSING_FAILED for each method, as events tell it.

    `policy` is NONE, QUARANTINE or REJECT where DMARC fails, else "".
    """

    spf: str
    dkim: str
    dmarc: str
    policy: str = ""


class Authentication(msgspec.Struct, frozen=True):
    """What is known of where a message comes from.

    `field` is the Authentication-Results field with its CRLF. `trusted` names the sealer whose word
    on the author counts in place of a DMARC failure here (`authentication.trusted_arc`), else "".
    `relay` is the authserv-id of a relay of ours that says all this, "" for what we found out.
    `authors` are the domains of From, None where the header cannot be read.
    """

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult
    verdicts: Verdicts
    field: bytes
    trusted: str = ""
    relay: str = ""
    authors: tuple[str, ...] | None = None


def is_forged(found: Authentication) -> bool:
    """Whether the address in MAIL FROM is most likely not its owner's doing.

    SPF has to disagree, or DMARC for an author of the same domain, and no signature of the domain
    to say otherwise. Where nothing is known either way, the sender is believed.
    """
    domain = found.spf.domain
    if found.spf.result == "pass" or any(
        each.result == "pass" and not each.testing and _is_related(each.domain, domain)
        for each in found.dkim
    ):
        return False
    if found.spf.result in {"fail", "softfail"}:
        return True
    return found.dmarc.result == "fail" and _is_related(found.dmarc.domain, domain)


def is_proven(found: Authentication, domain: str) -> bool:
    """Whether an author of a domain (A-labels) is who he says, with a DMARC record or without."""
    if found.dmarc.result == "pass":
        return True
    if found.spf.result == "pass" and _is_related(found.spf.domain, domain):
        return True
    return any(each.result == "pass" and _is_related(each.domain, domain) for each in found.dkim)


def server_name(core: Core) -> str:
    """The authserv-id of our Authentication-Results fields."""
    return core.settings.authentication.server_name or core.settings.host_name


def is_from_outside(core: Core, arrival: Arrival) -> bool:
    """Whether we authenticate a message: not over LMTP, nor from a trusted network (`relayed`)."""
    if "LMTP" in arrival.protocol:
        return False
    return _is_foreign(arrival.peer, core.settings.authentication.trusted_networks)


@lru_cache(REMEMBERED)
def _is_foreign(peer: str, trusted: tuple[str, ...]) -> bool:
    """Whether a peer has an IP address, and one that is in no trusted network."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return not any(address in ip_network(text) for text in trusted)


async def authenticate(core: Core, arrival: Arrival, raw: bytes) -> Authentication:
    """Authenticate a message as it came; never raises for what it or the DNS holds."""
    spf, dkim, arc = await _check_all(core, arrival, raw)
    authors: list[str] | None
    try:
        authors = author_domains(raw)
        dmarc = await check_dmarc(
            core.resolver,
            author_domains=authors,
            spf=spf,
            dkim=dkim,
            sample=int.from_bytes(core.env.random_bytes(2), "big") % 100,
            reported=bool(core.settings.dmarc.reports),
        )
    except AuthorsError as error:
        authors = None
        dmarc = DmarcResult("permerror", policy=QUARANTINE, reason=str(error))
    trusted = ""
    if dmarc.result == "fail" and arc.result == "pass":
        trusted = _trusted_sealer(core.settings.authentication.trusted_arc, arc, dmarc.domain)
    return Authentication(
        spf=spf,
        dkim=tuple(dkim),
        dmarc=dmarc,
        arc=arc,
        verdicts=judge(spf, dkim, dmarc, authors or ()),
        field=write_results(server_name(core), _told(arrival, spf, dkim, dmarc, arc, trusted)),
        trusted=trusted,
        authors=None if authors is None else tuple(authors),
    )


async def _check_all(
    core: Core, arrival: Arrival, raw: bytes
) -> tuple[SpfResult, list[DkimResult], ArcResult]:
    """All three at once; no task is made for what the DNS has told already."""
    now = core.env.now()
    spf = start(
        check_untimed(
            core.resolver,
            peer=arrival.peer,
            helo=arrival.helo,
            sender=arrival.sender,
            host=core.settings.host_name,
            now=now // 1000,
        )
    )
    others: list[asyncio.Future[Any]] = [spf]
    arc = None
    if _has_seal(raw):
        arc = start(verify_arc(core.resolver, raw, now))
        others.append(arc)
    signatures = start(verify_dkim(core.resolver, raw, now))
    others.append(signatures)
    try:
        if not all(one.done() for one in others):
            await asyncio.wait(others, timeout=SECONDS)
        late = ArcResult("none" if arc is None else "temperror", reason=LATE if arc else "")
        return (
            spf.result() if spf.done() else _late_spf(arrival),
            signatures.result() if signatures.done() else [DkimResult("temperror", reason=LATE)],
            arc.result() if arc is not None and arc.done() else late,
        )
    finally:
        for task in others:
            task.cancel()


def _has_seal(raw: bytes) -> bool:
    """Whether there may be an ARC chain: nearly all mail without one is told apart by this."""
    return b"arc-seal" in raw[: header_end(raw, 0, min(len(raw), LARGEST_HEADER))].lower()


def _late_spf(arrival: Arrival) -> SpfResult:
    domain = arrival.sender.rpartition("@")[2] if arrival.sender else arrival.helo
    return SpfResult("temperror", ascii_domain(fold_domain(domain)), LATE)


def _trusted_sealer(trusted: Sequence[str], arc: ArcResult, author: str) -> str:
    """The sealer whose DMARC pass for the author counts, "" where there is none.

    From the last sealer back, as long as each is trusted: whoever stands behind a stranger could
    have been made up by that stranger.
    """
    for domain, sealed in zip(reversed(arc.domains), reversed(arc.sealed), strict=True):
        if domain not in trusted:
            return ""
        try:
            methods = parse_results(sealed).methods
        except ResultsError:
            continue
        for each in methods:
            told = each.properties.get("header.from", "")
            if (each.method, each.result) == ("dmarc", "pass") and told.lower() == author:
                return domain
    return ""


def judge(
    spf: SpfResult, dkim: Sequence[DkimResult], dmarc: DmarcResult, authors: Sequence[str]
) -> Verdicts:
    """The words of events for what was found."""
    if dmarc.result == "fail":
        return Verdicts(_SPF[spf.result], _dkim_verdict(dkim, authors), FAIL, dmarc.policy.upper())
    told = _DMARC[dmarc.result]
    if dmarc.result == "pass" and dmarc.policy == NONE:
        told = GRAY
    return Verdicts(_SPF[spf.result], _dkim_verdict(dkim, authors), told)


_SPF: Mapping[str, str] = {
    "pass": PASS,
    "fail": FAIL,
    "softfail": GRAY,
    "neutral": GRAY,
    "none": GRAY,
    "temperror": PROCESSING_FAILED,
    "permerror": PROCESSING_FAILED,
}
_DMARC: Mapping[str, str] = {
    "pass": PASS,
    "none": GRAY,
    "temperror": PROCESSING_FAILED,
    "permerror": PROCESSING_FAILED,
}


def _dkim_verdict(dkim: Sequence[DkimResult], authors: Sequence[str]) -> str:
    """PASS for a signature of an author's domain; another's, or none, is GRAY."""
    results = {each.result for each in dkim if not each.testing}
    passed = [each.domain for each in dkim if each.result == "pass"]
    if any(_is_related(domain, author) for domain in passed for author in authors):
        return PASS
    if passed:
        return GRAY
    if "temperror" in results:
        return PROCESSING_FAILED
    return FAIL if results & {"fail", "permerror"} else GRAY


def _is_related(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _told(
    arrival: Arrival,
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    dmarc: DmarcResult,
    arc: ArcResult,
    trusted: str,
) -> list[MethodResult]:
    """What the field says, the methods in the order in which they were checked."""
    place = "smtp.mailfrom" if arrival.sender else "smtp.helo"
    why = spf.reason if spf.result in {"temperror", "permerror"} else ""
    told = [MethodResult("spf", spf.result, {place: spf.domain}, why)]
    told += [_told_dkim(each) for each in dkim] or [MethodResult("dkim", "none")]
    if arc.result != "none":
        oldest = str(arc.oldest_pass) if arc.result == "pass" else ""
        where = {"header.oldest-pass": oldest, "smtp.remote-ip": arrival.peer}
        told.append(MethodResult("arc", arc.result, where, arc.reason))
    comment = f"p={dmarc.policy}" if dmarc.policy else ""
    if trusted:
        comment += f" arc={trusted}"
    reason = dmarc.reason if dmarc.result in {"temperror", "permerror"} else ""
    told.append(MethodResult("dmarc", dmarc.result, {"header.from": dmarc.domain}, reason, comment))
    return told


def _told_dkim(one: DkimResult) -> MethodResult:
    place = {"header.d": one.domain, "header.s": one.selector, "header.a": one.algorithm}
    if one.identity and one.identity != f"@{one.domain}":
        place["header.i"] = one.identity
    return MethodResult("dkim", one.result, place, one.reason)
