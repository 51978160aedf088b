"""Connections that submit mail without pause, and a ledger of what each was answered."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Self

from tests.support.server import Server

PEOPLE = ("ada", "grace")
LARGE = 90_000
"""Bytes of a body that is kept as a file and not in the database."""
OUTSIDE = "outside.example"


@dataclass
class Sent:
    """One message on its way: who must have it, and what the server answered."""

    key: str
    size: int
    digest: bytes
    people: tuple[str, ...]
    outside: str = ""
    answer: int = 0
    """The code after the end of data, or of a refusal before; 0: none came."""
    seen: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Every message ever sent, by its Message-ID, shared by all connections and rounds."""

    def __init__(self) -> None:
        self.sent: dict[str, Sent] = {}
        self.accepted = 0
        self.pause = 0.0
        """Seconds between a connection's messages, so that a server can start beside the load."""
        self._lock = threading.Lock()

    def answer(self, sent: Sent, code: int) -> None:
        sent.answer = code
        if code == 250:
            with self._lock:
                self.accepted += 1

    @property
    def unanswered(self) -> int:
        return sum(1 for one in list(self.sent.values()) if one.answer == 0)


def make_message(key: str, sender: str, seed: int) -> tuple[bytes, Sent]:
    """A message that its key and seed determine: mostly small, some to a group, some outside."""
    dice = random.Random(f"{key}/{seed}")
    outside = f"out-{key}@{OUTSIDE}" if dice.random() < 0.15 else ""
    group = dice.random() < 0.2
    people = PEOPLE if group else (dice.choice(PEOPLE),)
    length = LARGE if dice.random() < 0.06 else dice.randrange(100, 6000)
    body = base64.encodebytes(dice.randbytes(length * 3 // 4)).replace(b"\n", b"\r\n")
    raw = (
        f"From: {sender}@demo.test\r\nTo: {people[0]}@demo.test\r\nSubject: {key}\r\n"
        f"Message-ID: <{key}@crash.example>\r\n\r\n"
    ).encode() + body
    return raw, Sent(key, len(raw), hashlib.sha256(raw).digest(), people, outside)


class Connection(threading.Thread):
    """One client: connects, logs in, submits; begins again when the line is cut."""

    def __init__(
        self, server: Server, ledger: Ledger, name: str, person: str, stop: threading.Event
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.server = server
        self.ledger = ledger
        self.stopping = stop
        self.person = person
        self.count = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                with contextlib.suppress(OSError, KeyError, EOFError):
                    self._session()
                self.stopping.wait(0.02)
        except Exception as error:
            self.failure = error

    def _session(self) -> None:
        with socket.create_connection(self.server.address("submission"), timeout=30) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = line.makefile("rb")
            reply(reader)
            token = f"\0{self.person}@demo.test\0{self.server.password(self.person)}"
            secret = base64.b64encode(token.encode()).decode()
            for command in ("EHLO client.example", f"AUTH PLAIN {secret}"):
                line.sendall(f"{command}\r\n".encode())
                if reply(reader) >= 400:
                    return
            while not self.stopping.is_set():
                self._submit(line, reader)

    def _submit(self, line: socket.socket, reader: BinaryIO) -> None:
        self.count += 1
        raw, sent = make_message(f"{self.name}-{self.count}", self.person, 0)
        to = [f"{person}@demo.test" for person in sent.people]
        if sent.people == PEOPLE:
            to = ["everyone@demo.test"]
        to += [sent.outside] if sent.outside else []
        head = [f"MAIL FROM:<{self.person}@demo.test>", *(f"RCPT TO:<{one}>" for one in to), "DATA"]
        line.sendall("".join(f"{command}\r\n" for command in head).encode())
        codes = [reply(reader) for _ in head]
        if codes[-1] != 354 or max(codes[:-1]) >= 400:
            if codes[-1] == 354:
                raise OSError("some recipients were refused")
            line.sendall(b"RSET\r\n")
            reply(reader)
            self.stopping.wait(0.02)
            return
        self.ledger.sent[sent.key] = sent
        line.sendall(raw + b".\r\n")
        self.ledger.answer(sent, reply(reader))
        if self.ledger.pause:
            self.stopping.wait(self.ledger.pause)


def reply(reader: BinaryIO) -> int:
    """The code of one reply; EOFError when the line is cut."""
    while True:
        line = reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        if line[3:4] != b"-":
            return int(line[:3])


class Load:
    """Several connections to one or more servers, for one round."""

    def __init__(self, servers: list[Server], ledger: Ledger, name: str, connections: int) -> None:
        self.ledger = ledger
        self.stopping = threading.Event()
        self.connections = [
            Connection(
                servers[n % len(servers)], ledger, f"{name}c{n}", PEOPLE[n // 2 % 2], self.stopping
            )
            for n in range(connections)
        ]

    def __enter__(self) -> Self:
        for connection in self.connections:
            connection.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for connection in self.connections:
            connection.join(40)
        hanging = [one.name for one in self.connections if one.is_alive()]
        assert not hanging, f"connections without an answer: {hanging}"
        for connection in self.connections:
            if connection.failure is not None:
                raise connection.failure

    def wait_for(self, messages: int, seconds: float = 60) -> None:
        """Wait until so many messages more than now were accepted."""
        wanted = self.ledger.accepted + messages
        deadline = time.monotonic() + seconds
        while self.ledger.accepted < wanted:
            assert time.monotonic() < deadline, f"no mail was accepted for {seconds} s"
            time.sleep(0.005)


def new_messages(server: Server, person: str, after: int) -> Iterator[tuple[int, bytes]]:
    """(uid, bytes) of everything in a person's INBOX above a uid, through IMAP."""
    with server.imap(person) as client:
        client.select("INBOX", readonly=True)
        _, rows = client.uid("FETCH", f"{after + 1}:*", "(UID BODY.PEEK[])")
        for row in rows:
            if isinstance(row, tuple):
                words = row[0].replace(b"(", b" ").split()
                uid = int(words[words.index(b"UID") + 1])
                if uid > after:
                    yield uid, row[1]
