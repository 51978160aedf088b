"""The beginning of a session: connection, greeting, EHLO, STARTTLS, AUTH."""

from __future__ import annotations

import base64
import datetime as dt

import msgspec

from workpost.integrations.smtp.base import State
from workpost.integrations.smtp.connection import Connection, HandshakeFailed, Lost, connect
from workpost.integrations.smtp.offers import NOTHING, Offer, parse_offer
from workpost.integrations.smtp.replies import BadReply, Reply
from workpost.integrations.smtp.security import (
    Contexts,
    Security,
    describe,
    fits_dane,
    presented_chain,
)
from workpost.integrations.smtp.session import Session
from workpost.integrations.smtp.times import Times


class Server(msgspec.Struct, frozen=True):
    """Where to connect; `host` is the name that is asked for and that certificates bear."""

    host: str
    address: str
    port: int = 25
    tls_first: bool = False
    """TLS from the start (RFC 8314), not by STARTTLS."""


class Login(msgspec.Struct, frozen=True):
    """Whom we log in as."""

    user: str
    password: str


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are."""

    helo: str
    source_ipv4: str = ""
    source_ipv6: str = ""
    times: Times = Times()
    login: Login | None = None
    own_names: frozenset[str] = frozenset()
    """A server that greets with one of these is ourselves."""
    now: dt.datetime


class HostFailed(Exception):
    """There is no session with this server.

    `tls_problem` is the result type of RFC 8460 4.3 where TLS was the reason; `reached` False where
    there was not even a greeting; `own` where it is ourselves.
    """

    def __init__(
        self,
        text: str,
        status: str = "4.4.2",
        *,
        state: State = "deferred",
        code: int = 0,
        reached: bool = True,
        tls_problem: str = "",
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.state: State = state
        self.code = code
        self.reached = reached
        self.tls_problem = tls_problem


async def open_session(
    server: Server,
    client: Client,
    security: Security,
    contexts: Contexts,
    *,
    deadline: float = float("inf"),
) -> Session:
    """Begin a session that is as secure as `security` says. Raises HostFailed."""
    source = client.source_ipv6 if ":" in server.address else client.source_ipv4
    try:
        connection = await connect(
            server.address,
            server.port,
            source=source,
            seconds=client.times.connect,
            deadline=deadline,
        )
    except Lost as error:
        raise HostFailed(_sentence(server, error), "4.4.1", reached=False) from error
    opening = _Opening(server, client, security, contexts, connection)
    try:
        return await opening.run()
    except HandshakeFailed as error:
        raise HostFailed(_sentence(server, error), "4.7.5", tls_problem=error.problem) from error
    except (Lost, BadReply) as error:
        raise HostFailed(_sentence(server, error), reached=opening.greeted) from error
    finally:
        if not opening.done:
            connection.abort()


def _sentence(server: Server, error: Exception) -> str:
    return f"No session with {server.host} [{server.address}]: {error}."


class _Opening:
    def __init__(
        self,
        server: Server,
        client: Client,
        security: Security,
        contexts: Contexts,
        connection: Connection,
    ) -> None:
        self._server = server
        self._client = client
        self._security = security
        self._contexts = contexts
        self._connection = connection
        self.greeted = False
        self.done = False

    async def run(self) -> Session:
        if self._server.tls_first:
            await self._start_tls()
        greeting = await self._connection.reply(self._client.times.greeting)
        self.greeted = True
        if greeting.code != 220:
            raise _refused(greeting)
        name = greeting.lines[0].partition(" ")[0].lower()
        if name in self._client.own_names:
            raise HostFailed(
                "The mail loops back to ourselves: the server has our own name.",
                "5.4.6",
                state="failed",
            )
        offer = await self._hello()
        if self._security.level != "none" and not self._server.tls_first:
            offer = await self._upgrade(offer)
        if self._client.login is not None:
            await self._log_in(self._client.login, offer)
        tls = self._connection.tls
        self.done = True
        return Session(
            self._connection,
            offer,
            host=self._server.host,
            address=self._server.address,
            tls=describe(tls, self._security.level) if tls is not None else "",
            times=self._client.times,
        )

    async def _ask(self, command: bytes, seconds: float) -> Reply:
        if self._connection.early_reply() is not None:
            raise BadReply("it answers before it was asked")
        self._connection.write(command)
        return await self._connection.reply(seconds)

    async def _hello(self) -> Offer:
        name, seconds = self._client.helo.encode("ascii", "replace"), self._client.times.hello
        reply = await self._ask(b"EHLO %b\r\n" % name, seconds)
        if reply.kind == 2:
            return parse_offer(reply)
        if reply.kind == 5:
            # RFC 5321 3.2: a server of before 1995, or one that forgot.
            reply = await self._ask(b"HELO %b\r\n" % name, seconds)
            if reply.kind == 2:
                return NOTHING
        raise _refused(reply)

    async def _upgrade(self, offer: Offer) -> Offer:
        optional = self._security.level == "may"
        if "STARTTLS" not in offer:
            if optional:
                return offer
            raise HostFailed(
                f"TLS is needed, and {self._server.host} does not offer it.",
                "4.7.4",
                tls_problem="starttls-not-supported",
            )
        reply = await self._ask(b"STARTTLS\r\n", self._client.times.tls)
        if reply.code != 220:
            if optional and reply.code != 421:
                return offer
            raise HostFailed(
                reply.text, "4.7.4", code=reply.code, tls_problem="starttls-not-supported"
            )
        await self._start_tls()
        # RFC 3207 4.2: what was offered before is forgotten.
        return await self._hello()

    async def _start_tls(self) -> None:
        try:
            context = await self._contexts.find(self._security)
        except OSError as error:
            raise HostFailed("The file of authorities cannot be read.", "4.3.5") from error
        await self._connection.start_tls(context, self._server.host, self._client.times.tls)
        if self._security.level == "dane" and self._security.tlsa:
            tls = self._connection.tls
            chain = presented_chain(tls) if tls is not None else []
            names = (self._server.host, *self._security.names)
            if not fits_dane(self._security.tlsa, chain, names, self._client.now):
                raise HandshakeFailed(
                    "its certificate is not the one of its TLSA records", "validation-failure"
                )

    async def _log_in(self, login: Login, offer: Offer) -> None:
        user, password = login.user.encode(), login.password.encode()
        seconds = self._client.times.login
        if "PLAIN" in offer.mechanisms:
            answer = base64.b64encode(b"\0%b\0%b" % (user, password))
            reply = await self._ask(b"AUTH PLAIN %b\r\n" % answer, seconds)
        elif "LOGIN" in offer.mechanisms:
            reply = await self._ask(b"AUTH LOGIN\r\n", seconds)
            for word in (user, password):
                if reply.code == 334:
                    reply = await self._ask(base64.b64encode(word) + b"\r\n", seconds)
        else:
            raise HostFailed(
                f"{self._server.host} takes no password (no AUTH PLAIN or LOGIN).", "4.7.0"
            )
        if reply.code != 235:
            # The operator's to repair: nobody's mail is returned for it.
            raise HostFailed(reply.text, "4.7.8", code=reply.code)


def _refused(reply: Reply) -> HostFailed:
    """What a server says that will not talk to us at all."""
    if reply.kind == 5:
        return HostFailed(reply.text, reply.status, state="failed", code=reply.code)
    status = reply.status if reply.kind == 4 else "4.5.0"
    return HostFailed(reply.text, status, code=reply.code)
