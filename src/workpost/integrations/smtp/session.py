"""Mail transactions of one session (RFC 5321 3.3), pipelined where the server takes it."""

from __future__ import annotations

import asyncio

import msgspec

from workpost.integrations.smtp.base import Mail, Outcome, Progress, State
from workpost.integrations.smtp.connection import BLOCK, Connection, Lost
from workpost.integrations.smtp.offers import Offer
from workpost.integrations.smtp.replies import BadReply, Reply
from workpost.integrations.smtp.times import Times
from workpost.integrations.smtp.wording import Wording, stuff, word

AT_ONCE = 100
"""Recipients of one transaction: what every server must take (RFC 5321 4.5.3.1.8)."""
INLINE = 512 * 1024
"""Octets that are made ready without leaving the loop."""
_TOO_MANY = frozenset({"4.5.3", "5.5.3"})
Group = list[tuple[int, bytes]]


class Answer(msgspec.Struct, frozen=True):
    """What became of one recipient; `elsewhere`: another server may be tried at once."""

    outcome: Outcome
    elsewhere: bool = False


class Session:
    """A session that is ready for mail. Messages go one after another."""

    def __init__(
        self,
        connection: Connection,
        offer: Offer,
        *,
        host: str,
        address: str,
        tls: str,
        times: Times,
    ) -> None:
        self._connection = connection
        self._times = times
        self._dirty = False
        self._over = False
        self.offer = offer
        self.host = host
        self.address = address
        self.tls = tls
        self.messages = 0

    @property
    def is_usable(self) -> bool:
        """Whether another message may be sent."""
        return not self._over and self._connection.is_quiet

    def set_deadline(self, deadline: float) -> None:
        """No wait goes beyond this moment of the loop's clock."""
        self._connection.deadline = deadline

    def close(self) -> None:
        """Say goodbye and wait for nothing."""
        if self.is_usable:
            try:
                self._connection.write(b"QUIT\r\n")
            except (Lost, BadReply):
                pass
            self._connection.close()
        else:
            self._connection.abort()
        self._over = True

    async def wait_closed(self, seconds: float) -> None:
        """Wait until nothing is left of it; after so many seconds make an end."""
        try:
            async with asyncio.timeout(seconds):
                await self._connection.gone.wait()
        except TimeoutError:
            self._connection.abort()

    async def send(self, mail: Mail) -> list[Answer]:
        """Send a message; one answer for each recipient, in their order. Never raises for these."""
        self.messages += 1
        wording = word(mail, self.offer)
        run = _Run(self, mail, wording)
        try:
            await run.go()
        finally:
            if not run.finished:
                # Broken off from outside: what is half sent must never end in a dot.
                self._over = True
                self._connection.abort()
        return [run.answers[place] for place in range(len(mail.recipients))]


