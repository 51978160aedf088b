"""The writer process: the one that writes SQLite, for all front ends of the machine.

A blocking loop without asyncio: collect what arrived, run one batch, answer, tell everyone the
hints. While a commit waits for the disk the sockets fill; that is what the next batch is made of.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import apsw

from workpost.kernel.clock import Environment, SystemEnvironment
from workpost.kernel.errors import Fault, TryLater
from workpost.kernel.settings import Settings
from workpost.store.database.batch import Done, Engine, Lanes, Waiting
from workpost.store.database.checkpoint import Checkpointer
from workpost.store.database.codec import Call, call_named, compile_all
from workpost.store.database.counters import Counters, log
from workpost.store.database.frames import (
    FrameError,
    Splitter,
    hints_frame,
    parse_command,
    reply,
)
from workpost.store.database.options import options_of, private_folder
from workpost.store.database.sockets import listen_at
from workpost.store.database.sqlite import open_writer
from workpost.store.database.unit import Hint, Tx
from workpost.store.schema.migrate import prepare_sqlite

SOCKET = "writer.sock"
LOCK = "writer.lock"
LOCK_PATIENCE = 5.0
"""Seconds to wait for a predecessor that is ending."""

RECEIVE = 256 * 1024
MOST_QUEUED = 256 * 1024 * 1024
"""Bytes of waiting arguments at which no socket is read any more."""
MOST_WAITING = 16_384
"""Waiting commands at which no socket is read any more."""
MOST_UNSENT = 64 * 1024 * 1024
"""Bytes of replies that a front end may leave unread before it is dropped."""
MOST_UNSENT_HINTS = 1024 * 1024
"""Bytes of replies beyond which a front end gets no hints."""
STOP_PATIENCE = 7.5
"""Seconds after SIGTERM in which front ends that are still connected are served."""
IDLE = 1.0
"""Seconds without work after which the log is moved into the database."""
TELL_EVERY = 1.0
"""Seconds between updates of the metrics."""

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


class _Peer:
    """One front end's connection."""

    __slots__ = ("awaited", "out", "socket", "splitter")

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.splitter = Splitter()
        self.out = bytearray()
        """What the socket did not take yet."""
        self.awaited = _IN
        """What epoll was told to look for."""


