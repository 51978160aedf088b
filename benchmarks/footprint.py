"""What the product costs when nobody asks: memory, and the time to be ready."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

from benchmarks.clients import unverified
from benchmarks.product import PASSWORD, Workpost, pss
from benchmarks.scale import Scale
from benchmarks.table import Row

SECTION = "Footprint"
SETTLE = 1.0
"""Seconds in which the processes come to rest before memory is read."""


def measure(product: Workpost, scale: Scale) -> Iterator[Row]:
    """Start to ready, idle memory, memory of idle TLS sessions of IMAP."""
    product.add_people(1)
    starts = []
    for _ in range(max(1, scale.rounds - 2)):
        product.stop()
        starts.append(product.start())
    yield Row(
        section=SECTION,
        what="exec to ready, on an existing directory",
        value=min(starts),
        unit="s",
        aim=1.0,
        lower_is_better=True,
    )
    time.sleep(SETTLE)
    yield Row(
        section=SECTION,
        what="product idle, two front ends (PSS)",
        value=pss(product.processes()) / 1e6,
        unit="MB",
        aim=110,
        lower_is_better=True,
    )
    yield from _sessions(product, scale)


def _sessions(product: Workpost, scale: Scale) -> Iterator[Row]:
    context = unverified()
    for _ in range(4):
        # What the first sessions load stays for all.
        for one in [_login(_open(product, context), product.people[0]) for _ in range(8)]:
            one.close()
    time.sleep(SETTLE)
    before = pss(product.processes())
    sessions = [_open(product, context) for _ in range(scale.sessions)]
    time.sleep(SETTLE)
    after = pss(product.processes())
    yield _row("idle TLS session of IMAP, after the handshake", after - before, scale, 40)
    for session in sessions:
        _login(session, product.people[0])
    time.sleep(SETTLE)
    after = pss(product.processes())
    yield _row("idle TLS session of IMAP, INBOX selected, IDLE", after - before, scale, 40)
    for session in sessions:
        session.close()


def _row(what: str, grown: int, scale: Scale, aim: float) -> Row:
    return Row(
        section=SECTION,
        what=what,
        value=grown / 1024 / scale.sessions,
        unit="KiB",
        aim=aim,
        lower_is_better=True,
    )


def _open(product: Workpost, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", product.port("imaps")))
    session = context.wrap_socket(raw)
    _until(session, b"* OK")
    return session


def _login(session: ssl.SSLSocket, address: str) -> ssl.SSLSocket:
    session.sendall(f'A LOGIN "{address}" "{PASSWORD}"\r\n'.encode())
    _until(session, b"A OK")
    session.sendall(b"B SELECT INBOX\r\n")
    _until(session, b"B OK")
    session.sendall(b"C IDLE\r\n")
    _until(session, b"+ ")
    return session


def _until(session: ssl.SSLSocket, wanted: bytes) -> None:
    got = b""
    while not (wanted in got and got.endswith(b"\r\n")):
        data = session.recv(65536)
        if not data:
            raise ConnectionError(f"hung up after {got!r}")
        got += data
