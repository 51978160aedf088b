"""From SMTP's transactions to mail flow and access: the MailService of the product."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workpost.domain.access import shell as access
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    SenderNotAllowed,
    WorkpostError,
)
from workpost.kernel.principal import Grant
from workpost.kernel.trail import tell_mailbox_access
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.client_names import ClientNames
from workpost.operations.mailflow.envelope import Envelope, Wish
from workpost.operations.mailflow.recipients import check_recipient, is_postmaster, remembered
from workpost.operations.mailflow.routes import route_each
from workpost.operations.mailflow.senders import check_sender
from workpost.protocols.smtp.session import (
    Accepted,
    Login,
    Peer,
    Recipient,
    Refused,
    Role,
    Transaction,
)
from workpost.protocols.smtp.wire.paths import Address
from workpost.store.core import Core

PROTOCOL = "SMTP"
GONE = (550, "5.1.1", "Nobody here receives mail under this address any more")
LOG_IN_AGAIN = (421, "4.7.0", "Please log in again")


class GrantedLogin(Login):
    """A login with the grant that access gave it, renewed when the policy changes."""

    __slots__ = ("grant",)

    def __init__(self, name: str, grant: Grant) -> None:
        super().__init__(name)
        self.grant = grant


class MailFlowService:
    """Answers SMTP's questions by asking the rooms below."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._looking: set[asyncio.Task[None]] = set()
        self._names = ClientNames(core.resolver, core.env.monotonic)

    async def authenticate(
        self, peer: Peer, username: str, password: bytes, mechanism: str
    ) -> Login:
        """AUTH: the grant of a person. Raises AuthenticationFailed, AccessDenied, TryLater."""
        grant = await access.log_in(
            self._core,
            username=username,
            password=password,
            protocol=PROTOCOL,
            address=peer.host,
        )
        return GrantedLogin(username, grant)

    def follow(self, login: Login, ended: Callable[[], None]) -> Callable[[], None]:
        """Ask access again whenever the organization's policy changes."""
        if not isinstance(login, GrantedLogin):
            return _nothing

        async def look() -> None:
            try:
                await self._renew(login)
            except Refused:
                ended()
            except WorkpostError:
                # The next message asks again.
                return

        def heard(version: int) -> None:
            if version != login.grant.policy_version:
                task = asyncio.get_running_loop().create_task(look())
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)

        watch = self._core.store.watch("policy", login.grant.organization, heard)
        return watch.close

    async def mail_from(self, transaction: Transaction) -> None:
        """MAIL FROM: people who logged in send as themselves, other servers as anyone."""
        login = transaction.login
        if not isinstance(login, GrantedLogin):
            if transaction.role is Role.MX:
                self._names.begin(transaction.peer.host)
            return
        try:
            await check_sender(self._core, login.grant, _text(transaction))
        except SenderNotAllowed:
            self._tell_sent(login.grant, allowed=False)
            raise

    async def _renew(self, login: GrantedLogin) -> None:
        """Ask access again. Raises Refused, with the end of the session, for a no."""
        try:
            login.grant = await access.renew(self._core, login.grant)
        except (AccessDenied, AuthenticationFailed):
            raise Refused(*LOG_IN_AGAIN) from None

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> None:
        """RCPT TO: everyone for people who logged in, else those who live here."""
        login = transaction.login
        address = str(recipient.address)
        if await is_postmaster(self._core, address):
            recipient.address = Address("postmaster", "")
            address = str(recipient.address)
        recipient.notes = await check_recipient(
            self._core,
            address,
            inside=login is not None,
            size=transaction.size,
            grant=login.grant if isinstance(login, GrantedLogin) else None,
        )

    async def message(self, transaction: Transaction, content: bytes) -> Accepted:
        """The end of DATA: durable for all recipients when this returns."""
        login = transaction.login
        # Before the route, which is good for two seconds: the search may take them.
        name = ""
        if transaction.role is Role.MX:
            name = await self._names.find(transaction.peer.host)
        route = remembered(self._core, [one.notes for one in transaction.recipients])
        if isinstance(login, GrantedLogin):
            envelope = _envelope(transaction, content)
            try:
                trace = await pipeline.submit(
                    self._core,
                    login.grant,
                    envelope,
                    content,
                    route,
                    hold_until=self._hold(transaction),
                )
            except (AccessDenied, AuthenticationFailed):
                raise Refused(*LOG_IN_AGAIN) from None
            except SenderNotAllowed:
                self._tell_sent(login.grant, allowed=False)
                raise
            self._tell_sent(login.grant, trace)
            return Accepted(f"Accepted as {trace}")
        envelope = _envelope(transaction, content, name)
        refused = {}
        if route is None and transaction.role is Role.LMTP:
            envelope, route, gone = await route_each(self._core, envelope, content)
            refused = {number: Refused(*GONE) for number in gone}
            if not envelope.recipients:
                raise Refused(*GONE)
        trace = await pipeline.receive(self._core, envelope, content, route)
        return Accepted(f"Accepted as {trace}", refused)

    def _hold(self, transaction: Transaction) -> int | None:
        until = transaction.hold_until
        return until if until is not None and until > self._core.env.now() else None

    def _tell_sent(self, grant: Grant, trace: str = "", *, allowed: bool = True) -> None:
        tell_mailbox_access(
            self._core.trail,
            grant,
            "submit_email_for_sending",
            object_type="Message",
            item=trace,
            allowed=allowed,
        )


def _envelope(transaction: Transaction, content: bytes, client_name: str = "") -> Envelope:
    """What is known of a message; its BODY is what it holds, where the client did not say so."""
    return Envelope(
        sender=_text(transaction),
        recipients=[str(one.address) for one in transaction.recipients],
        wishes={
            str(one.address): Wish(one.notify, one.orcpt)
            for one in transaction.recipients
            if one.notify or one.orcpt
        },
        ret=transaction.ret,
        envid=transaction.envid,
        body=transaction.body if content.isascii() else "8BITMIME",
        requiretls=transaction.requiretls,
        helo=transaction.helo,
        peer=transaction.peer.host,
        client_name=client_name,
        protocol=transaction.protocol,
        tls=transaction.tls or "",
        smtputf8=transaction.smtputf8,
    )


def _nothing() -> None:
    """Nobody is followed."""


def _text(transaction: Transaction) -> str:
    return str(transaction.sender) if transaction.sender is not None else ""
