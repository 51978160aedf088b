"""Filters on a message that is being taken: spam for mail from outside, viruses for all mail.

What is slow is bounded in time and ends as PROCESSING_FAILED; looking at a message of more than
`LOOK_INLINE` bytes happens in a thread. Nothing here raises for what a message holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import msgspec

from workpost.formats.mime.weighing import PLAIN, is_readable, text_type
from workpost.formats.trace import received_header
from workpost.integrations.spam import clamav, rspamd, spamassassin
from workpost.integrations.spam.base import Delivery, Judged, ScanFailed
from workpost.kernel import metrics
from workpost.kernel.errors import KeyDestroyed
from workpost.kernel.logging import logger
from workpost.operations.filtering import dnsbl, model, resting, rules
from workpost.operations.filtering.looking import Looked, domain_of
from workpost.operations.filtering.verdicts import (
    FAIL,
    GRAY,
    PASS,
    PROCESSING_FAILED,
    Arrival,
    Authenticated,
    Hit,
    Scan,
    write_field,
    write_virus,
)
from workpost.operations.filtering.words import words_of
from workpost.store.core import Core
from workpost.store.tables.spam import ModelRow

LOOK_INLINE = 8 * 1024
"""Bytes up to which a message is looked at on the loop."""
TEXT_INLINE = 128 * 1024
"""The same of plain text with few links whose words nobody asks for: a twentieth of a ms."""
MEGABYTE = 1 << 20
BELOW = 0.1
"""How far below a limit a score is put where a daemon's own verdict says so."""
DAEMON_RULES = 20
"""Of a daemon's rules, how many are told."""

_SPAM = metrics.counter("workpost_spam_scans_total", "Messages from outside.", "engine", "verdict")
_VIRUS = metrics.counter("workpost_virus_scans_total", "Messages looked at.", "verdict")

log = logger("filter")


class _Score(msgspec.Struct, frozen=True):
    """What holds for all organizations; `words` where a model is to be asked."""

    hits: list[Hit]
    words: list[str]

    @property
    def points(self) -> float:
        return sum(points for _, points in self.hits)


async def scan_virus(core: Core, raw: bytes) -> tuple[str, str]:
    """(verdict, name of the virus); ("", "") where nothing is configured to look."""
    settings = core.settings.filter
    if settings.virus == "off":
        return "", ""
    name, verdict = "", PASS
    try:
        if len(raw) > settings.virus_megabytes * MEGABYTE:
            raise ScanFailed("the message is larger than filter.virus_megabytes")
        daemon, seconds = settings.virus_daemon, settings.virus_seconds
        find = partial(clamav.find_virus, daemon, seconds, raw)
        name = await resting.ask(core, settings.virus, daemon, find, clamav.is_there)
        verdict = FAIL if name else PASS
    except resting.LeftAlone:
        # How many there were is logged when it answers again.
        verdict = PROCESSING_FAILED
    except ScanFailed as error:
        log.warning("a message was not looked at for viruses", reason=str(error))
        verdict = PROCESSING_FAILED
    _VIRUS.labels(verdict).gather()
    return verdict, name


async def scan(
    core: Core,
    arrival: Arrival,
    raw: bytes,
    authentication: Authenticated | None,
    organizations: Sequence[str],
    taught: Collection[str],
) -> Scan:
    """What the filters say of a message from outside, as it came, for these organizations.

    `taught` are those of them that have a model. A virus ends it: nobody is asked for more. Raises
    TryLater only where the keys or the database are out of reach.
    """
    virus, name = await scan_virus(core, raw)
    if virus == FAIL:
        return Scan(virus, name)
    engine = core.settings.filter.spam
    if engine == "off":
        return Scan(virus, fields=write_virus(virus))
    models = await _models(core, [one for one in organizations if one in taught])
    try:
        common = await _score(core, engine, arrival, raw, authentication, asked=bool(models))
    except ScanFailed as error:
        log.warning("a message was not looked at for spam", engine=engine, reason=str(error))
        _SPAM.labels(engine, PROCESSING_FAILED).gather()
        unknown = dict.fromkeys(organizations, PROCESSING_FAILED)
        return Scan(virus, "", unknown, fields=write_virus(virus))
    learned = await _ask_models(core, models, common.words)
    return _conclude(core, engine, virus, common, organizations, learned)


async def _models(core: Core, organizations: Sequence[str]) -> dict[str, ModelRow]:
    found = {}
    for organization in organizations:
        row = await model.ready_model(core, organization)
        if row is not None:
            found[organization] = row
    return found


async def _ask_models(
    core: Core, models: Mapping[str, ModelRow], words: list[str]
) -> dict[str, Hit]:
    learned: dict[str, Hit] = {}
    for organization, row in models.items():
        try:
            hit = await model.ask_model(core, organization, row, words)
        except KeyDestroyed:
            continue
        if hit is not None:
            learned[organization] = hit
    return learned


