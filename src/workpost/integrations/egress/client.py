"""Requests to URLs that somebody else names, which must not lead into our own network.

The name is resolved once; each address is checked, and the connection goes to a checked address
with the name of the URL in SNI, certificate and Host: a name that resolves to something else a
moment later changes nothing. Every redirect begins anew. Proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urljoin

import msgspec

from workpost.integrations.egress.addresses import is_allowed
from workpost.integrations.egress.messages import (
    Target,
    TooLarge,
    Unreadable,
    parse_target,
    read_response,
    request_bytes,
)
from workpost.kernel.errors import TryLater

ADDRESSES = 4
"""Addresses of one name that are tried."""
REDIRECTS = 5
REDIRECTING = frozenset({301, 302, 307, 308})

LOOKUPS = 64

_lookups = ThreadPoolExecutor(LOOKUPS, "egress")
"""Threads of our own, made when they are needed: names whose servers are silent keep nobody else
waiting. A request that is given up leaves its thread with the resolver for as long as that waits,
so there are many times those that one organization may use at once."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Problem(enum.Enum):
    """Why there is no response."""

    URL = "url"
    SCHEME = "scheme"
    NAME = "name"
    ADDRESS = "address"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    TIME = "time"
    SIZE = "size"
    PROTOCOL = "protocol"
    REDIRECTS = "redirects"


class EgressFailed(Exception):
    """There is no response; `host` is where the failing request went."""

    def __init__(self, problem: Problem, host: str = "") -> None:
        super().__init__(f"{problem.value}: {host}")
        self.problem = problem
        self.host = host


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests may go, and how long and large they may become."""

    allow: tuple[str, ...] = ()
    """Networks beside the public internet."""
    anywhere: bool = False
    """For URLs of the operator: every address, and http."""
    plain_http: bool = False
    ca_file: str = ""
    seconds: float = 25.0
    response_bytes: int = 4 << 20
    redirects: int = REDIRECTS


class Response(msgspec.Struct, frozen=True):
    """The last response; `host` is where it came from, `moved` whether that is another origin."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str
    moved: bool


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name as the machine resolves it, in its order. Raises OSError."""
    loop = asyncio.get_running_loop()
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await loop.run_in_executor(_lookups, look_up)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def post(
    bounds: Bounds,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    authorization: str = "",
    resolver: Resolve = resolve,
) -> Response:
    """Send a POST and follow redirects, which keep method and body.

    `authorization` is sent to the origin of the URL only. Raises EgressFailed; TryLater when the
    configured certificate authorities cannot be read.
    """
    where = [""]
    try:
        async with asyncio.timeout(bounds.seconds):
            return await _follow(bounds, url, headers, body, authorization, resolver, where)
    except TimeoutError:
        raise EgressFailed(Problem.TIME, where[0]) from None


async def get(bounds: Bounds, url: str, *, resolver: Resolve = resolve) -> Response:
    """Send a GET and follow redirects. Raises as `post` does."""
    where = [""]
    try:
        async with asyncio.timeout(bounds.seconds):
            return await _follow(bounds, url, {}, b"", "", resolver, where, "GET")
    except TimeoutError:
        raise EgressFailed(Problem.TIME, where[0]) from None


async def _follow(
    bounds: Bounds,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    authorization: str,
    resolver: Resolve,
    where: list[str],
    method: str = "POST",
) -> Response:
    first: Target | None = None
    context: ssl.SSLContext | None = None
    for _ in range(bounds.redirects + 1):
        try:
            target = parse_target(url)
        except ValueError:
            raise EgressFailed(Problem.URL) from None
        where[0] = target.host
        first = first or target
        moved = target.origin != first.origin
        if target.scheme == "https":
            context = context or await asyncio.to_thread(_trust, bounds.ca_file)
        elif not (bounds.plain_http or bounds.anywhere):
            raise EgressFailed(Problem.SCHEME, target.host)
        own = {"Authorization": authorization} if authorization and not moved else {}
        used = context if target.scheme == "https" else None
        request = request_bytes(target, {**headers, **own}, body, method)
        status, fields, answer = await _exchange(bounds, target, used, request, resolver)
        if status not in REDIRECTING or not bounds.redirects:
            return Response(status, fields, answer, target.host, moved)
        if "location" not in fields:
            raise EgressFailed(Problem.PROTOCOL, target.host)
        base = f"{target.scheme}://{target.authority}{target.path}"
        try:
            url = urljoin(base, fields["location"])
        except ValueError:
            raise EgressFailed(Problem.URL) from None
    raise EgressFailed(Problem.REDIRECTS, where[0])


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise TryLater("The file of egress.ca_file cannot be read.") from error
    return context


async def _exchange(
    bounds: Bounds,
    target: Target,
    context: ssl.SSLContext | None,
    request: bytes,
    resolver: Resolve,
) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await _connect(bounds, target, context, resolver)
    try:
        writer.write(request)
        await writer.drain()
        return await read_response(reader, bounds.response_bytes)
    except TooLarge:
        raise EgressFailed(Problem.SIZE, target.host) from None
    except Unreadable as error:
        raise EgressFailed(Problem.PROTOCOL, target.host) from error
    except OSError as error:
        raise EgressFailed(Problem.CONNECTION, target.host) from error
    finally:
        # Not closed politely: whoever is slow to say goodbye keeps nobody waiting.
        writer.transport.abort()


async def _connect(
    bounds: Bounds, target: Target, context: ssl.SSLContext | None, resolver: Resolve
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        found = await resolver(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise EgressFailed(Problem.NAME, target.host) from error
    checked = [one for one in found if bounds.anywhere or is_allowed(one, bounds.allow)]
    if not checked:
        raise EgressFailed(Problem.ADDRESS if found else Problem.NAME, target.host)
    last: OSError | None = None
    for address in checked[:ADDRESSES]:
        try:
            return await asyncio.open_connection(
                address,
                target.port,
                ssl=context,
                server_hostname=target.host if context is not None else None,
            )
        except ssl.SSLCertVerificationError as error:
            raise EgressFailed(Problem.CERTIFICATE, target.host) from error
        except OSError as error:
            last = error
    raise EgressFailed(Problem.CONNECTION, target.host) from last
