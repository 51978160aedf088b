"""What a minder is told, and what it tells."""

from __future__ import annotations

from typing import NamedTuple

WALLS = "walls"
"""Namespaces of its own: nothing is seen but what was named."""
USER = "user"
"""Another user, and nothing else: where root may not make namespaces."""
NONE = "none"
"""Nothing keeps the function from what Workpost can read."""

STOP, GO = b"s", b"g"
"""Orders to a minder."""
FORCED = (USER, NONE)


class Spec(NamedTuple):
    """How to start one worker. Paths are absolute; crosses into the minder as JSON."""

    python: str
    source: str
    """The program that it runs."""
    environment: dict[str, str]
    folder: str
    """Where it starts."""
    visible: list[str]
    """Folders that it sees, beside the system's programs and libraries; never to be written."""
    hidden: list[str]
    """Files and folders that it must not see, wherever they lie."""
    files: dict[str, str]
    """Files that are made for it, by path; where it has no root of its own, variables that are
    such a path lead to a copy in memory."""
    memory: int
    """Bytes, of it and all that it starts."""
    tmp: int
    """Bytes of its /tmp, which is memory: behind walls only. Elsewhere it cannot write files."""
    processes: int
    uid: int
    """0: that of the minder."""
    gid: int
    unconfined: bool
    """Start it also where nothing confines it."""
    network: tuple[str, int] | None = None
    """Host and port of the API, which is all that it reaches; None: whatever the machine does."""
    address: str = ""
    """Address of this machine from which it reaches an API on loopback; "": any."""
    without: str = ""
    """`WALLS` to do as where the system lets nobody make namespaces."""
