"""One delivery, from its lease to its end.

    open -> leave out the suppressed -> sign -> attempt -> decide -> one transaction

The recipients stay leased all the while (`runner.py` renews). What goes wrong here with us (keys,
contents, database) puts them back to wait and tells nobody; what was delivered is written down
before anything else is tried, as long as it takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from workpost.domain.messages.shell import summary_of
from workpost.domain.organizations import suppression
from workpost.domain.organizations.suppression import Suppressed
from workpost.formats.mime.summary import Summary
from workpost.integrations.smtp.base import Mail, MailRecipient, Outcome, Progress
from workpost.kernel.errors import Fault, KeyDestroyed, TryLater, WorkpostError
from workpost.kernel.logging import logger
from workpost.operations.mailflow.counting import count
from workpost.operations.mailflow.opening import OpenedEntry, open_entry
from workpost.operations.outbound import schedule
from workpost.operations.outbound.budget import Budget
from workpost.operations.outbound.ending import (
    Closing,
    Ending,
    end_attempt,
    forget,
    give_back,
)
from workpost.operations.outbound.leasing import Leased
from workpost.operations.outbound.preparing import Signer, prepare
from workpost.operations.outbound.settling import SUPPRESSED, Attempt, decide, sent_event
from workpost.store.core import Core
from workpost.store.tables.queue import HELD, WAITING

HOLD_AFTER_MS = schedule.DAY
"""What does not open for so long is the operator's."""
OUTAGE_MS = schedule.MINUTE
"""Wait for keys, contents or a database of our own that are away."""
PAUSE = 1.0
"""Seconds between two tries to write down what was delivered."""
FAULTS = 5
"""Tries to decide about those who were not delivered, before they are put back to wait."""

log = logger("outbound")


class Sender(Protocol):
    """What sends (`transport.Transport`)."""

    async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
        """Try once; an outcome for every recipient, whatever the network does."""
        ...

    async def close(self) -> None:
        """End the sessions that are kept."""
        ...


Learn = Callable[[list[Outcome]], tuple[Closing | None, bool]]
"""From what the network came to: is the destination to be closed, is it reached again?"""


class Interrupted(Exception):
    """The attempt was called off: the lease is lost, or the process stops."""


