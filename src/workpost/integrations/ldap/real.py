"""LDAP and Active Directory over ldap3. Imported when a directory is configured and asked.

Certificates are checked by the standard library, with host names. The service account's connections
are kept and used again; a person's password is tried on a connection of its own.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from workpost.integrations.ldap.base import Found, Values
from workpost.kernel.configuration_checks import parse_ldap_url
from workpost.kernel.directory_settings import Directory
from workpost.kernel.errors import DirectoryAuthenticationFailed, DirectoryUnavailable
from workpost.kernel.logging import logger

log = logger("directories")

R = TypeVar("R")
Page = tuple[list[Found], bytes]

BROKEN = (LDAPException, PyAsn1Error, OSError, ValueError, TypeError, LookupError, AttributeError)
"""What ldap3 raises where a connection is broken, or what comes over it is no LDAP."""
PAGED = "1.2.840.113556.1.4.319"
SUCCESS, STRONGER_AUTH, INAPPROPRIATE_AUTH, BAD_CREDENTIALS = 0, 8, 48, 49
NOT_A_PASSWORD = frozenset({19, 32, 34, INAPPROPRIATE_AUTH, BAD_CREDENTIALS, 50, 53})
"""Results of a bind that say no: constraint, no such entry, no name, no password, wrong, locked."""
NOT_OURS = frozenset({STRONGER_AUTH, INAPPROPRIATE_AUTH, BAD_CREDENTIALS, 32, 34, 50, 53})
"""Results of the service account's bind that another try does not help."""


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """TLS by a context of the standard library's making."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Called by ldap3 for `ldaps://` and STARTTLS alike."""
        connection.socket = self._context.wrap_socket(
            connection.socket,
            server_hostname=connection.server.host,
            do_handshake_on_connect=do_handshake,
        )