class _Run:
    """One message in one session, in as many transactions as it takes."""

    def __init__(self, session: Session, mail: Mail, wording: Wording) -> None:
        self._session = session
        self._connection = session._connection
        self._times = session._times
        self._mail = mail
        self._wording = wording
        self._pipelining = "PIPELINING" in session.offer
        self._dotted = False
        self._content: bytes | None = None
        self.answers: dict[int, Answer] = {}
        self.finished = False
        for place, refusal in wording.refused.items():
            self._note(place, "failed", refusal.status, refusal.text)

    async def go(self) -> None:
        waiting = self._wording.recipients
        while waiting and self._session.is_usable:
            group, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            try:
                waiting = await self._transact(group) + waiting
            except (Lost, BadReply) as error:
                self._break(group, error)
        for place, _ in waiting:
            self._note(place, "deferred", "4.4.2", f"{self._session.host} ended the session.", True)
        self.finished = True

    async def _transact(self, group: Group) -> Group:
        """One transaction; those who are to come in another one."""
        self._dotted = False
        if self._session._dirty:
            reply = await self._ask(b"RSET\r\n", self._times.reset)
            if reply.kind != 2:
                raise BadReply("it does not forget a transaction")
        self._session._dirty = True
        ahead = b"".join(command for _, command in group) + b"DATA\r\n" if self._pipelining else b""
        reply = await self._ask(self._wording.mail + ahead, self._times.mail)
        accepted, again = await self._recipients(group, reply)
        if not accepted:
            if self._pipelining:
                await self._nothing_to_send()
            return []
        go_on = (
            await self._connection.reply(self._times.data)
            if self._pipelining
            else await self._ask(b"DATA\r\n", self._times.data)
        )
        self._watch(go_on)
        if go_on.code != 354:
            for place, _ in accepted:
                self._answer(place, go_on)
            self._session._over |= go_on.kind not in {4, 5}
            return again
        final = await self._send_content()
        self._watch(final)
        if self._dotted and final.kind == 2:
            self._session._dirty = False
        for place, _ in accepted:
            self._answer(place, final, elsewhere=False)
        return again

    async def _recipients(self, group: Group, mail_reply: Reply) -> tuple[Group, Group]:
        """Read what is said of each; who is accepted, and who was one too many."""
        accepted: Group = []
        too_many: list[tuple[tuple[int, bytes], Reply]] = []
        self._watch(mail_reply)
        if mail_reply.kind != 2:
            for place, _ in group:
                self._answer(place, mail_reply)
            for _ in group if self._pipelining else ():
                # Each RCPT is answered "no MAIL": what counts is what was said to that.
                await self._connection.reply(self._times.recipient)
            return [], []
        for place, command in group:
            if self._pipelining:
                reply = await self._connection.reply(self._times.recipient)
            else:
                reply = await self._ask(command, self._times.recipient)
            self._watch(reply)
            if reply.kind == 2:
                accepted.append((place, command))
            elif is_too_many(reply):
                too_many.append(((place, command), reply))
            else:
                self._answer(place, reply)
            if reply.code == 421 and not self._pipelining:
                raise Lost("it ended the session")
        if accepted:
            return accepted, [who for who, _ in too_many]
        for (place, _), reply in too_many:
            self._put(place, "deferred", "4.5.3", reply, elsewhere=True)
        return [], []

    async def _nothing_to_send(self) -> None:
        """Nobody is accepted, but DATA was sent already (RFC 2920 3.1)."""
        reply = await self._connection.reply(self._times.data)
        self._watch(reply)
        if reply.code == 354:
            await self._ask(b".\r\n", self._times.end)

    async def _send_content(self) -> Reply:
        if self._content is None:
            raw = self._mail.content
            big = len(raw) > INLINE
            self._content = await asyncio.to_thread(_with_dot, raw) if big else _with_dot(raw)
        content = self._content
        last = max(0, (len(content) - 1) // BLOCK * BLOCK)
        # The last block holds the whole dot, so that nothing before it can end the message.
        if len(content) - last < len(b"\r\n.\r\n"):
            last = max(0, last - BLOCK)
        for start in range(0, last, BLOCK):
            self._connection.write(content[start : start + BLOCK])
            await self._connection.drain(self._times.block)
        early = self._connection.early_reply()
        if early is not None:
            # It has made up its mind; the dot is not sent, so it cannot have the message.
            self._session._over = True
            self._connection.abort()
            if early.kind in {4, 5}:
                return early
            raise BadReply("it answers before the message has ended")
        self._connection.write(content[last:])
        self._dotted = True
        progress = self._mail.progress or Progress()
        progress.awaits_reply = True
        try:
            return await self._connection.reply(self._times.end)
        finally:
            progress.awaits_reply = False

    async def _ask(self, command: bytes, seconds: float) -> Reply:
        if self._connection.early_reply() is not None:
            # What was said before it was asked must never be taken for the answer.
            raise BadReply("it answers before it was asked")
        self._connection.write(command)
        return await self._connection.reply(seconds)

    def _watch(self, reply: Reply) -> None:
        """After 421 the server closes (RFC 5321 3.8)."""
        self._session._over |= reply.code == 421

    def _break(self, group: Group, error: Exception) -> None:
        """The connection broke: who has no answer yet is to be tried again."""
        self._session._over = True
        self._connection.abort()
        for place, _ in group:
            if place in self.answers:
                continue
            if self._dotted:
                text = (
                    f"The message was sent to {self._session.host}, which did not say whether "
                    f"it has it ({error}): it may arrive twice."
                )
                self._note(place, "deferred", "4.4.2", text)
            else:
                text = f"The session with {self._session.host} broke: {error}."
                self._note(place, "deferred", "4.4.2", text, True)

    def _answer(self, place: int, reply: Reply, *, elsewhere: bool = True) -> None:
        """A reply that ends it for a recipient, before the content or after it."""
        if reply.kind == 2 and self._dotted:
            self._put(place, "delivered", reply.status, reply)
        elif reply.kind == 5:
            self._put(place, "failed", reply.status, reply)
        else:
            status = reply.status if reply.kind == 4 else "4.5.0"
            self._put(place, "deferred", status, reply, elsewhere=elsewhere)

    def _put(
        self, place: int, state: State, status: str, reply: Reply, *, elsewhere: bool = False
    ) -> None:
        self.answers[place] = Answer(self._outcome(place, state, status, reply), elsewhere)

    def _outcome(self, place: int, state: State, status: str, reply: Reply) -> Outcome:
        return Outcome(
            number=self._mail.recipients[place].number,
            state=state,
            status=status,
            text=reply.text,
            code=reply.code,
            host=self._session.host,
            dsn="DSN" in self._session.offer,
            tls=self._session.tls,
        )

    def _note(
        self, place: int, state: State, status: str, text: str, elsewhere: bool = False
    ) -> None:
        outcome = Outcome(
            number=self._mail.recipients[place].number,
            state=state,
            status=status,
            text=text,
            host=self._session.host,
            tls=self._session.tls,
        )
        self.answers[place] = Answer(outcome, elsewhere)


def _with_dot(content: bytes) -> bytes:
    return stuff(content) + b".\r\n"


def is_too_many(reply: Reply) -> bool:
    """Whether a recipient was refused as one too many (RFC 5321 4.5.3.1.10).

    552 was used for it by old servers and is taken as 452, unless its status says something else.
    """
    if reply.code not in {452, 552}:
        return False
    return reply.status in _TOO_MANY or not reply.says_status
