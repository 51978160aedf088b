"""Composition: from settings to a core, from a core to running servers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from workpost.domain.access import shell as access
from workpost.domain.directory.external import close_sources
from workpost.kernel.clock import Environment
from workpost.kernel.configuration import is_loopback, parse_address, with_live
from workpost.kernel.logging import logger
from workpost.kernel.settings import Settings, SettingsError
from workpost.node.health import Ops
from workpost.node.http import HttpServer, WebApp
from workpost.node.resolver import build_caching_resolver
from workpost.node.sockets import Listener
from workpost.protocols.api.build import Front, build_front
from workpost.protocols.api.server import ApiApplication
from workpost.protocols.imap.limits import Limits as ImapLimits
from workpost.protocols.imap.server import ImapServer
from workpost.protocols.imap.server import ListenerOptions as ImapOptions
from workpost.protocols.listening.limits import PeerCounter
from workpost.protocols.listening.shared import Shared
from workpost.protocols.listening.tls import Certificates
from workpost.protocols.managesieve.limits import Limits as SieveLimits
from workpost.protocols.managesieve.server import ListenerOptions as SieveOptions
from workpost.protocols.managesieve.server import ManageSieveServer
from workpost.protocols.smtp.limits import Limits as SmtpLimits
from workpost.protocols.smtp.server import ListenerOptions, SmtpServer
from workpost.protocols.smtp.service import MailFlowService
from workpost.protocols.smtp.session import Role
from workpost.store.content.facade import open_contents
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.sockets import connect_to
from workpost.store.database.writer import SOCKET
from workpost.store.keys.build import open_keys
from workpost.store.tables.accounts import depends_on_keys

log = logger("node")


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
    return Core(
        store=store,
        keys=keys,
        contents=contents,
        resolver=build_caching_resolver(settings, env),
        env=env,
        settings=settings,
    )


async def close_core(core: Core) -> None:
    """Settle and close what `build_core` opened, and the connections to directories."""
    close_sources()
    await core.store.close()
    await core.keys.close()


def certificates(settings: Settings, self_signed: Path) -> Certificates:
    """The configured certificate, or the self-signed one under the data directory.

    Raises SettingsError when the configured files are missing or do not fit together.
    """
    if not settings.tls.certificate:
        return Certificates(self_signed)
    certificate, key = Path(settings.tls.certificate), Path(settings.tls.key)
    try:
        for path in (certificate, key):
            path.open("rb").close()
        return Certificates(certificate, key)
    except ssl.SSLError as error:
        reason = f"{certificate} and {key} are not a certificate and its key"
        raise SettingsError(f"tls: {reason} ({error.reason or error})") from error
    except OSError as error:
        raise SettingsError(f"tls: cannot read {error.filename}: {error.strerror}") from error


class Servers:
    """All listeners of one process."""

    def __init__(self, core: Core, listeners: list[Listener], tls: Certificates) -> None:
        self._core = core
        self._listeners = {listener.name: listener for listener in listeners}
        self._tls = tls
        limits = core.settings.limits
        self._shared = Shared(
            peers=PeerCounter(each=limits.sessions_per_address, total=limits.sessions)
        )
        self._api: Front | None = None
        self._http: list[HttpServer] = []
        self._smtp: list[SmtpServer] = []
        self._imap: list[ImapServer] = []
        self._sieve: list[ManageSieveServer] = []

    async def start(self) -> None:
        """Accept on every listener."""
        if "http" in self._listeners or "https" in self._listeners:
            await self._start_http()
        service = MailFlowService(self._core)
        for name in ("smtp", "submission", "submissions"):
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
        app = WebApp(api, Ops(self._core).paths())
        for name in ("http", "https"):
            if name in self._listeners:
                context = self._tls.context if name == "https" else None
                server = HttpServer(app, self._shared.peers, context)
                await server.start(self._listeners[name])
                self._http.append(server)

    def _plaintext_login(self, name: str) -> bool:
        """Login without TLS: only where a setting allows it and the listener is on loopback."""
        addresses = getattr(self._core.settings.listeners, name)
        hosts = [parse_address(text)[0] for text in addresses]
        return self._core.settings.login.without_tls and all(is_loopback(h) for h in hosts)

    async def _start_smtp(self, name: str, service: MailFlowService) -> None:
        options = ListenerOptions(
            role=Role.MX if name == "smtp" else Role.SUBMISSION,
            hostname=self._core.settings.host_name,
            implicit_tls=name == "submissions",
            plaintext_auth=self._plaintext_login(name),
            limits=self._smtp_limits(),
        )
        server = SmtpServer(service, options, self._shared, certificates=self._tls)
        await server.start(self._listeners[name].sockets)
        self._smtp.append(server)

    async def _start_imap(self, name: str) -> None:
        options = ImapOptions(
            implicit_tls=name == "imaps",
            plaintext_auth=self._plaintext_login(name),
            limits=self._imap_limits(),
        )
        server = ImapServer(self._core, access, options, self._shared, certificates=self._tls)
        await server.start(self._listeners[name].sockets)
        self._imap.append(server)

    async def _start_managesieve(self) -> None:
        options = SieveOptions(
            plaintext_auth=self._plaintext_login("managesieve"), limits=self._sieve_limits()
        )
        server = ManageSieveServer(
            self._core, access, options, self._shared, certificates=self._tls
        )
        await server.start(self._listeners["managesieve"].sockets)
        self._sieve.append(server)

    def _smtp_limits(self) -> SmtpLimits:
        limits = self._core.settings.limits
        return SmtpLimits(message=limits.message_bytes, recipients=limits.recipients)

    def _imap_limits(self) -> ImapLimits:
        return ImapLimits(message=self._core.settings.limits.message_bytes)

    def _sieve_limits(self) -> SieveLimits:
        return SieveLimits(script=self._core.settings.limits.sieve_script_bytes)

    def reload(self, fresh: Settings) -> None:
        """SIGHUP: take up live settings and certificate files; at an error the old ones stay."""
        self._core.settings = with_live(self._core.settings, fresh)
        limits = self._core.settings.limits
        self._shared.peers.each = limits.sessions_per_address
        self._shared.peers.total = limits.sessions
        for smtp in self._smtp:
            smtp.adjust(self._smtp_limits())
        for imap in self._imap:
            imap.adjust(self._imap_limits())
        for sieve in self._sieve:
            sieve.adjust(self._sieve_limits())
        files = self._core.settings.tls
        try:
            if files.certificate:
                self._tls.reload(Path(files.certificate), Path(files.key))
            else:
                self._tls.reload()
        except OSError as error:
            log.error("the new certificate cannot be used; the old one stays", error=error)

    async def stop(self, grace: float) -> None:
        """Accept no more, let clients finish for `grace` seconds, then cut them."""
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
    return Servers(core, listeners, certificates(core.settings, self_signed))


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