class Delivery:
    """One lease under way; `call_off` ends the attempt, not what follows one that ended."""

    def __init__(
        self, core: Core, sender: Sender, sign: Signer, budget: Budget, leased: Leased
    ) -> None:
        self._core = core
        self._sender = sender
        self._sign = sign
        self._budget = budget
        self._trying: asyncio.Task[list[Outcome]] | None = None
        self._called_off = False
        self._tried = False
        self._progress = Progress()
        self.leased = leased
        self.began = core.env.monotonic()
        self.outcomes: list[Outcome] = []
        """What the network came to; empty when nothing was tried."""

    @property
    def awaits_reply(self) -> bool:
        """Whether a server has the message whole and has not said what it makes of it."""
        return self._progress.awaits_reply

    def call_off(self) -> bool:
        """Interrupt the attempt, now or when it begins; False when it is over or called off."""
        if self._called_off or self._tried:
            return False
        self._called_off = True
        if self._trying is not None:
            self._trying.cancel()
        return True

    async def run(self, learn: Learn) -> None:
        """Deliver; returns when every recipient is where it belongs, or was lost to another runner.

        `learn` is told what the network came to, once, unless the attempt was not made.
        """
        try:
            opened = await open_entry(self._core, self.leased.entry)
            async with self._budget.take(opened.envelope.size):
                attempt = await self._attempt(opened)
                closing, reached = learn(self.outcomes)
                await self._end(attempt, closing, reached=reached)
        except KeyDestroyed as error:
            await self._forget(error)
        except Interrupted:
            await self._give_back(0, tried=False)
        except TryLater as error:
            log.warning("a delivery waits for us", queue=self.leased.entry.id, error=error.message)
            await self._give_back(self._soon(OUTAGE_MS), tried=False)
        except Fault as error:
            await self._put_off(error)
        except Exception as error:
            log.exception("a delivery failed inside", queue=self.leased.entry.id)
            await self._put_off(Fault(type(error).__name__))

    async def _attempt(self, opened: OpenedEntry) -> Attempt:
        entry = self.leased.entry
        raw = await self._core.contents.get(entry.content, opened.content_key)
        summary = await summary_of(raw)
        if self.leased.trouble is not None:
            outcomes = _not_tried(self.leased)
            return Attempt(self.leased, opened, raw, summary, outcomes)
        suppressed = await self._suppressed(opened)
        found = {number: _refused(number, why) for number, why in suppressed.items()}
        numbers = [number for number in opened.people if number not in found]
        if numbers:
            mail = await self._mail(opened, raw, summary, numbers)
            self.outcomes = await self._try(mail)
            found |= {one.number: one for one in self.outcomes if one.number in numbers}
        for number in opened.people:
            # Whoever it says nothing of must not take those with it who were delivered.
            found.setdefault(number, _unknown(number))
        return Attempt(self.leased, opened, raw, summary, found, suppressed)

    async def _suppressed(self, opened: OpenedEntry) -> dict[int, Suppressed]:
        """Rows whose address is suppressed; reports go to whoever wrote to us, list or not."""
        if not opened.envelope.sender:
            return {}
        addresses = {number: people[0].address for number, people in opened.people.items()}
        found = await suppression.find(self._core, self.leased.entry.org, list(addresses.values()))
        return {number: found[each] for number, each in addresses.items() if each in found}

    async def _mail(
        self, opened: OpenedEntry, raw: bytes, summary: Summary, numbers: list[int]
    ) -> Mail:
        envelope = opened.envelope
        content = await prepare(
            self._core, self._sign, self.leased.entry.org, envelope, raw, summary
        )
        people = [(number, opened.people[number][0]) for number in numbers]
        return Mail(
            sender=envelope.sender,
            recipients=[
                MailRecipient(number, one.address, one.wish.notify, one.wish.orcpt)
                for number, one in people
            ],
            content=content,
            smtputf8=envelope.smtputf8,
            body=envelope.body,
            requiretls=envelope.requiretls,
            ret=envelope.ret,
            envid=envelope.envid,
            progress=self._progress,
        )

    async def _try(self, mail: Mail) -> list[Outcome]:
        if self._called_off:
            raise Interrupted
        self._trying = asyncio.create_task(self._sender.attempt(self.leased.route, mail))
        try:
            return await self._trying
        except asyncio.CancelledError:
            if self._called_off:
                raise Interrupted from None
            self._trying.cancel()
            raise
        finally:
            self._trying = None
            self._tried = True

    # --- the end ---

    async def _end(self, attempt: Attempt, closing: Closing | None, *, reached: bool) -> None:
        """Write down what came of it; does not return before that is done or the lease is lost."""
        left = set(attempt.outcomes)
        faults = 0
        while left:
            try:
                ending = await decide(self._core, attempt, left, closing, reached=reached)
                left = await self._write(ending, left)
                continue
            except KeyDestroyed as error:
                await self._forget(error)
                return
            except TryLater as error:
                log.warning("a delivery's end waits", queue=self.leased.entry.id, error=str(error))
            except Exception:
                log.exception("a delivery's end failed inside", queue=self.leased.entry.id)
                faults += 1
            left = await self._note_delivered(attempt, left)
            if left and faults >= FAULTS:
                await self._put_off(Fault("its end could not be decided"))
                return
            await asyncio.sleep(PAUSE)

    async def _write(self, ending: Ending, left: set[int]) -> set[int]:
        """Write an ending; returns who is still to be decided about, fewer when some were lost."""
        written = await self._core.store.write(end_attempt, ending=ending)
        told = {*ending.done, *(each.number for each in ending.later)}
        if set(written) >= told:
            count(ending.events)
            return left - told
        log.error(
            "recipients were lost to another runner",
            queue=ending.queue,
            count=len(told - set(written)),
        )
        return left & set(written)

    async def _note_delivered(self, attempt: Attempt, left: set[int]) -> set[int]:
        """Write down who was delivered, with nothing that needs more than the database."""
        done = sorted(n for n in left if attempt.outcomes[n].state == "delivered")
        if not done:
            return left
        try:
            events = [await sent_event(self._core, attempt, number) for number in done]
            ending = Ending(
                queue=self.leased.entry.id,
                fence=self.leased.fence,
                route=self.leased.route,
                done=done,
                events=events,
            )
            return await self._write(ending, left)
        except WorkpostError:
            return left

    def _soon(self, delay: int) -> int:
        return int(delay * (0.5 + schedule.dice_of(self._core.env)))

    async def _put_off(self, error: Fault) -> None:
        """Come back later to what does not open; after a day it is held for the operator."""
        entry = self.leased.entry
        age = self._core.env.now() - entry.since
        held = age >= HOLD_AFTER_MS
        attempts = min(count for _, count, _ in entry.recipients)
        dice = schedule.dice_of(self._core.env)
        delay = schedule.retry_delay(attempts, age, dice)
        log.error("queued mail does not open", queue=entry.id, held=held, error=error.message)
        await self._give_back(delay, state=HELD if held else WAITING)

    async def _give_back(self, delay: int, *, state: str = WAITING, tried: bool = True) -> None:
        try:
            await self._core.store.write(
                give_back,
                queue_id=self.leased.entry.id,
                fence=self.leased.fence,
                delay_ms=delay,
                state=state,
                tried=tried,
            )
        except WorkpostError as error:
            log.warning("a lease is left to run out", queue=self.leased.entry.id, error=str(error))

    async def _forget(self, error: KeyDestroyed) -> None:
        """End recipients whose organization's keys are destroyed; no event could be read."""
        log.warning("queued mail went with its organization", error=error.message)
        try:
            await self._core.store.write(
                forget, queue_id=self.leased.entry.id, fence=self.leased.fence
            )
        except WorkpostError:
            return


def _not_tried(leased: Leased) -> dict[int, Outcome]:
    """The outcome of recipients whose destination is known not to be reached now."""
    assert leased.trouble is not None
    return {
        number: Outcome(
            number=number,
            state="deferred",
            status=leased.trouble.status,
            text=leased.trouble.reason,
            reached=False,
        )
        for number, _, _ in leased.entry.recipients
    }


def _unknown(number: int) -> Outcome:
    return Outcome(
        number=number, state="deferred", status="4.3.0", text="Nothing is known of the attempt."
    )


def _refused(number: int, why: Suppressed) -> Outcome:
    return Outcome(
        number=number,
        state="failed",
        status=SUPPRESSED,
        text=f"Nothing is sent to this address for now: {why.reason}",
        reached=False,
    )
