"""The minder: a process that starts one worker, confined, and watches it until its end.

    python -I -S -c ... CHANNEL MINDING

MINDING is a socket: a specification comes over it, then orders of one letter, to stop the worker
with all that it has started and to let them go on; its end is the order to end. The worker gets
CHANNEL, over which it is given events, and the standard output of the minder. What is told, one
line of JSON each: {"started": way} or {"failed": reason}, then {"ended": reason}.

A worker ends with everything that it has started: behind walls its PID namespace ends with it, and
elsewhere its orphans become the minder's children.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import sys

from workpost.integrations.lambda_.local import calls, counting, limits, network, system, walls
from workpost.integrations.lambda_.local.spec import GO, NONE, STOP, USER, WALLS, Spec

LOOK_MS = 100
"""Between two looks at memory and processes."""
CHANNEL, SOURCE, STATUS, TOLD = 3, 4, 200, 201
"""Descriptors of the worker; the last two, to the minder, close when its program starts."""
MOVED = 100
"""Where descriptors wait for the numbers that they are to have."""
STUB = f"import os; exec(compile(os.fdopen({SOURCE}).read(), 'workpost-function', 'exec'))"
HIDE = "WORKPOST_HIDE_PROCESS"
"""Tells what runs inside to hide itself from processes of the same user."""
MOST_SPEC = 1 << 22
ROUNDS = 1000
STILL = frozenset((b"T", b"t", b"Z", b"X", b"x"))
"""States of what does not run: stopped, traced, ended."""
PAGE = os.sysconf("SC_PAGE_SIZE")


class Refused(Exception):
    """The worker cannot be started as it has to be; the message says why."""


def main(argv: list[str]) -> None:
    """Mind one worker."""
    channel = int(argv[0])
    minding = socket.socket(fileno=int(argv[1]))
    spec = _read_spec(minding)
    system.prctl(system.PR_SET_CHILD_SUBREAPER, 1)
    inside, outside = socket.socketpair()
    carrier = 0
    if spec.network is not None:
        carrier = network.serve(inside, *spec.network, spec.address)
    inside.close()
    try:
        way = _prepare(spec)
        worker = _start(spec, way, channel, outside)
    except (OSError, Refused) as error:
        _tell(minding, failed=str(error))
        return
    outside.close()
    os.close(channel)
    for stream in (1, 2):
        os.close(stream)
    _tell(minding, started=way)
    reason = _watch(worker, spec, minding, carrier)
    code = _end(worker)
    _tell(minding, ended=reason or f"exit {code}")


def _read_spec(minding: socket.socket) -> Spec:
    told = b""
    while not told.endswith(b"\n") and len(told) < MOST_SPEC:
        piece = minding.recv(65536)
        if not piece:
            sys.exit(1)
        told += piece
    return Spec(**json.loads(told))


def _tell(minding: socket.socket, **what: str) -> None:
    with contextlib.suppress(OSError):
        minding.sendall(json.dumps(what).encode() + b"\n")


# --- starting -------------------------------------------------------------------------------------


def _prepare(spec: Spec) -> str:
    """Enter the namespaces that the worker's first process is to begin in; returns the way.

    Raises Refused.
    """
    root = os.geteuid() == 0
    if root and not spec.uid:
        raise Refused("the function has no user of its own to run as")
    flags = system.CLONE_NEWPID if root else system.CLONE_NEWPID | system.CLONE_NEWUSER
    uid, gid = os.geteuid(), os.getegid()
    try:
        if spec.without == WALLS:
            raise OSError(errno.EPERM, "namespaces are not to be made")
        system.unshare(flags)
        if not root:
            _map_ids(uid, gid)
    except OSError as error:
        if root and error.errno == errno.EPERM:
            if spec.network is not None and not spec.unconfined:
                raise Refused('its network cannot be confined; network = "any"') from error
            return USER
        if spec.unconfined:
            return NONE
        raise Refused(f"nothing here can confine functions ({error})") from error
    return WALLS


def _map_ids(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _start(spec: Spec, way: str, channel: int, outside: socket.socket) -> int:
    """Fork the worker and wait until its program runs. Raises OSError, Refused."""
    source = _in_memory(spec.source)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    here, there = socket.socketpair()
    worker = os.fork()
    if not worker:
        os.dup2(writing, STATUS, inheritable=False)
        here.close()
        try:
            if way == WALLS and spec.network is not None:
                network.enter(spec.network[1], outside)
            _become(spec, way, channel, source, there)
        except BaseException as error:  # noqa: BLE001 - nothing may go on in a fork
            reason = str(error) if isinstance(error, (OSError, Refused)) else repr(error)
            os.write(STATUS, reason.encode()[:1000])
        finally:
            os._exit(1)
    os.close(writing)
    os.close(source)
    there.close()
    with here:
        counting.map_user(here, worker, spec.uid, spec.gid)
    told = b""
    while piece := os.read(reading, 4096):
        told += piece
    os.close(reading)
    if told:
        os.waitpid(worker, 0)
        raise Refused(told.decode(errors="replace"))
    return worker


def _in_memory(text: str) -> int:
    handle = os.memfd_create("program")
    os.write(handle, text.encode())
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _become(spec: Spec, way: str, channel: int, source: int, minder: socket.socket) -> None:
    """Turn this process into the worker; only an error returns. Raises OSError, Refused."""
    kept, environment = [channel, source], dict(spec.environment)
    for path, text in spec.files.items() if way != WALLS else ():
        # Without a root of its own, files have no place but in memory.
        at = f"/proc/self/fd/{CHANNEL + len(kept)}"
        environment = {name: at if value == path else value for name, value in environment.items()}
        kept.append(_in_memory(text))
    if way == USER:
        environment[HIDE] = "yes"
    told = os.dup2(minder.detach(), TOLD, inheritable=False)
    # Out of the way first: a descriptor may have the number that another one is to get.
    moved = [os.dup2(each, MOVED + n) for n, each in enumerate(kept)]
    for number, each in enumerate(moved, CHANNEL):
        os.dup2(each, number)
    os.closerange(CHANNEL + len(kept), STATUS)
    os.closerange(TOLD + 1, os.sysconf("SC_OPEN_MAX"))
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    uid, gid = (spec.uid, spec.gid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    limits.apply(spec, way)
    if way == WALLS:
        walls.build(spec, uid, gid)
        if os.geteuid() == 0:
            counting.enter(told)
    limits.bound_processes(spec, way)
    if uid != os.geteuid():
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it.
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
    if way == USER:
        _check_hidden(spec)
    os.chdir(spec.folder)
    calls.install()
    command = [spec.python, "-I", "-c", STUB]
    os.execve(spec.python, command, environment)  # noqa: S606 - no shell


def _check_hidden(spec: Spec) -> None:
    """Refuse to start a worker that could read what it must not: its user is no wall then."""
    for path in spec.hidden:
        if os.access(path, os.R_OK) or (os.path.isdir(path) and os.access(path, os.X_OK)):
            raise Refused(f"{path} can be read by the function's user")


# --- watching -------------------------------------------------------------------------------------


def _watch(worker: int, spec: Spec, minding: socket.socket, carrier: int) -> str:
    """Until the worker ends, or has to; returns why it has to, "" when it ended by itself."""
    stopped = still = False
    ending = os.pidfd_open(worker)
    poll = select.poll()
    poll.register(ending, select.POLLIN)
    poll.register(minding, select.POLLIN)
    while True:
        # Of what stands still nothing grows; until then it is looked at as before.
        heard = {number for number, _ in poll.poll(None if still else LOOK_MS)}
        if ending in heard:
            return ""
        if minding.fileno() in heard:
            order = _ordered(minding)
            if order not in {STOP, GO}:
                return "order"
            stopped, still = order == STOP, False
            if not stopped:
                _let_go(carrier)
                continue
        if stopped:
            still = _stop_all(carrier)
        processes = descendants(worker)
        if len(processes) > spec.processes:
            return "processes"
        if files_of(processes) > limits.FILES_TOGETHER:
            return "files"
        if memory_of(processes, spec.memory) > spec.memory:
            return "memory"


def _ordered(minding: socket.socket) -> bytes:
    try:
        return minding.recv(1)
    except OSError:
        return b""


def _stop_all(carrier: int) -> bool:
    """Stop the worker and all that it has started, orphans included; whether all stand still.

    A signal is sent at once and takes effect when the system comes to it: until then a process
    may start another one that nobody has seen.
    """
    known: set[int] = set()
    for _ in range(ROUNDS):
        fresh = set(descendants(os.getpid())[1:]) - {carrier} - known
        if not fresh:
            break
        _signal(fresh, signal.SIGSTOP)
        known |= fresh
    # Of those that stood still before the last look none has started another one since.
    return stand_still(known) and set(descendants(os.getpid())[1:]) - {carrier} <= known


def stand_still(processes: set[int]) -> bool:
    """Whether each of them is stopped or has ended, all its threads included."""
    for pid in processes:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
                    if file.read().rpartition(b")")[2].split()[0] not in STILL:
                        return False
    return True


def _let_go(carrier: int) -> None:
    _signal(set(descendants(os.getpid())[1:]) - {carrier}, signal.SIGCONT)


def _signal(processes: set[int], number: int) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def descendants(first: int) -> list[int]:
    """A process and all below it."""
    found = [first]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    found += map(int, file.read().split())
    return found


def files_of(processes: list[int]) -> int:
    """Descriptors that they hold, as far as the system tells."""
    count = 0
    for pid in processes:
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{pid}/fd"))
    return count


def memory_of(processes: list[int], enough: int) -> int:
    """Bytes that they hold; what they share counts once, and what was swapped out counts.

    It is only told exactly when it may be more than `enough`.
    """
    pages = 0
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/statm") as file:
            pages += int(file.read().split()[1])
    if pages * PAGE <= enough and not _swapped(processes):
        return pages * PAGE
    kilobytes = 0
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith(("Pss:", "SwapPss:")):
                    kilobytes += int(line.split()[1])
    return kilobytes * 1024


def _swapped(processes: list[int]) -> bool:
    for pid in processes:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
            if any(line.startswith("VmSwap:") and " 0 kB" not in line for line in file):
                return True
    return False


def _end(worker: int) -> int:
    """End the worker and all that it has started; returns how it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    for _ in range(ROUNDS):
        orphans = descendants(os.getpid())[1:]
        if not orphans:
            break
        # All are stopped before the first one ends: none can start another meanwhile.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            _signal(set(orphans), number)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
    return code
