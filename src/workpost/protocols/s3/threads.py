"""Room for the requests to the S3 door: a bucket that does not answer keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from workpost.kernel.rooms import Room, Rooms

AT_ONCE = 8
"""Requests with a body or an answer in memory at the same time, and as many threads."""
EACH_AT_ONCE = 2
"""Those of one account: a function that dawdles leaves room for others' functions."""
ROOMS = Rooms("s3", AT_ONCE, EACH_AT_ONCE, "Please reduce your request rate.")

ROOM: ContextVar[Room] = ContextVar("room")
"""Of the request that is served; each is a task of its own."""

P = ParamSpec("P")
T = TypeVar("T")


async def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Have blocking work of the request done beside the event loop; raises what it raises."""
    return await ROOM.get().run(work, *args, **kwargs)
