"""What a relay of our own found out about a message, by its Authentication-Results (RFC 8601 5).

Behind another server the client's address is not known here: SPF is what the relay says. Fields
count only under an authserv-id of `authentication.trusted_authserv_ids`, and only on mail over LMTP
or from a trusted network; the relay takes out those that strangers wrote under its name. DMARC is
judged here, by the relay's SPF and DKIM and the policy that the DNS tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.formats.mailauth.authors import AuthorsError, author_domains
from workpost.formats.mailauth.dmarc import QUARANTINE
from workpost.formats.mailauth.results import MethodResult, find_results
from workpost.operations.authentication.arc import ArcResult
from workpost.operations.authentication.check import (
    SECONDS,
    Arrival,
    Authentication,
    judge,
)
from workpost.operations.authentication.dkim import DkimResult, verify_dkim
from workpost.operations.authentication.dmarc import LATE, DmarcResult, check_dmarc
from workpost.operations.authentication.spf import SpfResult
from workpost.store.core import Core

UNKNOWN = "the relay does not tell enough"
_SPF = frozenset(("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"))
_DKIM = frozenset(("pass", "fail", "policy", "neutral", "temperror", "permerror"))


async def read_relayed(core: Core, arrival: Arrival, raw: bytes) -> Authentication | None:
    """The authentication of a message that a relay of ours brought; None where it says nothing.

    For mail that is not `check.is_from_outside`. Never raises for what the message or the DNS
    holds.
    """
    trusted = core.settings.authentication.trusted_authserv_ids
    fields = find_results(raw, trusted) if trusted else []
    if not fields:
        return None
    told: dict[str, list[MethodResult]] = {}
    for field in fields:
        # The relay's own fields are on top: what it says of a method below them is older.
        methods: dict[str, list[MethodResult]] = {}
        for each in field.methods:
            methods.setdefault(each.method, []).append(each)
        told = {**methods, **told}
    spf = _spf(told.get("spf", []), arrival)
    dkim = await _dkim(core, told.get("dkim"), raw)
    dmarc, authors = await _dmarc(core, told, spf, dkim, raw)
    return Authentication(
        spf=spf,
        dkim=tuple(dkim),
        dmarc=dmarc,
        arc=ArcResult("none"),
        verdicts=judge(spf, dkim, dmarc, authors or ()),
        field=b"",
        relay=fields[0].server,
        authors=None if authors is None else tuple(authors),
    )


def _domain(text: str) -> str:
    return ascii_domain(fold_domain(text.rpartition("@")[2]))


def _spf(told: Sequence[MethodResult], arrival: Arrival) -> SpfResult:
    """Of MAIL FROM where the relay says something of it, else of the name of HELO."""
    sender = arrival.sender.rpartition("@")[2] if arrival.sender else arrival.helo
    for place in ("smtp.mailfrom", "smtp.helo", ""):
        for each in told:
            if not place or place in each.properties:
                result = {"hardfail": "fail"}.get(each.result, each.result)
                domain = _domain(each.properties.get(place) or sender)
                return SpfResult(result if result in _SPF else "neutral", domain, each.reason)
    return SpfResult("none", _domain(sender), UNKNOWN)


async def _dkim(core: Core, told: Sequence[MethodResult] | None, raw: bytes) -> list[DkimResult]:
    """What the relay says of the signatures, else what they are here: DKIM asks for no client."""
    if told is None:
        try:
            async with asyncio.timeout(SECONDS):
                return await verify_dkim(core.resolver, raw, core.env.now())
        except TimeoutError:
            return [DkimResult("temperror", reason=LATE)]
    found = []
    for each in told:
        domain = each.properties.get("header.d") or each.properties.get("header.i", "")
        if each.result in _DKIM and (domain or each.result != "pass"):
            found.append(DkimResult(each.result, _domain(domain), reason=each.reason))
    return found


async def _dmarc(
    core: Core,
    told: Mapping[str, Sequence[MethodResult]],
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    raw: bytes,
) -> tuple[DmarcResult, list[str] | None]:
    """DMARC and the domains of the authors, None where the header cannot be read.

    A failure counts only where the relay says so itself, or tells of SPF and nothing that could
    still pass was cut short: its results are final, whoever tries again later.
    """
    try:
        authors = author_domains(raw)
    except AuthorsError as error:
        return DmarcResult("permerror", policy=QUARANTINE, reason=str(error)), None
    late = spf.result == "temperror" or any(one.result == "temperror" for one in dkim)
    unsure = late or "spf" not in told
    found = await check_dmarc(
        core.resolver,
        author_domains=authors,
        spf=spf if spf.result == "pass" else None,
        dkim=[one for one in dkim if one.result == "pass"],
        sample=int.from_bytes(core.env.random_bytes(2), "big") % 100,
    )
    said = {
        (each.result, _domain(each.properties.get("header.from", "")))
        for each in told.get("dmarc", ())
    }
    if found.result in {"fail", "temperror"} and all(("pass", one) in said for one in authors):
        return DmarcResult("pass", found.domain, found.policy), authors
    if found.result == "fail" and unsure and not any(result == "fail" for result, _ in said):
        return DmarcResult("none", found.domain, reason=UNKNOWN), authors
    return found, authors
