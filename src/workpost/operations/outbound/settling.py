"""What becomes of each recipient after an attempt: delivered, given up, or to be tried again.

Decided here, outside of the transaction, with the reports and events that tell of it; written by
`ending.end_attempt`. Only what a server said, or time, ends a recipient: trouble of our own (keys,
database, disk) never does.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from workpost.domain.messages.delivery import Outgoing
from workpost.domain.organizations import suppression
from workpost.domain.organizations.suppression import Suppressed
from workpost.formats.mime.summary import Summary
from workpost.integrations.smtp.base import Outcome
from workpost.operations.mailflow import bounces, explaining, reports, trace
from workpost.operations.mailflow.entries import seal_batch
from workpost.operations.mailflow.envelope import StoredRecipient
from workpost.operations.mailflow.opening import OpenedEntry
from workpost.operations.mailflow.reports import DELAYED, FAILED, RELAYED, About, Told
from workpost.operations.outbound import schedule
from workpost.operations.outbound.ending import Closing, Ending, Later
from workpost.operations.outbound.leasing import Leased, Patience
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.suppressions import NewSuppression

SENT_EVENT = "OUTGOING_EMAIL_SENT"
BOUNCED_EVENT = "OUTGOING_EMAIL_BOUNCED"
DELAYED_EVENT = "OUTGOING_EMAIL_DELAYED"

EXPIRED = "4.4.7"
"""Delivery time expired (RFC 3463 3.5)."""
SUPPRESSED = "5.1.1"
HARD = frozenset(("5.1.1", "5.1.6", "5.1.10", "5.2.1"))
"""Codes by which a server says that nobody will ever read mail at an address."""
MAX_LAST = 300
DAY_MS = 86_400_000


class Attempt(msgspec.Struct, frozen=True):
    """An attempt and what came of it, by number of the recipient's row."""

    leased: Leased
    opened: OpenedEntry
    raw: bytes
    summary: Summary
    outcomes: dict[int, Outcome]
    suppressed: dict[int, Suppressed] = {}
    """Those who were not tried because nothing is sent to them; their outcome is `failed`."""


def patience_of(core: Core) -> Patience:
    """How long mail is tried, as the settings have it now."""
    queue = core.settings.queue
    return Patience(queue.notice_hours * schedule.HOUR, queue.give_up_hours * schedule.HOUR)


async def decide(
    core: Core, attempt: Attempt, numbers: Iterable[int], closing: Closing | None, *, reached: bool
) -> Ending:
    """What becomes of these recipients, with reports and events. Raises KeyDestroyed, TryLater."""
    deciding = _Deciding(core, attempt)
    for number in sorted(numbers):
        await deciding.take(number)
    made = await deciding.tell()
    entry = attempt.leased.entry
    return Ending(
        queue=entry.id,
        fence=attempt.leased.fence,
        route=attempt.leased.route,
        done=deciding.done,
        later=deciding.later,
        reports=made,
        events=deciding.events,
        suppress=deciding.suppress,
        closing=closing,
        reached=reached,
    )


