"""Checks that begin at once, and become tasks only where they have to wait.

With the answers of the DNS in the cache a check never waits, and a task for it would cost more than
some checks: a future, a callback and a turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def start(check: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Run a check up to its first wait; the future of its result, done already if it never waits.

    The check may not ask which task it runs in before its first wait: `asyncio.timeout` does.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    try:
        awaited = check.send(None)
    except StopIteration as end:
        done.set_result(end.value)
        return done
    except Exception as error:  # noqa: BLE001 - for whoever asks for the result
        done.set_exception(error)
        return done
    return loop.create_task(_go_on(check, awaited))


async def _go_on(check: Coroutine[Any, Any, T], awaited: Any) -> T:
    return await _rest(check, awaited)


@coroutine
def _rest(check: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The rest of a check that waits for `awaited`, as whoever runs it is asked to wait."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - the check's to answer, cancellation too
                awaited = check.throw(error)
            else:
                awaited = check.send(sent)
    except StopIteration as end:
        result: T = end.value
        return result
