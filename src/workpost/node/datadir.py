"""The data directory of a running server: its layout, its lock, endpoints.json.

DIR/run/serve.lock       held by the supervisor and its children; whoever has it may serve
DIR/run/endpoints.json   where the listeners are; written when all accept, removed at exit
DIR/demo.json            what a demo made, mode 0600
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import IO

from workpost.kernel.settings import Settings

ENDPOINTS = "endpoints.json"
LOCK = "serve.lock"
PATIENCE = 1.0
"""Seconds to wait for a predecessor that is ending."""


class AlreadyServed(Exception):
    """Another `workpost serve` holds the data directory."""


def prepare(settings: Settings) -> IO[bytes]:
    """Make the directories (mode 0700), take the lock, drop a stale endpoints.json.

    A holder that was killed may still wait for the disk: it gets PATIENCE seconds to go. Returns
    the open lock file; the lock lasts as long as some process keeps it open. Raises AlreadyServed,
    OSError.
    """
    for folder in (settings.data, settings.run_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (settings.run_dir / LOCK).open("ab")
    deadline = time.monotonic() + PATIENCE
    while not _locked(lock):
        if time.monotonic() > deadline:
            lock.close()
            raise AlreadyServed(f"{settings.data} is served by another process; stop it first")
        time.sleep(0.02)
    (settings.run_dir / ENDPOINTS).unlink(missing_ok=True)
    return lock


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, value: object) -> None:
    """Replace a JSON file of mode 0600 atomically and durably."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(value, out, indent=2)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


def write_endpoints(settings: Settings, endpoints: dict[str, object]) -> None:
    """Tell the world that every listener accepts."""
    write_private(settings.run_dir / ENDPOINTS, endpoints)


def read_endpoints(settings: Settings) -> dict[str, str]:
    """Where the listeners of the running server are; nothing where none runs."""
    try:
        told = json.loads((settings.run_dir / ENDPOINTS).read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: at for name, at in told.items() if isinstance(at, str)}


def remove_endpoints(settings: Settings, pid: int) -> None:
    """Take the announcement back, if it is still the one of this supervisor."""
    path = settings.run_dir / ENDPOINTS
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    if told.get("pid") == pid:
        path.unlink(missing_ok=True)