def _conclude(
    core: Core,
    engine: str,
    virus: str,
    common: _Score,
    organizations: Sequence[str],
    learned: Mapping[str, Hit],
) -> Scan:
    settings = core.settings.filter
    verdicts: dict[str, str] = {}
    for organization in organizations:
        points = common.points + learned.get(organization, ("", 0.0))[1]
        verdict = PASS
        # Sums of tenths are not exact.
        if round(points, 3) >= settings.junk_score:
            verdict = FAIL
        elif round(points, 3) >= settings.gray_score:
            verdict = GRAY
        verdicts[organization] = verdict
        _SPAM.labels(engine, verdict).gather()
    scanned = Scan(virus, "", verdicts, common.points, tuple(common.hits), learned)
    # One organization's people do not learn what another's have taught.
    shown = scanned.hits(organizations[0]) if len(organizations) == 1 else scanned.reasons
    score = sum(points for _, points in shown)
    fields = write_field(score, settings.junk_score, shown, virus)
    return msgspec.structs.replace(scanned, fields=fields)


async def _score(
    core: Core,
    engine: str,
    arrival: Arrival,
    raw: bytes,
    authentication: Authenticated | None,
    *,
    asked: bool,
) -> _Score:
    """Raises ScanFailed. `asked`: some organization's model wants the words."""
    if engine == "embedded":
        return await _score_ourselves(core, arrival, raw, authentication, asked)
    hits = await _ask_daemon(core, engine, arrival, raw)
    if not asked:
        return _Score(hits, [])
    return _Score(hits, await asyncio.to_thread(lambda: words_of(Looked(raw))))


async def _score_ourselves(
    core: Core, arrival: Arrival, raw: bytes, authentication: Authenticated | None, asked: bool
) -> _Score:
    around = rules.Surroundings(core.env.now() / 1000, core.settings.host_name, authentication)
    settings = core.settings.filter

    def look() -> tuple[list[Hit], list[str], list[str]]:
        looked = Looked(raw)
        hits = rules.check(looked, arrival, around)
        domains: list[str] = []
        if settings.domain_lists:
            authors = [domain_of(address) for _, address in looked.people.from_.decoded[:2]]
            domains = [*authors, domain_of(arrival.sender), *looked.hosts[: dnsbl.DOMAINS]]
        return hits, words_of(looked) if asked else [], domains

    inline = len(raw) <= LOOK_INLINE or (not asked and _is_light(raw))
    hits, words, domains = look() if inline else await asyncio.to_thread(look)
    if settings.address_lists or settings.domain_lists:
        hits += await dnsbl.ask_lists(
            core.resolver,
            peer=arrival.peer,
            domains=domains,
            address_lists=settings.address_lists,
            domain_lists=settings.domain_lists,
            seconds=settings.list_seconds,
        )
    return _Score(hits, words)


def _is_light(raw: bytes) -> bool:
    return len(raw) <= TEXT_INLINE and text_type(raw) == PLAIN and is_readable(raw)


async def _ask_daemon(core: Core, engine: str, arrival: Arrival, raw: bytes) -> list[Hit]:
    settings = core.settings.filter
    if len(raw) > settings.spam_megabytes * MEGABYTE:
        raise ScanFailed("the message is larger than filter.spam_megabytes")
    daemon, seconds = settings.spam_daemon, settings.spam_seconds
    if engine == "rspamd":
        told = Delivery(arrival.sender, arrival.recipients, arrival.peer, arrival.helo)
        judge = partial(rspamd.judge, daemon, seconds, raw, told)
    else:
        received = received_header(
            helo=arrival.helo,
            client_name="",
            client_ip=arrival.peer,
            by=core.settings.host_name,
            protocol="ESMTP",
            queue_id="scan",
            epoch=core.env.now() / 1000,
        )
        judge = partial(spamassassin.judge, daemon, seconds, received + raw)
    judged = await resting.ask(core, engine, daemon, judge)
    return hits_of(judged, engine, settings.junk_score, settings.gray_score)


def hits_of(judged: Judged, engine: str, junk: float, gray: float) -> list[Hit]:
    """A daemon's judgement on our scale, where `junk` is its own limit; its rules without points.

    Its verdict stands, whatever its score: what people have taught is added to that.
    """
    points = judged.score / judged.required * junk if judged.required > 0 else 0.0
    if judged.verdict == "junk":
        points = max(points, junk)
    elif judged.verdict == "gray":
        points = min(max(points, gray), junk - BELOW)
    else:
        points = min(points, junk - BELOW)
    bounded = max(-2 * junk, min(points, 4 * junk))
    return [(engine.upper(), round(bounded, 1)), *((n, 0.0) for n in judged.names[:DAEMON_RULES])]
