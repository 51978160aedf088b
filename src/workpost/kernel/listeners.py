"""Where Workpost listens: addresses, Unix sockets, and the proxies in front of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from workpost.kernel.listener_settings import LISTENERS, UNIX
from workpost.kernel.settings import Settings

LONGEST_SOCKET = 107
"""Octets of a Unix socket's path (unix(7))."""


def parse_address(text: str) -> tuple[str, int]:
    """Split `host:port` or `[v6]:port`; raises ValueError with what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"'{text}' is not host:port")
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1])), int(port)
    if not host or ":" in host:
        raise ValueError(f"'{text}' is not host:port (IPv6 as [::1]:{port})")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposed_listeners(settings: Settings) -> list[str]:
    """Name the listeners that others than this machine may reach (`--demo` refuses them)."""
    return [
        name
        for name in LISTENERS
        if any(not is_loopback(host) for host in listening_hosts(settings, name))
    ]


def listening_hosts(settings: Settings, name: str) -> list[str]:
    """The hosts of a listener's addresses; a Unix socket has none."""
    addresses = getattr(settings.listeners, name)
    return [parse_address(text)[0] for text in addresses if not text.startswith(UNIX)]


def proxies_of(settings: Settings, listener: str) -> list[str]:
    """The networks of `listeners.proxies` that hold for a listener."""
    found = []
    for text in settings.listeners.proxies:
        network, *only = text.split()
        if not only or listener in only:
            found.append(network)
    return found


def is_proxied(settings: Settings, listener: str, host: str) -> bool:
    """Whether the listener takes whoever connects from `host` for a proxy."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(one) for one in proxies_of(settings, listener))


def _check_proxy(text: str) -> None:
    network, *only = text.split() or [""]
    ipaddress.ip_network(network)
    for name in only:
        if name not in LISTENERS:
            raise ValueError(f"'{name}' is no listener")


def _check_lmtp(text: str) -> None:
    """RFC 2033 5: not over networks, where its sender would have to be authenticated."""
    if not text.startswith(UNIX):
        if not is_loopback(parse_address(text)[0]):
            raise ValueError(f"'{text}' is neither on loopback nor {UNIX}/path")
        return
    path = text.removeprefix(UNIX)
    if not path.startswith("/") or "\0" in path or len(path.encode()) > LONGEST_SOCKET:
        raise ValueError(f"'{text}' is not {UNIX} and an absolute path of a socket")


def check_listeners(settings: Settings) -> None:
    """Raise ValueError, `listeners.smtp: what is wrong`, for an address or network."""
    for name in LISTENERS:
        for address in getattr(settings.listeners, name):
            _try(f"listeners.{name}", _check_lmtp if name == "lmtp" else parse_address, address)
    for text in settings.listeners.proxies:
        _try("listeners.proxies", _check_proxy, text)


def _try(name: str, check: Callable[[str], object], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
