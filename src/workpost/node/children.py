"""Child processes of the supervisor: forking, readiness, and dying with the parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from workpost.kernel.errors import WorkpostError
from workpost.kernel.logging import logger
from workpost.kernel.settings import SettingsError

PR_SET_PDEATHSIG = 1
READY = b"R"
EX_FAILED = 1
EX_CONFIG = 78

log = logger("node")


class Child:
    """A running child process; `ready_fd` becomes readable when it is ready or dead."""

    def __init__(self, name: str, pid: int, ready_fd: int) -> None:
        self.name = name
        self.pid = pid
        self.ready_fd = ready_fd
        self.ready = False

    def read_ready(self) -> bool:
        """Read the readiness pipe; True for ready, False for an end without it."""
        data = os.read(self.ready_fd, 1)
        os.close(self.ready_fd)
        self.ready_fd = -1
        self.ready = data == READY
        return self.ready

    def signal(self, number: int) -> None:
        """Send a signal; a child that is gone is no error."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


def fork(name: str, body: Callable[[Callable[[], None]], None]) -> Child:
    """Fork a child that runs `body(ready)` and exits; the caller holds no loop and no thread.

    The child stays in the process group and is killed when the parent dies, however it dies.
    """
    parent = os.getpid()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(name, pid, reading)
    code = EX_FAILED
    try:
        os.close(reading)
        _die_with(parent)
        _default_signals()
        body(lambda: _tell(writing))
        code = 0
    except WorkpostError as error:
        sys.stderr.write(f"workpost {name}: {error}\n")
        code = EX_CONFIG if type(error).__name__.startswith("Schema") else EX_FAILED
    except SettingsError as error:
        sys.stderr.write(f"workpost {name}: {error}\n")
        code = EX_CONFIG
    except Exception:
        log.exception("a process ends with a bug", child=name)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell(writing: int) -> None:
    os.write(writing, READY)
    os.close(writing)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(EX_FAILED)


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
