"""The PROXY protocol of HAProxy, versions 1 and 2: who it is that a proxy has let in.

A connection from a proxy's network begins with a header and is useless without it; from anywhere
else a header is never looked for, so nobody can name an address that is not theirs. The parsers are
pure; ``read_client`` takes the header's octets off the socket and not one more, so that whatever
follows, a TLS handshake perhaps, is found where it began.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from functools import lru_cache

from workpost.kernel.metrics import counter

SECONDS = 10.0
"""Time for a proxy to send its header: it has it ready when it connects."""
V1_LONGEST = 107
"""Octets of a header of version 1 with its CRLF."""
V2_LONGEST = 4096
"""Octets behind the fixed part of version 2: the addresses take 216, what proxies add is short."""
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REMEMBERED = 1_024

HEADERS = counter("workpost_proxy_headers_total", "Headers of proxies, by what they were.", "kind")

Client = tuple[str, int]
"""Textual IP address and port."""

_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_FAMILIES = {"TCP4": 4, "TCP6": 6}
_PROXY, _LOCAL = 0x21, 0x20
_STREAMS = {0x11: 4, 0x21: 16}
_NO_ADDRESS = {0x00: 0, 0x31: 216}
"""Not told, and stream sockets of the proxy's own machine: octets of their addresses."""


class ProxyError(Exception):
    """What came is no header of the PROXY protocol."""


class Proxies:
    """The networks whose connections begin with a header; false when there are none."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        """``networks`` as ``10.0.0.0/8``; raises ValueError."""
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self.includes = lru_cache(REMEMBERED)(self._includes)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _includes(self, host: str) -> bool:
        """Whether the address is a proxy's."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


async def read_client(connection: socket.socket, seconds: float = SECONDS) -> Client | None:
    """Take the header off a fresh, non-blocking socket; None where it names nobody.

    A proxy that asks whether we live names nobody (LOCAL), and neither does one that does not know
    (UNKNOWN): the connection is then the proxy's own. Raises ProxyError.
    """
    try:
        async with asyncio.timeout(seconds):
            begin = await _receive(connection, len(SIGNATURE))
            if begin == SIGNATURE:
                head = await _receive(connection, 4)
                length = int.from_bytes(head[2:])
                if length > V2_LONGEST:
                    raise ProxyError("the header is too long")
                return parse_v2(head[0], head[1], await _receive(connection, length))
            if not begin.startswith(b"PROXY "):
                raise ProxyError("there is no header")
            return parse_v1(await _receive_line(connection, begin))
    except TimeoutError:
        raise ProxyError("the header did not come in time") from None
    except OSError as error:
        raise ProxyError(f"the connection broke: {error.strerror}") from None


def parse_v1(line: bytes) -> Client | None:
    """``PROXY TCP4 source destination port port`` without its CRLF. Raises ProxyError."""
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise ProxyError("the header is not ASCII") from None
    if words[0] != "PROXY" or len(words) < 2:
        raise ProxyError("there is no header")
    if words[1] == "UNKNOWN":
        return None
    if words[1] not in _FAMILIES or len(words) != 6:
        raise ProxyError("the header has another form")
    source, _ = (_address(word, _FAMILIES[words[1]]) for word in words[2:4])
    port, _ = (_port(word) for word in words[4:])
    return source, port


def parse_v2(command: int, family: int, body: bytes) -> Client | None:
    """The two octets behind the signature, and what the length counts. Raises ProxyError.

    What follows the addresses is left alone.
    """
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise ProxyError("the header is of another version")
    if family in _NO_ADDRESS:
        if len(body) < _NO_ADDRESS[family]:
            raise ProxyError("the header is too short")
        return None
    size = _STREAMS.get(family)
    if size is None:
        raise ProxyError("the header is about something else than TCP")
    if len(body) < 2 * size + 4:
        raise ProxyError("the header is too short")
    port = int.from_bytes(body[2 * size : 2 * size + 2])
    return _plain(ipaddress.ip_address(body[:size])), port


def _address(word: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        raise ProxyError("the header holds no IP address") from None
    if address.version != version or "%" in word:
        raise ProxyError("the header holds an address of another kind")
    return _plain(address)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 address as one, however it is wrapped: rules and limits know it so."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _port(word: str) -> int:
    if not _PORT.fullmatch(word) or int(word) > 65535:
        raise ProxyError("the header holds no port")
    return int(word)


async def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many octets."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        piece = await loop.sock_recv(connection, size - len(received))
        if not piece:
            raise ProxyError("the connection ended")
        received += piece
    return received


async def _receive_line(connection: socket.socket, begin: bytes) -> bytes:
    """The rest of a line, without its CRLF; all that is looked at belongs to it or is its end."""
    line = begin
    while not line.endswith(b"\r\n"):
        if len(line) >= V1_LONGEST:
            raise ProxyError("the header is too long")
        try:
            seen = connection.recv(V1_LONGEST - len(line), socket.MSG_PEEK)
        except BlockingIOError:
            seen = b""
        # Nothing there yet: wait for one octet, without turning around meanwhile.
        end = seen.find(b"\n")
        line += await _receive(connection, (end + 1 if end >= 0 else len(seen)) or 1)
    return line[:-2]
