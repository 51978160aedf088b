"""Threads of the S3 door: a bucket that does not answer keeps none of those that read mail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

AT_ONCE = 8
"""Requests with a body or an answer in memory at the same time, and as many threads."""

_threads = ThreadPoolExecutor(AT_ONCE, "s3")
P = ParamSpec("P")
T = TypeVar("T")


async def apart(work: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
    """Have blocking work done beside the event loop; raises what it raises."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: work(*args, **kw))
