"""The supervisor: starts the writer and the front ends, replaces what dies, stops in order.

It imports everything once and forks, so that children share its memory; it holds no loop, thread,
database handle or TLS object (decisions 10). Order of start: lock, sockets, writer, front ends,
endpoints.json. Order of stop: front ends finish what they accepted, then the writer, then the
announcement goes away.
"""

from __future__ import annotations

import datetime as dt
import gc
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from workpost.kernel import logging, metrics
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.queue_settings import longer_stop
from workpost.kernel.settings import Settings, sqlite_path
from workpost.node import datadir, frontend, manager, sockets
from workpost.node.allocator import return_large_blocks
from workpost.node.children import EX_CONFIG, EX_FAILED, Child, fork
from workpost.node.descriptors import raise_descriptors, warn_of_descriptors
from workpost.node.sockets import JOBS, ROLES
from workpost.protocols.listening.tls import ensure_self_signed
from workpost.store.database.writer import SOCKET, run_writer

STOP_SECONDS = 9.0
"""All of a stop; what is left then is killed (the contract allows 10 s, unless it is set so)."""

WRITER = "writer"
RESTART_PAUSE = 1.0
"""Seconds before a child that died soon after its start begins again."""

log = logging.logger("node")


class Supervisor:
    """One `workpost serve` with processes of its own."""

    def __init__(
        self,
        settings: Settings,
        roles: tuple[str, ...],
        *,
        demo: bool,
        reread: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._reread = reread
        self._roles = roles
        self._demo = demo
        self._children: dict[str, Child] = {}
        self._bodies: dict[str, Callable[[Callable[[], None]], None]] = {}
        self._started: dict[str, float] = {}
        self._stopping = False
        self._reloaded = False
        self._wake = -1
        self._certificate = Path()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code. Raises AlreadyServed, OSError."""
        lock = datadir.prepare(self._settings)
        fronts = sockets.bind_all(self._settings, self._roles, self._count())
        self._certificate = prepare_certificate(self._settings)
        metrics.configure(self._settings.run_dir)
        raise_descriptors(self._settings)
        self._wake = _catch_signals()
        return_large_blocks()
        gc.collect()
        gc.freeze()
        self._plan(fronts)
        try:
            for name in self._bodies:
                code = self._start_first(name)
                if code or self._stopping:
                    return code
            datadir.write_endpoints(self._settings, sockets.endpoints(fronts[0], os.getpid()))
            warn_of_descriptors(self._settings)
            log.info("serving", listeners=sockets.endpoints(fronts[0], os.getpid()))
            manager.tell(manager.READY)
            self._watch()
            return 0
        finally:
            manager.tell(manager.STOPPING)
            self._stop()
            sockets.remove_unix(self._settings, self._roles)
            datadir.remove_endpoints(self._settings, os.getpid())
            lock.close()

    def _count(self) -> int:
        return self._settings.front_ends

    def _plan(self, fronts: list[list[sockets.Listener]]) -> None:
        settings = self._settings
        writer_socket = None
        if sqlite_path(settings.database_url) is not None:
            writer_socket = settings.run_dir / SOCKET
            self._bodies[WRITER] = self._writer
        for number, front in enumerate(fronts):
            plan = frontend.Plan(
                name=f"front-{number}",
                settings=settings,
                reread=self._reread,
                listeners=front,
                certificate=self._certificate,
                writer_socket=writer_socket,
                demo=self._demo and number == 0,
                jobs=JOBS in self._roles,
                upkeep=JOBS in self._roles and number == 0,
            )
            self._bodies[f"front-{number}"] = self._front(f"front-{number}", plan)

    def _writer(self, ready: Callable[[], None]) -> None:
        logging.configure(self._settings.log.level, self._settings.log.format, process=WRITER)
        run_writer(self._settings, lambda _: ready(), SystemEnvironment())

    def _front(self, name: str, plan: frontend.Plan) -> Callable[[Callable[[], None]], None]:
        def body(ready: Callable[[], None]) -> None:
            logging.configure(plan.settings.log.level, plan.settings.log.format, process=name)
            frontend.run(plan, ready)

        return body

    def _start(self, name: str) -> Child:
        child = fork(name, self._bodies[name])
        self._children[name] = child
        self._started[name] = time.monotonic()
        return child

    def _start_first(self, name: str) -> int:
        """Start a child and wait until it is ready; the exit code when it never is."""
        child = self._start(name)
        deadline = time.monotonic() + self._settings.processes.start_seconds
        while not child.ready and not self._stopping:
            left = deadline - time.monotonic()
            if left <= 0:
                log.error("a process did not become ready in time", child=name)
                return EX_FAILED
            readable, _, _ = select.select([child.ready_fd, self._wake], [], [], left)
            if self._wake in readable:
                self._take_signals()
            if child.ready_fd in readable and not self._hear(child):
                return self._exit_code(child)
        return 0

    def _exit_code(self, child: Child) -> int:
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.name]
        code = os.waitstatus_to_exitcode(status)
        return EX_CONFIG if code == EX_CONFIG else EX_FAILED

    def _watch(self) -> None:
        while not self._stopping:
            waiting = {c.ready_fd: c for c in self._children.values() if c.ready_fd >= 0}
            readable, _, _ = select.select([self._wake, *waiting], [], [], 1.0)
            if self._wake in readable:
                self._take_signals()
            for descriptor in readable:
                if descriptor in waiting:
                    self._hear(waiting[descriptor])
            self._reap()

    def _hear(self, child: Child) -> bool:
        """Read whether a child is ready; what changed since our own start it has to read anew."""
        ready = child.read_ready()
        if ready and self._reloaded:
            self._reload(child)
        return ready

    def _reload(self, child: Child) -> None:
        # One that is not ready yet would die of the signal, and hears of it when it is.
        if child.ready and child.name != WRITER:
            child.signal(signal.SIGHUP)

    def _reap(self) -> None:
        """Replace children that ended."""
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            if child.ready_fd >= 0:
                os.close(child.ready_fd)
            del self._children[child.name]
            metrics.process_died(pid)
            if self._stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            log.error("a process died and is replaced", child=child.name, code=code)
            if time.monotonic() - self._started[child.name] < RESTART_PAUSE:
                time.sleep(RESTART_PAUSE)
            self._start(child.name)

    def _take_signals(self) -> None:
        for number in os.read(self._wake, 64):
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stopping = True
            elif number == signal.SIGHUP:
                self._reloaded = True
                for child in self._children.values():
                    self._reload(child)

    def _stop(self) -> None:
        """Front ends first, the writer when they have gone; at the deadline, no more questions."""
        self._stopping = True
        deadline = time.monotonic() + STOP_SECONDS + longer_stop(self._settings.queue)
        self._end([c for c in self._children.values() if c.name != WRITER], deadline - 1.0)
        self._end(list(self._children.values()), deadline)

    def _end(self, children: list[Child], deadline: float) -> None:
        for child in children:
            child.signal(signal.SIGTERM)
        waiting = {child.pid: child for child in children}
        while waiting:
            for pid in list(waiting):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self._children.pop(waiting.pop(pid).name, None)
            if not waiting:
                return
            if time.monotonic() > deadline:
                for child in waiting.values():
                    log.error("a process did not stop in time and is killed", child=child.name)
                    child.signal(signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.01)


def _catch_signals() -> int:
    """A descriptor from which the numbers of arriving signals can be read."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def prepare_certificate(settings: Settings) -> Path:
    """Make the self-signed certificate once, before front ends would race for it."""
    if settings.tls.certificate:
        return Path(settings.tls.certificate)
    return ensure_self_signed(settings.tls_dir, settings.host_name, dt.datetime.now(dt.UTC))


def serve_inline(
    settings: Settings, roles: tuple[str, ...], *, demo: bool, reread: Callable[[], Settings]
) -> int:
    """Everything in this process, the writer on a thread: for debugging. Returns the exit code."""
    lock = datadir.prepare(settings)
    fronts = sockets.bind_all(settings, roles, 1)
    plan = frontend.Plan(
        name="inline",
        settings=settings,
        reread=reread,
        listeners=fronts[0],
        certificate=prepare_certificate(settings),
        writer_socket=None,
        demo=demo,
        jobs=JOBS in roles,
        upkeep=JOBS in roles,
    )
    raise_descriptors(settings)

    def ready() -> None:
        datadir.write_endpoints(settings, sockets.endpoints(fronts[0], os.getpid()))
        warn_of_descriptors(settings)
        manager.tell(manager.READY)

    try:
        frontend.run(plan, ready)
    finally:
        sockets.remove_unix(settings, roles)
        datadir.remove_endpoints(settings, os.getpid())
        lock.close()
    return 0


ALL_ROLES = (*ROLES, JOBS)
