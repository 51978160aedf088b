"""Composition: from settings to a core, from a core to running servers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from workpost.domain.access import shell as access
from workpost.domain.directory.external import close_sources
from workpost.kernel.clock import Environment
from workpost.kernel.configuration import with_live
from workpost.kernel.listeners import is_loopback, listening_hosts, proxies_of
from workpost.kernel.logging import logger
from workpost.kernel.settings import Settings
from workpost.node.certificates import CertificateWatch, certificates
from workpost.node.descriptors import most_sessions
from workpost.node.health import Ops
from workpost.node.http import App, HttpServer, WebApp
from workpost.node.resolver import build_caching_resolver
from workpost.node.sockets import Listener
from workpost.operations.audit.trail import ServiceTrail
from workpost.operations.authentication import tallies as dmarc_tallies
from workpost.operations.functions.running import close_functions
from workpost.operations.outbound import tls_tallies
from workpost.protocols.api.build import Front, build_front
from workpost.protocols.api.server import ApiApplication
from workpost.protocols.imap.limits import Limits as ImapLimits
from workpost.protocols.imap.server import ImapServer
from workpost.protocols.imap.server import ListenerOptions as ImapOptions
from workpost.protocols.listening.peers import PeerCounter
from workpost.protocols.listening.proxy import Proxies
from workpost.protocols.listening.shared import Shared
from workpost.protocols.managesieve.limits import Limits as SieveLimits
from workpost.protocols.managesieve.server import ListenerOptions as SieveOptions
from workpost.protocols.managesieve.server import ManageSieveServer
from workpost.protocols.s3.server import Doors, S3Application
from workpost.protocols.smtp.limits import Limits as SmtpLimits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role
from workpost.protocols.smtp.strangers import StrangerLimits, Strangers
from workpost.protocols.web.wellknown import CHALLENGES, POLICY, Challenges, Policy, Port80
from workpost.store.content.facade import open_contents
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.sockets import connect_to
from workpost.store.database.writer import SOCKET
from workpost.store.keys.build import open_keys
from workpost.store.tables.accounts import depends_on_keys

log = logger("node")

ENDLESS = 1_000_000_000

ROLE_OF = {
    "smtp": Role.MX,
    "submission": Role.SUBMISSION,
    "submissions": Role.SUBMISSION,
    "lmtp": Role.LMTP,
}


async def build_core(
    settings: Settings, env: Environment, writer_socket: Path | None = None
) -> Core:
    """Open store, keys and contents of one process.

    Raises TryLater, SchemaTooNew, and SettingsError when the keys are not those of the data.
    """
    store = await open_store(settings, env, writer_socket=writer_socket)
    try:
        needed = await store.read(depends_on_keys)
        keys = await asyncio.to_thread(open_keys, settings, env, needed=needed)
    except BaseException:
        await store.close()
        raise
    contents = open_contents(settings, store)
    core = Core(
        store=store,
        keys=keys,
        contents=contents,
        resolver=build_caching_resolver(settings, env),
        env=env,
        settings=settings,
    )
    core.trail = ServiceTrail(core)
    return core


async def close_core(core: Core) -> None:
    """Settle and close what `build_core` opened, and the connections to directories."""
    close_sources()
    await close_functions()
    for gatherer in (dmarc_tallies.GATHERER, tls_tallies.GATHERER):
        await gatherer.settle(core)
    await core.trail.close()
    await core.store.close()
    await core.keys.close()


class Servers:
    """All listeners of one process."""

    def __init__(self, core: Core, listeners: list[Listener], self_signed: Path) -> None:
        self._core = core
        self._listeners = {listener.name: listener for listener in listeners}
        self._tls = certificates(core.settings, self_signed)
        self._watch = CertificateWatch(core, self._tls, self_signed)
        limits = core.settings.limits
        self._shared = Shared(
            peers=PeerCounter(limits.sessions_per_address, most_sessions(core.settings))
        )
        self._strangers = Strangers(self._stranger_limits(), time.monotonic)
        self._api: Front | None = None
        self._http: list[HttpServer] = []
        self._smtp: list[SmtpServer] = []
        self._imap: list[ImapServer] = []
        self._sieve: list[ManageSieveServer] = []

    async def start(self) -> None:
        """Accept on every listener."""
        self._watch.start()
        if not self._listeners.keys().isdisjoint(("http", "https", "acme")):
            await self._start_http()
        service = MailFlowService(self._core)
        for name in ROLE_OF:
            if name in self._listeners:
                await self._start_smtp(name, service)
        for name in ("imap", "imaps"):
            if name in self._listeners:
                await self._start_imap(name)
        if "managesieve" in self._listeners:
            await self._start_managesieve()

    async def _start_http(self) -> None:
        self._api = await build_front(self._core)
        api = ApiApplication(self._api.dispatcher)
        challenges = Challenges(self._core)
        paths: dict[str, App] = {CHALLENGES: challenges, POLICY: Policy(self._core)}
        app: App = WebApp(api, {**paths, **Ops(self._core).paths()})
        app = Doors(S3Application(self._core), app)
        port80 = Port80(self._core, challenges)
        for name in ("http", "https", "acme"):
            if name in self._listeners:
                context = self._tls.context if name == "https" else None
                served = port80 if name == "acme" else app
                server = HttpServer(served, self._shared.peers, context, self._proxies(name))
                await server.start(self._listeners[name])
                self._http.append(server)

    def _plaintext_login(self, name: str) -> bool:
        """Login without TLS: only where a setting allows it and the listener is on loopback."""
        hosts = listening_hosts(self._core.settings, name)
        return self._core.settings.login.without_tls and all(is_loopback(h) for h in hosts)

    def _proxies(self, name: str) -> Proxies:
        return Proxies(proxies_of(self._core.settings, name))

    async def _start_smtp(self, name: str, service: MailFlowService) -> None:
        options = ListenerOptions(
            role=ROLE_OF[name],
            hostname=self._core.settings.host_name,
            implicit_tls=name == "submissions",
            plaintext_auth=self._plaintext_login(name),
            limits=self._smtp_limits(ROLE_OF[name]),
            proxies=self._proxies(name),
        )
        server = SmtpServer(
            service,
            options,
            self._shared,
            certificates=self._tls,
            strangers=self._strangers if options.role is not Role.LMTP else None,
            wall=lambda: self._core.env.now() / 1000,
        )
        await server.start(self._listeners[name].sockets)
        self._smtp.append(server)

    async def _start_imap(self, name: str) -> None:
        options = ImapOptions(
            implicit_tls=name == "imaps",
            plaintext_auth=self._plaintext_login(name),
            limits=self._imap_limits(),
            proxies=self._proxies(name),
        )
        server = ImapServer(self._core, access, options, self._shared, certificates=self._tls)
        await server.start(self._listeners[name].sockets)
        self._imap.append(server)

    async def _start_managesieve(self) -> None:
        options = SieveOptions(
            plaintext_auth=self._plaintext_login("managesieve"),
            limits=self._sieve_limits(),
            proxies=self._proxies("managesieve"),
        )
        server = ManageSieveServer(
            self._core, access, options, self._shared, certificates=self._tls
        )
        await server.start(self._listeners["managesieve"].sockets)
        self._sieve.append(server)

    def _smtp_limits(self, role: Role) -> SmtpLimits:
        settings = self._core.settings
        # A server of our own goes on asking for recipients, and may be told no for hours.
        patience = {"errors": ENDLESS, "idle_commands": ENDLESS} if role is Role.LMTP else {}
        return SmtpLimits(
            message=settings.limits.message_bytes,
            recipients=settings.limits.recipients,
            hold=settings.mailflow.hold_hours * 3600,
            eight_bit_headers=settings.smtp.eight_bit_headers,
            **patience,
        )

    def _stranger_limits(self) -> StrangerLimits:
        smtp = self._core.settings.smtp
        rates = {name: getattr(smtp, name) for name in StrangerLimits.__slots__ if "_per_" in name}
        return StrangerLimits(
            seconds=smtp.window_seconds,
            greeting=smtp.greeting_milliseconds / 1000,
            tarpit_after=smtp.tarpit_after,
            tarpit_longest=smtp.tarpit_seconds,
            tarpit_sessions=smtp.tarpit_sessions,
            unlimited=smtp.unlimited,
            **rates,
        )

    def _imap_limits(self) -> ImapLimits:
        return ImapLimits(message=self._core.settings.limits.message_bytes)

    def _sieve_limits(self) -> SieveLimits:
        return SieveLimits(script=self._core.settings.limits.sieve_script_bytes)

    def reload(self, fresh: Settings) -> None:
        """SIGHUP: take up live settings and certificate files; at an error the old ones stay."""
        self._core.settings = with_live(self._core.settings, fresh)
        limits = self._core.settings.limits
        self._shared.peers.each = limits.sessions_per_address
        self._shared.peers.total = most_sessions(self._core.settings)
        self._strangers.adjust(self._stranger_limits())
        for smtp in self._smtp:
            smtp.adjust(self._smtp_limits(smtp.options.role))
        for imap in self._imap:
            imap.adjust(self._imap_limits())
        for sieve in self._sieve:
            sieve.adjust(self._sieve_limits())
        self._watch.reload()

    async def stop(self, grace: float) -> None:
        """Accept no more, let clients finish for `grace` seconds, then cut them."""
        self._watch.stop()
        servers: list[HttpServer | SmtpServer | ImapServer | ManageSieveServer] = [
            *self._http,
            *self._smtp,
            *self._imap,
            *self._sieve,
        ]
        await asyncio.gather(*(server.stop(grace) for server in servers))
        if self._api is not None:
            await self._api.close()


def build_servers(core: Core, listeners: list[Listener], self_signed: Path) -> Servers:
    """The servers of a front end; TLS contexts are made here, after the fork."""
    return Servers(core, listeners, self_signed)


@contextlib.asynccontextmanager
async def attached_core(settings: Settings, env: Environment) -> AsyncIterator[Core]:
    """A core for the command line: through the running server's writer, or as the only one.

    Raises TryLater, SchemaTooNew, SettingsError.
    """
    at = settings.run_dir / SOCKET
    core = await build_core(settings, env, at if _is_listening(at) else None)
    try:
        yield core
    finally:
        await close_core(core)


def _is_listening(path: Path) -> bool:
    try:
        connect_to(path).close()
    except OSError:
        return False
    return True
