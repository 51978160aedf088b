"""One attempt to have the function of a rule answer for a message, from lease to settlement.

The message is in transit while the function runs (`domain.messages.transit`): it may read and
replace it. No answer within the time, an error or an answer that is none: it is tried again, longer
after each time, from the original message, until the rule's time is over; then the fallback action
goes to all recipients. Nobody waits for an asynchronous function; it is invoked up to three times,
as Lambda does.
"""

from __future__ import annotations

import asyncio

import msgspec

from workpost.domain.messages import delivery, transit
from workpost.domain.messages.delivery import Settlement
from workpost.domain.messages.shell import summary_of
from workpost.domain.messages.transit import NewTransit
from workpost.domain.organizations.flow_rules import INBOUND
from workpost.formats.flow_functions import (
    FlowEvent,
    ResponseInvalid,
    compose_event,
    read_response,
)
from workpost.integrations.lambda_.base import FunctionFailed
from workpost.kernel import metrics
from workpost.kernel.errors import EntityNotFound, TryLater
from workpost.kernel.logging import logger
from workpost.operations.functions.invoking import invoke
from workpost.operations.mailflow import trace
from workpost.operations.mailflow.answered import Answer, Waiting
from workpost.operations.mailflow.entries import seal_batch
from workpost.operations.mailflow.envelope import Held, StoredEnvelope, StoredRecipient
from workpost.operations.mailflow.opening import OpenedEntry, open_entry
from workpost.operations.mailflow.queueing import Lease, begin_attempt, put_off
from workpost.operations.mailflow.releasing import release
from workpost.store.core import Core
from workpost.store.tables.in_transit import INCOMING, OUTGOING, TransitRow

FIRST_DELAY_MS = 1_000
LAST_DELAY_MS = 5 * 60_000
"""Wait after the first attempt, doubled each time up to the last; less by chance up to a half."""
LATE_MS = 3_600_000
"""So long after its time a message is tried again whose turn has come late; later it falls back."""
MAX_REASON = 200
"""Characters of why a function has not answered that logs and `workpost queue show` tell."""
UNWAITED_SECONDS = 900.0
"""How long a function may take for which nobody waits: as long as Lambda lets any run."""
UNWAITED_DELAYS_MS = (60_000, 120_000)
"""Waits before the second and the third attempt where nobody waits."""
SETTLES = 5
"""How often it is tried to write what a function has answered, before it is asked again."""
SETTLE_SECONDS = 0.2
FAILED = "RULE_FUNCTION_FAILED"

INVOCATIONS = metrics.counter(
    "workpost_rule_invocations_total",
    "Invocations of functions by rules, by what came of them.",
    "outcome",
)
FALLBACKS = metrics.counter(
    "workpost_rule_fallbacks_total", "Messages for which a rule's fallback action was taken."
)
SECONDS = metrics.histogram(
    "workpost_rule_invocation_seconds",
    "Time that functions of rules take.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0, 900.0),
)
ANSWERED, INVALID = "answered", "invalid"

log = logger("mailflow")


class _Lost(Exception):
    """Somebody else has the row."""


class _Failed(Exception):
    """There is no answer that could be followed; the message says why."""


async def attempt(core: Core, lease: Lease) -> None:
    """Invoke the function of a leased row and settle it, or put it off.

    Raises Fault, KeyDestroyed, TryLater.
    """
    opened = await open_entry(core, lease.leased)
    held = opened.envelope.held
    assert held is not None
    case = _Attempt(core, lease, opened, held)
    try:
        if held.asynchronous:
            await case.tell()
        else:
            await case.ask()
    except _Lost:
        log.info("another runner has taken a message over", queue=lease.leased.id)


