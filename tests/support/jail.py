"""A stand-in for the server that starts workers, as root or as somebody else.

It has what a function must not reach: a secret in its environment and memory, an open file that
children would inherit, files and sockets in a folder of its own. Tests tell it by lines of JSON
what to have the function do.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

SECRET = "the-master-key-of-the-tests"
CODE = Path(__file__).parents[1] / "integrations" / "lambda_" / "hostile"
ROOT = Path(__file__).parents[2]
WAYS = ("walls", "user", "userns")
"""Root with namespaces, root without, and an ordinary user."""
USERS = 100_000
_numbers = itertools.count()


def other_python() -> str:
    """An interpreter of our version that every user of the machine can run."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (f"/usr/bin/python{wanted}", f"/usr/local/bin/python{wanted}"):
        if os.path.exists(candidate):
            return candidate
    pytest.skip(f"there is no Python {wanted} that another user could run")


class Jail:
    """A driver process and the worker that it has; `attempt` has the function do something."""

    def __init__(self, way: str, **changes: Any) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can be both root and somebody else")
        self.way = way
        # Of its own: the system counts processes by user, and jails of other tests run beside it.
        self.uid = changes.get("uid") or USERS + (os.getpid() * 16 + next(_numbers)) % 1_000_000
        self.folder = Path(tempfile.mkdtemp(prefix="wp-jail-"))
        self.folder.chmod(0o755)
        self.code = self.folder / "code"
        shutil.copytree(CODE, self.code, ignore=shutil.ignore_patterns("__pycache__"))
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        self.key = self.data / "keyring.json"
        self.key.write_text(SECRET)
        self.key.chmod(0o600)
        self.settings = self.folder / "workpost.toml"
        self.settings.write_text(SECRET)
        self.settings.chmod(0o600)
        self.socket = self.data / "writer.sock"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.socket))
        self.socket.chmod(0o777)
        self._server.listen()
        self.abstract = f"@{self.folder.name}"
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind("\0" + self.abstract[1:])
        self._abstract.listen()
        try:
            self._start({"python": self._python(), **changes})
        except BaseException:
            self._tidy()
            raise

    def _python(self) -> str:
        return sys.executable if self.way == "walls" else other_python()

    def _start(self, changes: dict[str, Any]) -> None:
        if changes.pop("show_all", False):
            changes["visible"] = [str(self.folder)]
        identity: dict[str, Any] = {}
        if self.way == "userns":
            for path in (self.data, *self.data.iterdir(), self.settings):
                os.chown(path, self.uid, self.uid)
            identity = {"user": self.uid, "group": self.uid, "extra_groups": []}
        spec = {
            "code": str(self.code),
            "hidden": [str(self.data), str(self.settings)],
            "without": "walls" if self.way == "user" else "",
            "uid": 0 if self.way == "userns" else self.uid,
            "gid": self.uid,
            **changes,
        }
        python = sys.executable if self.way != "userns" else other_python()
        paths = [str(ROOT), str(ROOT / "src"), *(p for p in sys.path if p.endswith("-packages"))]
        program = (
            f"import sys; sys.path[:0] = {paths!r}; from tests.support.jailer import drive; drive()"
        )
        self._process = subprocess.Popen(
            [python, "-I", "-c", program, json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"WORKPOST_SECRET": SECRET, "PATH": "/usr/bin:/bin"},
            **identity,
        )
        self.started = self._read()

    @property
    def pid(self) -> int:
        """Of the driver, which stands for the server."""
        return self._process.pid

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the driver ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, what: str, *arguments: object, seconds: float = 30.0) -> dict[str, Any]:
        """Everything that came of an attempt."""
        asked = {"try": what, "with": arguments, "seconds": seconds}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def attempt(self, what: str, *arguments: object, seconds: float = 30.0) -> Any:
        """What the function says came of it."""
        told = self.ask(what, *arguments, seconds=seconds)
        assert "outcome" in told, told
        return told["outcome"]

    def kill(self) -> None:
        """End the driver at once, as a crash does."""
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        self._tidy()

    def _tidy(self) -> None:
        self._server.close()
        self._abstract.close()
        shutil.rmtree(self.folder, ignore_errors=True)
