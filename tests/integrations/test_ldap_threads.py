"""A directory is asked in few threads, with bounded waiting and bounded time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Sequence

import pytest

from workpost.integrations.ldap.base import Found, Values
from workpost.integrations.ldap.threads import WAITING_PER_THREAD, DirectoryThreads
from workpost.kernel.directory_settings import Directory
from workpost.kernel.errors import Busy, DirectoryUnavailable


class Slow:
    """Answers when it is let go; counts who asks at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.both = threading.Event()
        self.asking = 0
        self.most = 0
        self.asked: list[bytes] = []
        self._lock = threading.Lock()

    def is_password(self, dn: str, password: bytes) -> bool:
        with self._lock:
            self.asking += 1
            self.most = max(self.most, self.asking)
            self.asked.append(password)
            if len(self.asked) == 2:
                self.both.set()
        self.go.wait(30)
        with self._lock:
            self.asking -= 1
        return password == b"right"

    def search(
        self, base: str, filter: str, attributes: Sequence[str], *, only_base: bool = False
    ) -> Generator[list[Found], None, None]:
        yield [Found("cn=1", {})]
        self.go.wait(30)
        yield [Found("cn=2", {})]

    def root(self, attributes: Sequence[str]) -> Values:
        return {}

    def close(self) -> None:
        self.go.set()


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def threads(slow: Slow) -> DirectoryThreads:
    return DirectoryThreads(Directory(connections=2), slow)


async def test_no_more_threads_than_connections(slow: Slow, threads: DirectoryThreads) -> None:
    asked = [asyncio.create_task(threads.is_password("cn=1", b"right")) for _ in range(5)]
    assert await asyncio.to_thread(slow.both.wait, 30)
    slow.go.set()
    assert await asyncio.gather(*asked) == [True] * 5
    assert slow.most == 2


async def test_a_storm_is_told_to_come_again(slow: Slow, threads: DirectoryThreads) -> None:
    count = 2 * WAITING_PER_THREAD
    asked = [asyncio.create_task(threads.is_password("cn=1", b"x")) for _ in range(count)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await threads.is_password("cn=1", b"x")
    slow.go.set()
    assert await asyncio.gather(*asked) == [False] * count


async def test_nobody_waits_for_ever(slow: Slow, threads: DirectoryThreads) -> None:
    threads.patience = 0.05
    with pytest.raises(DirectoryUnavailable):
        await threads.is_password("cn=1", b"right")
    pages = threads.pages("dc=a", "(x=y)", ["uid"])
    assert [found.dn for found in await anext(pages)] == ["cn=1"]
    with pytest.raises(DirectoryUnavailable):
        await anext(pages)
    slow.close()


async def test_an_empty_password_is_never_sent(slow: Slow, threads: DirectoryThreads) -> None:
    slow.go.set()
    assert not await threads.is_password("cn=1", b"")
    assert slow.asked == []
