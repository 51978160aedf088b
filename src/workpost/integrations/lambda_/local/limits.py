"""Bounds of the system on one worker process and on each that it starts."""

from __future__ import annotations

import contextlib
import os
import resource

from workpost.integrations.lambda_.local.spec import NONE, WALLS, Spec

FILES = 256
"""Descriptors of each process."""
FILES_TOGETHER = 512
"""Of a worker with all that it starts: each may be a socket, whose buffers no other bound counts.
"""
ADDRESSES = 512 * 1024 * 1024
"""Of addresses beside the memory: libraries, stacks and arenas that are reserved and not used."""


def apply(spec: Spec, way: str) -> None:
    """Set them, for good."""
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_NOFILE, FILES)
    _bound(resource.RLIMIT_AS, spec.memory + ADDRESSES)
    _bound(resource.RLIMIT_MEMLOCK, 0)
    _bound(resource.RLIMIT_MSGQUEUE, 0)
    # Only a /tmp of its own is bounded as a whole.
    _bound(resource.RLIMIT_FSIZE, spec.tmp if way == WALLS else 0)
    with contextlib.suppress(OSError):
        os.nice(5)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def bound_processes(spec: Spec, way: str) -> None:
    """Set the bound on processes; behind walls it has to be done in the user namespace."""
    if way != NONE:
        # Counted for the user: without one of its own Workpost's processes would count.
        _bound(resource.RLIMIT_NPROC, spec.processes)


def _bound(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (value, value))
