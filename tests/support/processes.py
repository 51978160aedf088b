"""Start and stop the real peers that tests talk to; each on a free loopback port, ended by pid."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class PeerFailed(Exception):
    """A peer that is installed did not start; the message ends with its own last words."""


PORTS = range(12_000, 32_000)
"""Below those that the kernel gives to connections: nobody gets one before its server binds it."""


def free_port() -> int:
    """A loopback TCP port that nobody uses, for a server that cannot choose one by itself."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def accepts(port: int) -> bool:
    """Tell whether something accepts connections on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def dying_with_us(
    command: Sequence[str], *, user: str | None = None, by: str = "TERM"
) -> list[str]:
    """Wrap a command: it gets the signal `by` when we die, and runs as `user` when we are root."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    wrapped = [setpriv, "--pdeathsig", by]
    if user is not None and os.geteuid() == 0:
        wrapped += ["--reuid", user, "--regid", user, "--init-groups"]
    return [*wrapped, "--", *command]


class Peer:
    """One child process with its log file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, **options: object) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **options,  # type: ignore[call-overload]
            )

    @property
    def pid(self) -> int:
        pid: int = self.process.pid
        return pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for `ready`; raise PeerFailed when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                code = self.process.poll()
                self.stop()
                words = self.log.read_text(errors="replace")[-2000:]
                raise PeerFailed(f"{self.name} did not start (exit code {code}):\n{words}")
            time.sleep(0.03)

    def stop(self, first: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """End the process: politely, then by force."""
        if self.process.poll() is None:
            self.process.send_signal(first)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