class _Deciding:
    def __init__(self, core: Core, attempt: Attempt) -> None:
        self._core = core
        self._attempt = attempt
        self._entry = attempt.leased.entry
        self._age = core.env.now() - self._entry.since
        self._patience = patience_of(core)
        self._attempts = {number: count for number, count, _ in self._entry.recipients}
        self._told: dict[str, list[Told]] = {RELAYED: [], FAILED: [], DELAYED: []}
        self.done: list[int] = []
        self.later: list[Later] = []
        self.events: list[NewEvent] = []
        self.suppress: list[NewSuppression] = []

    async def take(self, number: int) -> None:
        outcome = self._attempt.outcomes[number]
        [person] = self._attempt.opened.people[number]
        if outcome.state == "delivered":
            self.done.append(number)
            self.events.append(await sent_event(self._core, self._attempt, number))
            if not outcome.dsn:
                self._tell(RELAYED, number, person, outcome, "2.0.0")
        elif outcome.state == "failed":
            self.done.append(number)
            self._tell(FAILED, number, person, outcome, outcome.status)
            await self._suppress(person, outcome)
        else:
            self._defer(number, person, outcome)

    def _defer(self, number: int, person: StoredRecipient, outcome: Outcome) -> None:
        noticed = number in self._entry.noticed
        give_up = self._patience.give_up
        if self._attempt.opened.envelope.gateway and not outcome.reached:
            minutes = self._core.settings.queue.gateway_minutes
            give_up = min(give_up, minutes * schedule.MINUTE)
        verdict = schedule.judge(
            self._age,
            noticed=noticed,
            notice_after=self._patience.notice,
            give_up_after=give_up,
        )
        if verdict == "give up":
            self.done.append(number)
            self._tell(FAILED, number, person, outcome, EXPIRED)
            return
        if verdict == "notice":
            self._tell(DELAYED, number, person, outcome, outcome.status)
        dice = schedule.dice_of(self._core.env)
        delay = schedule.retry_delay(self._attempts[number], self._age, dice)
        left = give_up - self._age
        person = msgspec.structs.replace(person, last=_last(outcome))
        self.later.append(
            Later(
                number,
                max(min(delay, left), schedule.MINUTE // 2),
                seal_batch(
                    self._attempt.opened.key.key,
                    self._entry.org,
                    self._entry.id,
                    number,
                    [person],
                ),
                noticed or verdict == "notice",
            )
        )

    def _tell(
        self,
        action: str,
        number: int,
        person: StoredRecipient,
        outcome: Outcome,
        status: str,
    ) -> None:
        reason, advice = explaining.explain(status)
        if action == RELAYED:
            reason, advice = "That server has taken the message over.", ""
        elif number in self._attempt.suppressed:
            reason, advice = explaining.SUPPRESSED
        elif action == DELAYED:
            reason, advice = _late(outcome), ""
        elif not outcome.code and status != EXPIRED:
            reason = outcome.text
        self._told[action].append(
            Told(
                address=person.address,
                action=action,
                status=status,
                reason=reason,
                advice=advice,
                reply=_reply(outcome),
                host=outcome.host,
                wish=person.wish,
            )
        )

    async def _suppress(self, person: StoredRecipient, outcome: Outcome) -> None:
        days = self._core.settings.queue.suppression_days
        if not days or outcome.code < 500 or outcome.status not in HARD:
            return
        if not self._attempt.opened.envelope.sender:
            return
        until = self._core.env.now() + days * DAY_MS
        new = Suppressed(
            address=person.address, source="bounce", reason=_last(outcome), until=until
        )
        self.suppress.append(await suppression.prepare(self._core, self._entry.org, new))

    async def tell(self) -> list[Outgoing]:
        """Make the reports, and the events of those who were given up or are late."""
        about = About(
            organization=self._entry.org,
            envelope=self._attempt.opened.envelope,
            raw=self._attempt.raw,
            summary=self._attempt.summary,
            arrival=self._entry.created,
            retry_until=self._entry.since + self._patience.give_up,
        )
        made = []
        for action, told in self._told.items():
            report, outcome = await reports.make_report(self._core, about, told, direct=0)
            if report is not None:
                made.append(report)
            if action != RELAYED:
                kind = BOUNCED_EVENT if action == FAILED else DELAYED_EVENT
                self.events += await bounces.seal_bounces(self._core, kind, about, told, outcome)
        return made


async def sent_event(core: Core, attempt: Attempt, number: int) -> NewEvent:
    """The event of a recipient whose server took the message over; needs no key but the entry's."""
    outcome = attempt.outcomes[number]
    [person] = attempt.opened.people[number]
    envelope = attempt.opened.envelope
    story = {
        "traceId": envelope.trace,
        "from": envelope.sender,
        "recipient": person.address,
        "messageId": attempt.summary.message_id,
        "subject": attempt.summary.subject[:256],
        "host": outcome.host,
        "reply": _reply(outcome),
        "tls": outcome.tls,
    }
    entry = attempt.leased.entry
    return await trace.seal_event(core, entry.org, SENT_EVENT, story, attempt.opened.key)


def _reply(outcome: Outcome) -> str:
    """What a server said, code first; empty for words of our own."""
    if not outcome.code:
        return ""
    text = outcome.text
    return text if text.startswith(str(outcome.code)) else f"{outcome.code} {text}"


def _last(outcome: Outcome) -> str:
    said = _reply(outcome) or outcome.text
    return (f"{outcome.host}: {said}" if outcome.host else said)[:MAX_LAST]


def _late(outcome: Outcome) -> str:
    if not outcome.reached:
        return "The recipient's mail server cannot be reached at the moment."
    if not outcome.code:
        return "The connection to the recipient's mail server does not hold at the moment."
    return "The recipient's mail server does not take the message yet."
