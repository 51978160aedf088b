"""The writer process for tests: forked, ended by pid."""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from pathlib import Path

from workpost.kernel.settings import Settings
from workpost.store.database import writer
from workpost.store.database.writer import SOCKET, run_writer

PR_SET_PDEATHSIG = 1


class WriterProcess:
    """A writer over the SQLite database of these settings; commands declared so far are known."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.pid = 0
        self.patience = 0.1
        """Seconds after SIGTERM in which it serves front ends that stay connected."""

    @property
    def socket(self) -> Path:
        return self._settings.run_dir / SOCKET

    def start(self) -> None:
        """Start it and wait until it listens."""
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(reading)
                writer.STOP_PATIENCE = self.patience
                run_writer(self._settings, lambda _path: os.write(writing, b"!") and None)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        ready = os.read(reading, 1)
        os.close(reading)
        assert ready, "the writer process did not start"

    def kill(self) -> None:
        """End it as a crash does."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0

    def has_ended(self) -> bool:
        """Tell whether it ended by itself, and forget it if so."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return not self.pid

    def stop(self) -> int:
        """End it politely and return its exit code."""
        if not self.pid:
            return 0
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)