class Writer:
    """The loop over a listening socket and the writing connection."""

    def __init__(
        self,
        listener: socket.socket,
        connection: apsw.Connection,
        env: Environment,
        checkpointer: Checkpointer,
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._checkpointer = checkpointer
        self._counters = Counters()
        self._engine = Engine(connection, env, self._counters)
        self._lanes = Lanes()
        self._peers: dict[int, _Peer] = {}
        self._epoll = select.epoll()
        self._epoll.register(listener, _IN)
        self._stopping = False
        self._stop_by = 0.0
        self._reading = True
        self._unsaved = False

    def serve(self, wake: int) -> None:
        """Serve until something can be read from the descriptor `wake`; then finish what waits.

        Raises Broken after an I/O error, without a word to the front ends: they ask the next
        writer.
        """
        self._epoll.register(wake, _IN)
        while not self._stopping or self._lanes or self._is_needed():
            for descriptor, event in self._epoll.poll(self._patience()):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor == wake:
                    self._epoll.unregister(wake)
                    self._stopping = True
                    self._stop_by = time.monotonic() + STOP_PATIENCE
                else:
                    self._exchange(self._peers[descriptor], event)
            self._run_batch()
            self._regulate()
        self.close()

    def _is_needed(self) -> bool:
        """While front ends finish what they accepted: systemd stops all processes at once."""
        return bool(self._peers) and time.monotonic() < self._stop_by

    def _patience(self) -> float:
        if self._lanes:
            return 0
        if self._stopping:
            return max(0.0, min(0.1, self._stop_by - time.monotonic())) if self._peers else 0
        return IDLE if self._unsaved else -1

    def _run_batch(self) -> None:
        batch = self._lanes.take()
        if batch:
            self._unsaved = True
            self._answer(*self._engine.run(batch))
            self._counters.tell(every=TELL_EVERY)
            if self._checkpointer.due:
                self._checkpointer.finish()
        elif self._unsaved and not self._stopping:
            self._unsaved = False
            self._counters.tell()
            self._checkpointer.finish()

    def _regulate(self) -> None:
        """Stop reading while too much waits: the front ends' sockets fill and they wait too."""
        reading = self._lanes.bytes < MOST_QUEUED and len(self._lanes) < MOST_WAITING
        if reading != self._reading:
            self._reading = reading
            for peer in self._peers.values():
                self._listen(peer)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            peer = _Peer(connection)
            self._peers[connection.fileno()] = peer
            peer.awaited = _IN if self._reading else 0
            self._epoll.register(connection, peer.awaited)

    def _listen(self, peer: _Peer) -> None:
        wanted = (_IN if self._reading else 0) | (_OUT if peer.out else 0)
        if wanted != peer.awaited:
            peer.awaited = wanted
            self._epoll.modify(peer.socket, wanted)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.pop(peer.socket.fileno(), None) is not None:
            self._epoll.unregister(peer.socket)
            peer.socket.close()

    def _exchange(self, peer: _Peer, event: int) -> None:
        try:
            if event & _OUT:
                self._send(peer)
            if event & ~_OUT:
                data = peer.socket.recv(RECEIVE)
                if not data:
                    self._drop(peer)
                    return
                for frame in peer.splitter.feed(data):
                    self._arrived(peer, frame)
        except BlockingIOError:
            return
        except (OSError, FrameError) as error:
            log.warning("a front end is gone: %r", error)
            self._drop(peer)

    def _arrived(self, peer: _Peer, frame: bytes) -> None:
        command_id, name, args, lane, again = parse_command(frame)
        try:
            call = call_named(name)
        except (Fault, TypeError) as error:
            log.error("a command was refused: %s", error)
            call, args = _UNKNOWN, _NO_ARGUMENTS
        self._lanes.put(Waiting(command_id, call, args, lane, again=again, owner=peer))

    def _answer(self, done: list[Done], hints: list[Hint]) -> None:
        told: dict[_Peer, None] = {}
        for one in done:
            peer: _Peer = one.waiting.owner
            peer.out += reply(one)
            told[peer] = None
        if hints:
            frame = hints_frame(hints)
            for peer in self._peers.values():
                if len(peer.out) < MOST_UNSENT_HINTS:
                    peer.out += frame
                    told[peer] = None
        for peer in told:
            if peer.socket.fileno() < 0:
                continue
            try:
                self._send(peer)
            except OSError as error:
                log.warning("a front end is gone: %r", error)
                self._drop(peer)

    def _send(self, peer: _Peer) -> None:
        """Send what waits for a front end. One that died hears nothing; what it sent is read."""
        try:
            while peer.out:
                sent = peer.socket.send(peer.out)
                del peer.out[:sent]
        except BlockingIOError:
            if len(peer.out) > MOST_UNSENT:
                raise ConnectionAbortedError("it does not read its replies") from None
        except ConnectionError:
            peer.out.clear()
        self._listen(peer)

    def close(self) -> None:
        """Close all connections."""
        self._counters.tell()
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._epoll.close()


def _refused(tx: Tx) -> None:
    """Stands in for a command that no module declared."""
    raise Fault("no such command")


_UNKNOWN = Call("unknown", _refused)
_NO_ARGUMENTS = _UNKNOWN.encode((), {})


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Be the only writer of this data directory. Raises TryLater when another one stays."""
    with path.open("ab") as lock:
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TryLater("another writer process owns the database") from None
                time.sleep(0.02)
        yield lock


def run_writer(
    settings: Settings, ready: Callable[[Path], None], env: Environment | None = None
) -> None:
    """Be the writer process until SIGTERM; called in the main thread of a process of its own.

    Creates and migrates the database, then listens at `DIR/run/writer.sock` and calls
    `ready(path of the socket)`. Returns after SIGTERM, when all that had arrived is done; SIGINT
    is ignored. Raises SchemaTooNew, TryLater when another writer stays, Broken after an I/O error:
    then the process should end and a new one begin.
    """
    options = options_of(settings)
    private_folder(settings.run_dir)
    compile_all()
    with _locked(settings.run_dir / LOCK), _signals() as wake:
        prepare_sqlite(options.database)
        connection = open_writer(options.database)
        checkpointer = Checkpointer(options.database, connection)
        path = settings.run_dir / SOCKET
        with listen_at(path) as listener:
            writer = Writer(listener, connection, env or SystemEnvironment(), checkpointer)
            ready(path)
            writer.serve(wake)
        connection.close()
        checkpointer.close()


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read from after SIGTERM."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    woken = signal.set_wakeup_fd(writing)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGTERM, before)
        os.close(reading)
        os.close(writing)