class _Attempt:
    def __init__(self, core: Core, lease: Lease, opened: OpenedEntry, held: Held) -> None:
        self.core = core
        self.lease = lease
        self.key = opened.key.key
        self.content_key = opened.content_key
        self.envelope: StoredEnvelope = opened.envelope
        self.held = held
        [(self.number, people)] = opened.people.items()
        # What an attempt before came to is not told of what is to follow.
        self.recipients: list[StoredRecipient] = [
            msgspec.structs.replace(one, last="") for one in people
        ]
        self.before = lease.leased.recipients[0][1]
        """Attempts that were made."""

    # --- somebody waits ---

    async def ask(self) -> None:
        now = self.core.env.now()
        if now > self.held.deadline + LATE_MS and await self._was_asked():
            await self._fall_back("its time is over")
            return
        try:
            said, row = await self._invoke(float(self.core.settings.mailflow.function_seconds))
            response = read_response(said, self.held.direction)
        except _Failed as error:
            await self._again(str(error))
        except ResponseInvalid as error:
            INVOCATIONS.labels(INVALID).inc()
            await self._again(f"its answer is invalid: {error}")
        else:
            INVOCATIONS.labels(ANSWERED).inc()
            await self._settle(Answer(response), row)

    async def _was_asked(self) -> bool:
        """Whether the function has heard of the message: a fault of ours is no answer of its."""
        found = await self.core.store.read(transit.find_message, id=self.held.message)
        return found is not None

    async def _again(self, failure: str) -> None:
        left = self.held.deadline - self.core.env.now()
        log.info(
            "a function has not answered for a message",
            queue=self.lease.leased.id,
            function=self.held.function,
            reason=failure[:MAX_REASON],
            retried=left > 0,
        )
        if left <= 0:
            await self._fall_back(failure)
        else:
            await self._postpone(min(left, self._delay()), failure)

    def _delay(self) -> int:
        longest = min(FIRST_DELAY_MS << min(self.before, 20), LAST_DELAY_MS)
        dice = int.from_bytes(self.core.env.random_bytes(2), "big") / 65_536
        return int(longest * (1 - dice / 2))

    async def _fall_back(self, failure: str) -> None:
        FALLBACKS.inc()
        log.warning(
            "a rule's fallback action is taken",
            queue=self.lease.leased.id,
            rule=self.held.rule,
            function=self.held.function,
            reason=failure[:MAX_REASON],
        )
        await self._settle(Answer(None, failure), None)

    async def _settle(self, answer: Answer, row: TransitRow | None) -> None:
        leased = self.lease.leased
        content, key, replaced = leased.content, self.content_key, False
        if row is not None and row.replaced:
            content, replaced = row.content, True
            key = await transit.open_content_key(self.core, row)
        raw = await self.core.contents.get(content, key)
        waiting = Waiting(
            lease=self.lease,
            number=self.number,
            envelope=self.envelope,
            held=self.held,
            recipients=self.recipients,
            content=content,
            content_key=key,
            raw=raw,
            summary=await summary_of(raw),
            replaced=replaced,
        )
        for number in range(1, SETTLES + 1):
            try:
                if not await release(self.core, waiting, answer):
                    raise _Lost
                return
            except TryLater:
                if number == SETTLES:
                    raise
                await asyncio.sleep(SETTLE_SECONDS * number)

    # --- nobody waits ---

    async def tell(self) -> None:
        events = []
        try:
            await self._invoke(UNWAITED_SECONDS)
            INVOCATIONS.labels(ANSWERED).inc()
        except _Failed as error:
            if self.before < len(UNWAITED_DELAYS_MS):
                await self._postpone(UNWAITED_DELAYS_MS[self.before], str(error))
                return
            story = {
                "traceId": self.envelope.trace,
                "from": self.envelope.sender,
                "recipients": [one.address for one in self.recipients],
                "ruleName": self.held.name,
                "function": self.held.function,
                "invocationId": self.held.invocation,
                "reason": str(error),
            }
            events.append(await trace.seal_event(self.core, self.lease.leased.org, FAILED, story))
        ended = Settlement(
            queue=self.lease.leased.id, number=self.number, fence=self.lease.fence, events=events
        )
        await self.core.store.write_background(delivery.settle_queued, settlement=ended)

    # --- both ---

    async def _invoke(self, seconds: float) -> tuple[bytes, TransitRow]:
        """The function's answer, and the message as it left it. Raises _Failed, _Lost."""
        core, held, leased = self.core, self.held, self.lease.leased
        event = compose_event(
            FlowEvent(
                author=held.author,
                sender=held.behalf,
                recipients=[one.address for one in self.recipients],
                subject=held.subject,
                message_id=held.message,
                invocation_id=held.invocation,
                direction=held.direction,
            )
        )
        await self._begin()
        began = core.env.monotonic()
        failure = ""
        said = b""
        try:
            said = await invoke(
                core,
                organization=leased.org,
                arn=held.function,
                event=event,
                seconds=seconds,
                request_id=held.invocation,
                waited=not held.asynchronous,
            )
        except FunctionFailed as error:
            INVOCATIONS.labels(error.trouble.value).inc()
            failure = f"the function failed: {error.trouble.value}"
        except EntityNotFound as error:
            failure = error.message
        SECONDS.observe(core.env.monotonic() - began)
        row = await core.store.write_background(
            transit.close, organization=leased.org, id=held.message, fence=self.lease.fence
        )
        if row is None:
            raise _Lost
        if failure:
            raise _Failed(failure)
        return said, row

    async def _begin(self) -> None:
        held, leased = self.held, self.lease.leased
        wrapped, gen = await transit.wrap_content_key(
            self.core, organization=leased.org, id=held.message, content_key=self.content_key
        )
        begun = await self.core.store.write_background(
            begin_attempt,
            queue_id=leased.id,
            transit=NewTransit(
                organization=leased.org,
                id=held.message,
                direction=INCOMING if held.direction == INBOUND else OUTGOING,
                content=leased.content,
                wrapped_key=wrapped,
                gen=gen,
                skip=self.envelope.skip,
                function=held.function,
                synchronous=not held.asynchronous,
                fence=self.lease.fence,
            ),
        )
        if not begun:
            raise _Lost

    async def _postpone(self, delay_ms: int, failure: str) -> None:
        leased = self.lease.leased
        people = [
            msgspec.structs.replace(one, last=failure[:MAX_REASON]) for one in self.recipients
        ]
        await self.core.store.write_background(
            put_off,
            queue_id=leased.id,
            fence=self.lease.fence,
            number=self.number,
            delay_ms=delay_ms,
            sealed=seal_batch(self.key, leased.org, leased.id, self.number, people),
            noticed=self.number in leased.noticed,
        )
