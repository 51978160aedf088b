"""A count of processes of its own for each worker that root starts.

The system counts processes by user, and workers of several functions may have the same one: a fork
bomb in one would keep the others from starting. In a user namespace of its own each counts for
itself (Linux 5.14 and later). It is entered last: what was mounted before stays out of its power,
and of the users outside none but the worker's is known in it.
"""

from __future__ import annotations

import contextlib
import os
import socket

from workpost.integrations.lambda_.local import system

READY, MAPPED = b"r", b"m"


def enter(minder: int) -> None:
    """In the worker, still root: enter the namespace, and wait until its user is known there.

    `minder` is a socket to who runs `map_user`. Where the system makes none, nothing changes, and
    workers of a user share their count.
    """
    try:
        system.unshare(system.CLONE_NEWUSER)
    except OSError:
        return
    os.write(minder, READY)
    if os.read(minder, 1) != MAPPED:
        raise OSError(0, "the worker's user could not be mapped")


def map_user(worker: socket.socket, pid: int, uid: int, gid: int) -> None:
    """In the minder: map the worker's user once it asks; return when it does, or will not."""
    if worker.recv(1) != READY:
        return
    with contextlib.suppress(OSError):
        for name, number in (("uid_map", uid), ("gid_map", gid)):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(f"{number} {number} 1")
        worker.sendall(MAPPED)
