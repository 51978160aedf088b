"""Descriptors: what sessions need, what the system allows, and how many sessions that makes."""

import contextlib
import resource

from workpost.kernel.logging import logger
from workpost.kernel.settings import Settings

log = logger("node")


def raise_descriptors(settings: Settings) -> None:
    """Let each process hold two descriptors a session, as far as the system allows it."""
    wanted = 2 * settings.limits.sessions
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def warn_of_descriptors(settings: Settings) -> None:
    """Say in one line where `raise_descriptors` did not reach its end."""
    wanted = 2 * settings.limits.sessions
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        log.warning("fewer open files are allowed than sessions need", allowed=soft, wanted=wanted)


def most_sessions(settings: Settings) -> int:
    """`limits.sessions`, or fewer where the system allows too few descriptors for them.

    Where descriptors end before places do, nobody gets in, and no stranger gives way.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings.limits.sessions
    return max(1, min(settings.limits.sessions, soft // 2))
