"""Sessions that are kept for the next message to the same place."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakSet

from workpost.integrations.smtp.session import Session

MESSAGES = 100
"""Of one session: then it ends, so that mail spreads over the servers of a domain."""
IDLE = 200
"""Sessions of a process that wait."""
GOODBYE = 2.0
"""Seconds for servers to see that we are gone."""

Key = tuple[str, bool, bool]


class Pool:
    """Takes sessions that are done with a message and gives them to the next one."""

    def __init__(self) -> None:
        self._idle: dict[Key, deque[tuple[Session, asyncio.TimerHandle]]] = {}
        self._count = 0
        self._ended: WeakSet[Session] = WeakSet()

    def take(self, key: Key) -> Session | None:
        """A session that still stands, the one that was used last."""
        while waiting := self._idle.get(key):
            session, timer = waiting.pop()
            self._forget(key, timer)
            if session.is_usable:
                return session
            self._end(session)
        return None

    def give(self, key: Key, session: Session, seconds: float) -> None:
        """Keep a session for some seconds, or end it."""
        spent = session.messages >= MESSAGES or self._count >= IDLE or seconds <= 0
        if spent or not session.is_usable:
            self._end(session)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self._expire, key, session)
        self._idle.setdefault(key, deque()).append((session, timer))
        self._count += 1

    def _expire(self, key: Key, session: Session) -> None:
        for entry in self._idle.get(key, ()):
            if entry[0] is session:
                self._idle[key].remove(entry)
                self._forget(key, entry[1])
                self._end(session)
                return

    def _forget(self, key: Key, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._count -= 1
        if not self._idle[key]:
            del self._idle[key]

    def _end(self, session: Session) -> None:
        session.close()
        self._ended.add(session)

    async def close(self) -> None:
        """End all that wait, and see them gone."""
        for key in list(self._idle):
            for session, timer in list(self._idle[key]):
                self._idle[key].popleft()
                self._forget(key, timer)
                self._end(session)
        await asyncio.gather(*(each.wait_closed(GOODBYE) for each in list(self._ended)))
