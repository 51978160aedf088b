"""One attempt to send one message to the servers of one route."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import aclosing

import msgspec

from workpost.formats.tls_feedback import Failure
from workpost.integrations.smtp.base import Mail, Outcome
from workpost.integrations.smtp.opening import Client, HostFailed, open_session
from workpost.integrations.smtp.security import Contexts, Security
from workpost.integrations.smtp.session import Session
from workpost.integrations.smtp.times import Times
from workpost.kernel import metrics
from workpost.kernel.listeners import is_loopback
from workpost.operations.outbound.hosts import NoRoute
from workpost.operations.outbound.pool import Key, Pool
from workpost.operations.outbound.tls_policy import Want, want_of
from workpost.operations.outbound.tls_tallies import note
from workpost.operations.outbound.ways import Dead, Map, Way, helo_name, own_names
from workpost.store.core import Core

CONNECTIONS = 6
"""Addresses that one attempt connects to."""
SESSIONS = 2
"""Servers of one attempt that may refuse somebody for now: the next attempt asks again."""

SESSION_COUNT = metrics.counter(
    "workpost_outbound_sessions_total", "Sessions with other servers.", "result"
)
TLS_COUNT = metrics.counter(
    "workpost_outbound_tls_total", "New sessions by how they are protected.", "level"
)


class Transport:
    """Sends messages; keeps sessions for a while for those that follow. One for each process.

    `smtp_port` and `sts_port` are where other servers listen.
    """

    def __init__(
        self,
        core: Core,
        *,
        times: Times | None = None,
        smtp_port: int = 25,
        sts_port: int = 443,
    ) -> None:
        self._core = core
        self._times = times or Times()
        self._contexts = Contexts()
        self._pool = Pool()
        self._map = Map(core, smtp_port, sts_port)

    async def attempt(self, route: str, mail: Mail) -> list[Outcome]:
        """Try to send `mail` to all its recipients, who are on `route` (a domain).

        Never raises for what the network or a server does: every recipient has one outcome, in the
        order of the recipients.
        """
        want = want_of(mail)
        attempt = _Attempt(mail, asyncio.get_running_loop().time() + self._times.attempt)
        key = self._map.key(route, want)
        session = self._pool.take(key)
        if session is not None:
            SESSION_COUNT.labels("reused").inc()
            session.set_deadline(attempt.deadline)
            await self._send(attempt, session, key)
        try:
            await self._try_ways(attempt, route, want, key)
        except NoRoute as error:
            failure = HostFailed(error.text, error.status, state=error.state, reached=False)
            attempt.fail(failure, "")
        return attempt.outcomes()

    async def _try_ways(self, attempt: _Attempt, route: str, want: Want, key: Key) -> None:
        if attempt.is_over():
            return
        async with aclosing(self._map.ways(route, want)) as ways:
            async for way in ways:
                if isinstance(way, Dead):
                    attempt.fail(way.failure, way.host)
                    continue
                attempt.connections += 1
                try:
                    session = await self._open(way, want, attempt.deadline)
                except HostFailed as error:
                    SESSION_COUNT.labels("failed").inc()
                    attempt.fail(error, way.server.host)
                else:
                    attempt.sessions += 1
                    await self._send(attempt, session, key)
                if attempt.is_over():
                    break

    async def close(self) -> None:
        """End the sessions that are kept."""
        await self._pool.close()

    async def _send(self, attempt: _Attempt, session: Session, key: Key) -> None:
        waiting = attempt.waiting
        mail = msgspec.structs.replace(
            attempt.mail, recipients=[attempt.mail.recipients[place] for place in waiting]
        )
        try:
            answers = await session.send(mail)
        finally:
            session.set_deadline(float("inf"))
            self._pool.give(key, session, self._core.settings.outbound.idle_seconds)
        attempt.waiting = []
        for place, answer in zip(waiting, answers, strict=True):
            attempt.found[place] = answer.outcome
            if answer.elsewhere:
                attempt.waiting.append(place)

    async def _open(self, way: Way, want: Want, deadline: float) -> Session:
        """A session that is as secure as it must be. Raises HostFailed."""
        ladder = way.policy.ladder
        for step, security in enumerate(ladder):
            try:
                session = await self._open_with(way, security, deadline)
            except HostFailed as error:
                self._count(way, Failure(error.tls_problem) if error.tls_problem else None)
                if error.tls_problem and step + 1 < len(ladder):
                    continue
                if error.tls_problem and want.always:
                    # RFC 8689 4.2.1: better back to its sender than on without protection.
                    error = HostFailed(error.text, "5.7.10", state="failed", code=error.code)
                raise error from None
            self._note(way, security, session, first=step == 0)
            if want.always and "REQUIRETLS" not in session.offer:
                session.close()
                text = f"The sender wants TLS all the way, {way.server.host} has no REQUIRETLS."
                raise HostFailed(text, "5.7.30", state="failed")
            return session
        raise HostFailed("There is no way to protect the session.", "4.7.5")

    async def _open_with(self, way: Way, security: Security, deadline: float) -> Session:
        settings = self._core.settings.outbound
        now = self._core.env.now()
        # A relay on this machine is not reached from the address that the world sees.
        inside = not way.domain and is_loopback(way.server.address)
        client = Client(
            helo=helo_name(self._core),
            source_ipv4="" if inside else settings.source_ipv4,
            source_ipv6="" if inside else settings.source_ipv6,
            times=self._times,
            login=way.login,
            own_names=own_names(self._core) if way.domain else frozenset(),
            now=dt.datetime.fromtimestamp(now / 1000, dt.UTC),
        )
        return await open_session(way.server, client, security, self._contexts, deadline=deadline)

    def _note(self, way: Way, security: Security, session: Session, *, first: bool) -> None:
        SESSION_COUNT.labels("opened").inc()
        TLS_COUNT.labels(security.level if session.tls else "none").inc()
        if not first:
            # The failure of the step before is counted, and the session is the same to the reader.
            return
        problem = way.policy.problem or ("" if session.tls else "starttls-not-supported")
        self._count(way, Failure(problem) if problem else None, good=not problem)

    def _count(self, way: Way, failure: Failure | None, *, good: bool = False) -> None:
        if failure is None and not good:
            return
        if failure is not None:
            failure = msgspec.structs.replace(
                failure, host=way.server.host, receiving_ip=way.server.address
            )
        note(self._core, way.domain, way.policy, failure)


class _Attempt:
    """What is known so far of an attempt; recipients by their place."""

    def __init__(self, mail: Mail, deadline: float) -> None:
        self.mail = mail
        self.deadline = deadline
        self.waiting = list(range(len(mail.recipients)))
        self.found: dict[int, Outcome] = {}
        self.connections = 0
        self.sessions = 0
        self._failures: list[tuple[HostFailed, str]] = []

    def is_over(self) -> bool:
        """Whether no other server is to be tried."""
        return (
            not self.waiting
            or self.connections >= CONNECTIONS
            or self.sessions >= SESSIONS
            or asyncio.get_running_loop().time() >= self.deadline
        )

    def fail(self, error: HostFailed, host: str) -> None:
        """Note why one host is not used."""
        self._failures.append((error, host))

    def outcomes(self) -> list[Outcome]:
        """One for each recipient: for good only where every server said so."""
        reached = bool(self.sessions) or any(error.reached for error, _ in self._failures)
        later = [each for each in self._failures if each[0].state == "deferred"]
        for place in self.waiting:
            if place in self.found or not self._failures:
                continue
            error, host = (later or self._failures)[-1]
            self.found[place] = Outcome(
                number=self.mail.recipients[place].number,
                state=error.state,
                status=error.status,
                text=error.text,
                host=host,
                code=error.code,
                reached=reached,
            )
        return [self.found.get(place) or self._unknown(place) for place in range(self._count)]

    @property
    def _count(self) -> int:
        return len(self.mail.recipients)

    def _unknown(self, place: int) -> Outcome:
        return Outcome(
            number=self.mail.recipients[place].number,
            state="deferred",
            status="4.4.0",
            text="No server could be tried.",
            reached=False,
        )