class LdapServer:
    """The servers of one configured directory, `id` for what is said of it."""

    def __init__(self, id: str, settings: Directory) -> None:
        self._id = id
        self._settings = settings
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._tls: _Tls | None = None
        self._first = 0
        self._alive: weakref.WeakSet[Any] = weakref.WeakSet()

    # --- connections ---

    def _connect(self) -> Any:
        """A connection that nobody has bound on, to the server that answered last if it does."""
        urls = self._settings.urls
        first = self._first
        for number in [*range(first, len(urls)), *range(first)]:
            try:
                connection = self._open(urls[number])
            except BROKEN as error:
                log.warning(
                    "a directory does not answer",
                    directory=self._id,
                    url=urls[number],
                    reason=f"{type(error).__name__}: {error}",
                )
            else:
                self._first = number
                return connection
        raise DirectoryUnavailable(f"The directory {self._id} does not answer.")

    def _open(self, url: str) -> Any:
        scheme, host, port = parse_ldap_url(url)
        plain = scheme == "ldap" and self._settings.without_tls
        server = ldap3.Server(
            host,
            port,
            use_ssl=scheme == "ldaps",
            get_info=ldap3.NONE,
            connect_timeout=self._settings.connect_seconds,
            tls=None if plain else self._context(),
        )
        connection = ldap3.Connection(
            server,
            auto_bind=ldap3.AUTO_BIND_NONE,
            check_names=False,
            auto_referrals=False,
            auto_range=False,
            auto_escape=False,
            auto_encode=False,
            read_only=True,
        )
        try:
            connection.open(read_server_info=False)
            if scheme == "ldap" and not plain:
                connection.start_tls(read_server_info=False)
            connection.socket.settimeout(self._settings.operation_seconds)
            self._alive.add(connection)
        except BaseException:
            _close(connection)
            raise
        return connection

    def _context(self) -> _Tls:
        with self._lock:
            if self._tls is None:
                context = ssl.create_default_context(cafile=self._settings.ca_file or None)
                self._tls = _Tls(context)
            return self._tls

    def _connect_as_service(self) -> Any:
        """A connection of the service account."""
        try:
            password = Path(self._settings.password_file).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise DirectoryAuthenticationFailed(
                f"The password for the directory {self._id} cannot be read: {error.strerror}."
            ) from error
        connection = self._connect()
        try:
            result = _bind(connection, self._settings.bind_dn, password)
        except BROKEN as error:
            _close(connection)
            raise self._unavailable(type(error).__name__) from error
        if result == SUCCESS:
            return connection
        _close(connection)
        if result in NOT_OURS:
            raise DirectoryAuthenticationFailed(
                f"The directory {self._id} does not take the name and password that are set for it."
            )
        raise self._unavailable(f"a bind ended with result {result}")

    def _unavailable(self, reason: str) -> DirectoryUnavailable:
        return DirectoryUnavailable(f"The directory {self._id} is not available: {reason}.")

    def _ask(self, work: Callable[[Any], R]) -> tuple[Any, R]:
        """Work over a connection of the service account; a kept one that broke is replaced."""
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            try:
                return kept, work(kept)
            except BROKEN:
                _close(kept)
            except BaseException:
                _close(kept)
                raise
        connection = self._connect_as_service()
        try:
            return connection, work(connection)
        except BROKEN as error:
            _close(connection)
            raise self._unavailable(type(error).__name__) from error
        except BaseException:
            _close(connection)
            raise

    def _keep(self, connection: Any) -> None:
        with self._lock:
            if len(self._idle) < self._settings.connections:
                self._idle.append(connection)
                return
        _close(connection)

    def close(self) -> None:
        """Close all connections; threads that wait for an answer on one get an error."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            _close(connection)
        for connection in list(self._alive):
            held = connection.socket
            if held is not None:
                # Only shut down: whoever waits closes it.
                with contextlib.suppress(OSError):
                    held.shutdown(socket.SHUT_RDWR)

    # --- questions ---

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, only_base: bool = False
    ) -> Generator[list[Found], None, None]:
        """The matching entries, page by page."""

        def read(connection: Any, cookie: bytes | None = None) -> Page:
            return self._page(connection, base, filter, attributes, cookie, only_base=only_base)

        connection, (found, cookie) = self._ask(read)
        done = False
        try:
            yield found
            while cookie:
                try:
                    found, cookie = read(connection, cookie)
                except BROKEN as error:
                    raise self._unavailable(type(error).__name__) from error
                yield found
            done = True
        finally:
            if done:
                self._keep(connection)
            else:
                _close(connection)

    def _page(
        self,
        connection: Any,
        base: str,
        filter: str,
        attributes: Sequence[str],
        cookie: bytes | None,
        *,
        only_base: bool,
    ) -> Page:
        connection.search(
            base,
            filter,
            ldap3.BASE if only_base else ldap3.SUBTREE,
            attributes=list(attributes),
            time_limit=self._settings.operation_seconds,
            paged_size=None if only_base else self._settings.page_size,
            paged_cookie=cookie,
        )
        result = connection.result
        if result["result"] != SUCCESS:
            # The search ended, the connection is well; but nobody knows what was left out.
            raise self._unavailable(f"a search ended with {result['description']}")
        found = [
            Found(
                entry["dn"],
                {name.lower(): values for name, values in entry["raw_attributes"].items()},
            )
            for entry in connection.response or ()
            if entry["type"] == "searchResEntry"
        ]
        control = (result.get("controls") or {}).get(PAGED)
        return found, control["value"]["cookie"] if control else b""

    def root(self, attributes: Sequence[str]) -> Values:
        """Attributes of the server itself."""
        for page in self.search("", "(objectClass=*)", attributes, only_base=True):
            for found in page:
                return found.values
        return {}

    def is_password(self, dn: str, password: bytes) -> bool:
        """Whether the entry can bind with a password; an empty one is never sent.

        A server takes a bind without a password for an anonymous one and says yes (RFC 4513 5.1.2).
        """
        if not dn or not password:
            return False
        connection = self._connect()
        try:
            result = _bind(connection, dn, password)
        except BROKEN as error:
            raise self._unavailable(type(error).__name__) from error
        finally:
            _close(connection)
        if result == SUCCESS:
            return True
        if result in NOT_A_PASSWORD:
            return False
        raise self._unavailable(f"a bind ended with result {result}")


def _bind(connection: Any, dn: str, password: bytes) -> int:
    """Bind and return the result code."""
    if not password:
        return BAD_CREDENTIALS
    connection.user, connection.password = dn, password
    connection.authentication = ldap3.SIMPLE
    connection.bind(read_server_info=False)
    code: int = connection.result["result"]
    return code


def _close(connection: Any) -> None:
    with contextlib.suppress(*BROKEN):
        connection.unbind()
    # A connection that was never whole, or broke, still has its socket.
    if connection.socket is not None:
        connection.socket.close()
