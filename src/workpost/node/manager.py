"""What the service manager hears: systemd's protocol of readiness, sd_notify(3).

Where nobody asked for it (no NOTIFY_SOCKET) nothing is sent. A manager that does not listen is
no reason not to serve.
"""

from __future__ import annotations

import os
import socket

from workpost.kernel import logging

SOCKET = "NOTIFY_SOCKET"
READY = "READY=1"
"""Every listener accepts."""
STOPPING = "STOPPING=1"
"""No more is accepted; what was is being finished."""

log = logging.logger("node")


def tell(state: str) -> None:
    """Send a state to the manager, in a datagram to the Unix socket that it named."""
    name = os.environ.get(SOCKET, "")
    if not name:
        return
    # A leading @ is how the environment writes the zero byte of an abstract name.
    at = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.settimeout(1.0)
            line.sendto(state.encode(), at)
    except OSError as error:
        log.warning("the service manager could not be told", state=state, reason=str(error))
