"""Personal rules: what a mailbox's Sieve script and its out-of-office setting do at delivery.

    read the rules -> run the script (a thread) -> file, redirect, refuse, answer, notify

One read tells who of a message's recipients has rules; for everyone else nothing happens. What
comes of it is written in the transaction of the delivery. A script never loses mail: one that goes
wrong, a redirect that must not be, a folder that is not there leave the message in the INBOX. What
lies in Junk E-mail by the judgement of filters has no rules applied to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, Forward
from workpost.domain.mailboxes.out_of_office import open_setting
from workpost.domain.mailboxes.personal_rules import Owner, Rules, read_rules
from workpost.domain.mailboxes.script_shell import open_text
from workpost.domain.messages.delivery import Answer, Charge, Outgoing, Queued
from workpost.domain.messages.prepare import NewItem
from workpost.domain.messages.shell import mailbox_keys
from workpost.formats.sieve.actions import (
    FileInto,
    Keep,
    Notify,
    Redirect,
    Reject,
    Result,
    Vacation,
)
from workpost.kernel.errors import Fault, KeyDestroyed, TryLater
from workpost.kernel.logging import logger
from workpost.operations.mailflow import (
    answering,
    automatic,
    charging,
    filing,
    notifying,
    redirecting,
    refusing,
    scripted,
    trace,
)
from workpost.operations.mailflow.automatic import Sent
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.ruling import APPLIED
from workpost.operations.mailflow.scripted import Mailbox
from workpost.store.core import Core
from workpost.store.tables.events import NewEvent
from workpost.store.tables.folders import INBOX
from workpost.store.tables.sieve_memory import Memory

KIND = "MAILBOX_RULE"
NAME = "Sieve"
_TAKING = (Keep, FileInto, Redirect)

log = logger("mailflow")


class Person(msgspec.Struct, frozen=True):
    """One mailbox that a message is delivered to; `room` in bytes, `rcpt` the folded recipient."""

    organization: str
    mailbox: int
    rcpt: str
    room: int


class Handled(msgspec.Struct):
    """What personal rules add to a delivery.

    `items` hold the content of the message and take the place of those that came in; `queued` are
    rows of the same content. `also` are other contents. `rejected` are mailboxes that got nothing
    because of `reject`, `paths` the folders that rules have named, by the ids of items in them.
    `refused` is set instead of all else where SMTP is to say no.
    """

    items: list[NewItem]
    queued: list[Queued] = []
    also: list[Outgoing] = []
    answers: list[Answer] = []
    memories: list[Memory] = []
    events: list[NewEvent] = []
    forwards: list[Forward] = []
    charges: list[Charge] = []
    rejected: set[int] = set()
    paths: dict[int, str] = {}
    refused: str = ""

    @property
    def placed(self) -> list[NewItem]:
        """All items that mailboxes get, those with a content of their own among them."""
        return [*self.items, *(item for one in self.also for item in one.deliveries)]


async def apply(
    core: Core,
    message: Message,
    items: Sequence[NewItem],
    people: Sequence[Person],
    *,
    direction: str,
    redirects: bool = True,
    alone: bool = False,
) -> Handled:
    """Apply the rules of those to whom `items` are delivered; who has none has them as they are.

    Without `redirects` messages stay here that rules would send on: their owners have sent enough
    today. `direction` is the queue's, "incoming" for mail whose author is a stranger. `alone`:
    there is no other recipient, so the message may be refused in SMTP. Raises TryLater.
    """
    handled = Handled(list(items))
    kept = {item.mailbox: item for item in items if item.role == INBOX}
    concerned = [one for one in people if one.mailbox in kept]
    if not concerned:
        return handled
    rules = await core.store.read(read_rules, wanted=[one.mailbox for one in concerned])
    if rules is None:
        return handled
    for person in concerned:
        owner = rules.owners.get(person.mailbox)
        if owner is None:
            continue
        own = Handled([kept[person.mailbox]])
        try:
            keys = await mailbox_keys(core, owner.organization, owner.mailbox)
            mailbox = Mailbox(owner, person.rcpt, keys)
            case = _Case(core, message, mailbox, person, own, direction, redirects, alone)
            await case.handle(rules)
        except TryLater:
            raise
        except (Fault, KeyDestroyed) as error:
            # Its rules cannot be read: the message is delivered as it is.
            log.error("rules do not open", mailbox=person.mailbox, error=error.message)
        except Exception:
            # A bug of ours must not keep mail from whoever has rules.
            log.exception("rules could not be applied", mailbox=person.mailbox)
        else:
            _add(handled, own, person.mailbox)
    if handled.forwards:
        routed = Expansion([], [], [], [], forwards=handled.forwards)
        handled.charges = await charging.charges_for(core, None, None, routed, 0)
    return handled


def _add(handled: Handled, own: Handled, mailbox: int) -> None:
    """Take over what came of one mailbox."""
    handled.items = [one for one in handled.items if one.mailbox != mailbox] + own.items
    handled.queued += own.queued
    handled.also += own.also
    handled.answers += own.answers
    handled.memories += own.memories
    handled.events += own.events
    handled.forwards += own.forwards
    handled.rejected |= own.rejected
    handled.paths |= own.paths
    handled.refused = handled.refused or own.refused


class _Case:
    """One message at one mailbox."""

    def __init__(
        self,
        core: Core,
        message: Message,
        mailbox: Mailbox,
        person: Person,
        handled: Handled,
        direction: str,
        redirects: bool,
        alone: bool,
    ) -> None:
        self.core = core
        self.message = message
        self.mailbox = mailbox
        self.owner: Owner = mailbox.owner
        self.person = person
        self.handled = handled
        self.direction = direction
        self.redirects = redirects
        self.alone = alone
        self.letter = automatic.read(message)
        self.actions: list[dict[str, object]] = []

    async def handle(self, rules: Rules) -> None:
        """The script first; then who is away by the setting answers what is taken."""
        row = rules.scripts.get(self.owner.mailbox)
        answers = True
        if row is not None:
            source = await open_text(self.core, self.owner.organization, row)
            result = await scripted.run(self.core, self.message, self.mailbox, source)
            answers = await self._carry_out(result)
        away = rules.away.get(self.owner.mailbox)
        if away is not None and answers:
            setting = await open_setting(self.core, self.owner.organization, away)
            answer = await answering.answer_away(
                self.core, self.letter, self.mailbox, setting, away.changed
            )
            self._answer(answer, "OUT_OF_OFFICE")
        if self.actions:
            await self._record()

    async def _carry_out(self, result: Result) -> bool:
        """False when nothing further is said: it was refused, thrown away, or answered."""
        if result.error:
            self._note("ERROR", reason=result.error[:200])
            notice = await notifying.tell_error(self.core, self.mailbox, result.error)
            if notice is not None:
                self.handled.answers.append(notice)
            return True
        refusal = next((one for one in result.actions if isinstance(one, Reject)), None)
        if refusal is not None and self.letter.sender:
            await self._reject(refusal)
            return False
        self.handled.memories += scripted.memories(self.core, self.mailbox, result)
        message = self.message
        if result.message is not None and len(result.message) <= self.person.room:
            message = await filing.edit(self.core, message, result.message)
        queued: list[Queued] = []
        places: list[Keep | FileInto] = []
        for action in result.actions:
            if isinstance(action, Keep | FileInto):
                places.append(action)
            elif isinstance(action, Redirect):
                if not await self._redirect(message, action, queued):
                    places.append(Keep(result.flags))
            elif isinstance(action, Vacation):
                answer = await answering.answer_vacation(
                    self.core, self.letter, self.mailbox, action
                )
                self._answer(answer, "REPLY")
            elif isinstance(action, Notify):
                await self._notify(action)
            else:
                # The null sender cannot be refused anything: nobody would hear of it.
                places.append(Keep(result.flags))
        await self._file(message, places, queued)
        spoke = any(isinstance(one, Vacation) for one in result.actions)
        return not spoke and any(isinstance(one, _TAKING) for one in result.actions)

    async def _file(
        self, message: Message, places: list[Keep | FileInto], queued: list[Queued]
    ) -> None:
        edited = message is not self.message
        if places == [Keep()] and not edited:
            self.handled.queued += queued
            return
        filed = await filing.file(self.core, message, self.mailbox, places, room=self.person.room)
        self.handled.items = [] if edited else filed.items
        self.handled.paths |= filed.paths
        if not edited:
            self.handled.queued += queued
        elif filed.items or queued:
            self.handled.also.append(Outgoing(message.content, filed.items, queued))
        if not places and not any(one["action"] == "REDIRECT" for one in self.actions):
            self._note("DISCARD")
        kept = any(isinstance(one, Keep) for one in places)
        for folder, found in filed.folders:
            if found:
                self._note("COPY" if kept else "MOVE", targetFolder=folder)
            else:
                self._note("KEEP", targetFolder="INBOX", missingFolder=folder)

    async def _redirect(self, message: Message, action: Redirect, queued: list[Queued]) -> bool:
        """False when the message has to stay here; `queued` gets rows of its content."""
        sent = None
        if self.redirects:
            sent = await redirecting.redirect(
                self.core, message, self.letter, self.mailbox, action.address, self.direction
            )
        if sent is None:
            self._note("KEEP", notRedirectedTo=action.address)
            return False
        queued += sent.queued
        self.handled.also += sent.also
        self.handled.forwards += sent.forwards
        self._note("REDIRECT", recipients=[action.address])
        return not sent.keep

    async def _notify(self, action: Notify) -> None:
        """Notices elsewhere count as what is sent on: a script is no way around the limits."""
        told = await notifying.notify(self.core, self.letter, self.mailbox, action)
        if told is None or (told.elsewhere and not self.redirects):
            return
        owner, rcpt = self.owner, self.person.rcpt
        self._send(told.sent)
        self.handled.forwards += [
            Forward(owner.organization, owner.entity, one, owner.address, rcpt, True)
            for one in told.elsewhere
        ]
        self._note("NOTIFY", recipients=notifying.recipients(action))

    async def _reject(self, action: Reject) -> None:
        self._note("REJECT", recipients=[self.letter.sender])
        self.handled.items = []
        self.handled.rejected.add(self.owner.mailbox)
        if self.alone and refusing.fits_smtp(action.reason):
            self.handled.refused = refusing.reply(action.reason)
            return
        told = await refusing.refuse(self.core, self.message, self.letter, self.mailbox, action)
        if told is not None:
            self._send(told)

    def _send(self, sent: Sent) -> None:
        self.handled.also += [sent.message, *sent.reports]
        self.handled.events += sent.events

    def _answer(self, answer: Answer | None, kind: str) -> None:
        if answer is not None:
            self.handled.answers.append(answer)
            self._note(kind, recipients=[self.letter.sender])

    def _note(self, action: str, **more: object) -> None:
        self.actions.append({"action": action, "recipients": [self.owner.address], **more})

    async def _record(self) -> None:
        """RULE_APPLIED, in the words of the event that WorkMail logs."""
        story: dict[str, object] = {
            "traceId": self.message.stamped.trace,
            "messageId": self.message.summary.message_id,
            "from": self.message.envelope.sender,
            "recipient": self.owner.address,
            "ruleName": NAME,
            "ruleType": KIND,
            "ruleActions": self.actions,
        }
        for action in self.actions:
            if "targetFolder" in action:
                story.setdefault("targetFolder", action["targetFolder"])
            if action["action"] == "REDIRECT":
                story.setdefault("targetRecipient", action["recipients"])
        event = await trace.seal_event(self.core, self.owner.organization, APPLIED, story)
        self.handled.events.append(event)
