"""The writer process: what was acknowledged is there exactly once, whatever dies."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.store.database.callers import Callers
from tests.store.database.commands import add_to, note, note_then_fail, notes
from tests.support.writers import WriterProcess
from workpost.kernel.clock import Environment
from workpost.kernel.errors import Fault, FolderExists, TryLater
from workpost.kernel.settings import Settings
from workpost.store.changes.hub import Hub
from workpost.store.database import writer as writer_module
from workpost.store.database.build import open_store
from workpost.store.database.counters import Counters
from workpost.store.database.frames import ERROR, Splitter, command_head, parse_reply
from workpost.store.database.local import writer_backend
from workpost.store.database.options import options_of
from workpost.store.database.sockets import connect_to
from workpost.store.database.store import Store
from workpost.store.database.unit import Tx, command, commands
from workpost.store.database.writer import run_writer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"))


@pytest.fixture
def writer(settings: Settings) -> Iterator[WriterProcess]:
    process = WriterProcess(settings)
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def store(
    runner: asyncio.Runner, settings: Settings, env: Environment, writer: WriterProcess
) -> Iterator[Store]:
    opened = runner.run(open_store(settings, env, writer_socket=writer.socket))
    yield opened
    runner.run(opened.close())


async def test_results_errors_and_reads_cross_the_process_boundary(store: Store) -> None:
    assert await store.write(note, who="a", n=1) == 1
    with pytest.raises(FolderExists, match="on purpose"):
        await store.write(note_then_fail, who="b", n=2)
    assert await store.write_background(note, who="c", n=3) == 3
    assert await store.read(notes) == [("a", 1), ("c", 3)]


async def test_a_hint_reaches_every_front_end_within_a_second(
    store: Store,
    settings: Settings,
    env: Environment,
    writer: WriterProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A comparison now and then would tell it, too: here none comes in time.
    monkeypatch.setattr("workpost.store.database.store.EVERY", 600.0)
    other = await open_store(settings, env, writer_socket=writer.socket)
    rang = asyncio.Event()
    heard: list[int] = []

    def hear(value: int) -> None:
        heard.append(value)
        if len(heard) == 2:
            rang.set()

    for front_end in (other, store):
        front_end.watch("mailbox", "7", hear)
    took = []
    for number in range(5, 9):  # the best of some: the machine may be busy
        heard.clear()
        rang.clear()
        await store.write(note, who="7", n=number)
        written = time.monotonic()
        async with asyncio.timeout(30):
            await rang.wait()
        took.append(time.monotonic() - written)
        assert heard == [number, number]
    assert min(took) < 1
    await other.close()


@pytest.mark.crash
async def test_each_acknowledged_command_is_applied_once_when_the_writer_is_killed(
    store: Store, writer: WriterProcess
) -> None:
    chance = random.Random(7)
    async with Callers(store, 24) as callers:
        for _ in range(20):
            await callers.progress(24)
            await asyncio.sleep(chance.uniform(0, 0.02))
            writer.kill()
            await asyncio.sleep(chance.uniform(0, 0.02))
            writer.start()
    assert Counter(await store.read(notes)) == callers.acknowledged()
    assert store.counters.reconnects >= 1


async def test_a_cancelled_caller_leaves_its_command_running(store: Store) -> None:
    task = asyncio.create_task(store.write(note, who="a", n=1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(note, who="b", n=1)
    assert await store.read(notes) == [("a", 1), ("b", 1)]


async def test_after_sigterm_the_writer_serves_front_ends_until_they_go(
    settings: Settings, env: Environment, writer: WriterProcess
) -> None:
    """systemd stops all processes of a service at once; front ends still have mail in hand."""
    assert writer.stop() == 0
    writer.patience = 60.0
    writer.start()
    store = await open_store(settings, env, writer_socket=writer.socket)
    assert await store.write(note, who="a", n=1) == 1
    os.kill(writer.pid, signal.SIGTERM)
    await asyncio.sleep(0.2)
    assert await store.write(note, who="a", n=2) == 2
    assert not writer.has_ended()
    began = time.monotonic()
    await store.close()
    assert writer.wait() == 0
    assert time.monotonic() - began < 30
    writer.start()


async def test_sigterm_finishes_what_arrived(store: Store, writer: WriterProcess) -> None:
    tasks = [asyncio.create_task(store.write(note, who="a", n=n)) for n in range(200)]
    await asyncio.sleep(0.005)
    assert writer.stop() == 0
    writer.start()
    assert await asyncio.gather(*tasks) == list(range(200))
    assert await store.read(notes) == [("a", n) for n in range(200)]


@command
def crash_the_writer(tx: Tx) -> None:
    os._exit(9)


async def test_a_command_that_kills_its_writer_is_given_up(
    store: Store, writer: WriterProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.store.database.client.MOST_TRIES", 2)
    keeper = asyncio.create_task(_keep_alive(writer))
    with pytest.raises(TryLater):
        await store.write(crash_the_writer)
    assert await store.write(note, who="a", n=1) == 1
    keeper.cancel()


async def _keep_alive(writer: WriterProcess) -> None:
    while True:
        if writer.has_ended():
            writer.start()
        await asyncio.sleep(0.01)


async def test_when_the_writer_stays_away_callers_hear_so_and_recorded_work_is_found(
    settings: Settings, env: Environment, writer: WriterProcess
) -> None:
    options = msgspec.structs.replace(options_of(settings), gone_after=0.1)
    backend = await writer_backend(options, env, Hub(), Counters(), writer.socket)
    assert await backend.write(note, (), {"who": "a", "n": 1}, 0) == 1
    writer.kill()
    with pytest.raises(TryLater):
        await backend.write(note, (), {"who": "a", "n": 2}, 0)
    with pytest.raises(TryLater):
        await backend.write(note, (), {"who": "a", "n": 3}, 0)
    writer.start()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await backend.write(note, (), {"who": "a", "n": 4}, 0) == 4
                break
            except TryLater:
                await asyncio.sleep(0.02)
    await backend.close()


async def test_without_a_writer_the_store_does_not_open(
    settings: Settings, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workpost.store.database.local.CONNECT_WITHIN", 0.05)
    settings.run_dir.mkdir(parents=True)
    with pytest.raises(TryLater):
        await open_store(settings, env, writer_socket=settings.run_dir / "writer.sock")


def test_a_second_writer_is_refused(
    settings: Settings, writer: WriterProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "LOCK_PATIENCE", 0.05)
    with pytest.raises(TryLater, match="another writer"):
        run_writer(settings, lambda _: None)


def test_the_socket_may_lie_deep_and_is_its_owners_alone(tmp_path: Path) -> None:
    deep = Settings(data_dir=str(tmp_path / ("d" * 120) / "data"))
    process = WriterProcess(deep)
    process.start()
    assert process.socket.stat().st_mode & 0o777 == 0o600
    assert (deep.data / "store" / "workpost.db").stat().st_mode & 0o777 == 0o600
    connect_to(process.socket).close()
    assert process.stop() == 0


def _ask(connection: socket.socket, name: str, args: bytes) -> Any:
    connection.sendall(command_head(bytes(16), name, len(args), lane=0, again=False) + args)
    splitter = Splitter()
    while True:
        for frame in splitter.feed(connection.recv(65536)):
            return parse_reply(frame)


@pytest.mark.parametrize("name", ["os:system", "workpost.nowhere:f", ""])
def test_unknown_commands_and_wrong_arguments_are_refused(writer: WriterProcess, name: str) -> None:
    with connect_to(writer.socket) as connection:
        _, error, _ = _ask(connection, name, b"\x90")
        assert error == Fault.__name__
        name = next(key for key in commands if key.endswith(":note"))
        _, error, message = _ask(connection, name, b"\x91\x01")
        assert (error, ERROR) == (Fault.__name__, ERROR)
        assert b"arguments do not fit" in message


async def test_nonsense_on_the_socket_ends_that_connection_only(
    store: Store, writer: WriterProcess
) -> None:
    for nonsense in (b"\xff\xff\xff\xff", b"\x02\x00\x00\x00ab"):
        with connect_to(writer.socket) as connection:
            connection.sendall(nonsense)
            assert await asyncio.to_thread(connection.recv, 10) == b""
    assert await store.write(add_to, key="a", amount=1) == 1


@pytest.mark.parametrize("told_a_hint_first", [False, True])
async def test_what_a_front_end_sent_before_it_died_is_done_once(
    store: Store, writer: WriterProcess, told_a_hint_first: bool
) -> None:
    """Also when the writer hears of its death by telling it a hint, before it read anything."""
    if told_a_hint_first:
        os.kill(writer.pid, signal.SIGSTOP)
    other = asyncio.create_task(store.write(note, who="a", n=1))
    await asyncio.sleep(0.05)
    with connect_to(writer.socket) as connection:
        name = next(key for key in commands if key.endswith(":note"))
        args = b"\x92\xa1z\x01"
        frame = command_head(bytes(16), name, len(args), lane=0, again=False) + args
        connection.sendall(frame * 50)
    os.kill(writer.pid, signal.SIGCONT)
    await other
    async with asyncio.timeout(30):
        while ("z", 1) not in await store.read(notes):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert (await store.read(notes)).count(("z", 1)) == 1


async def test_a_front_end_that_reads_no_replies_is_dropped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(writer_module, "MOST_UNSENT", 1000)
    process = WriterProcess(settings)
    process.start()
    request.addfinalizer(process.stop)
    name = next(key for key in commands if key.endswith(":echo"))
    args = b"\x91\xc6" + (500_000).to_bytes(4, "big") + bytes(500_000)
    frame = command_head(bytes(16), name, len(args), lane=0, again=False) + args
    with connect_to(process.socket) as connection, pytest.raises(ConnectionError):
        connection.sendall(frame * 20)


@command
def echo(tx: Tx, data: bytes) -> bytes:
    return data


async def test_a_command_given_up_is_not_sent_when_the_writer_comes_back_meanwhile(
    settings: Settings, env: Environment, writer: WriterProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = msgspec.structs.replace(options_of(settings), gone_after=0.1)
    backend = await writer_backend(options, env, Hub(), Counters(), writer.socket)
    read, asked, go = backend.read, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> Any:
        asked.set()
        await go.wait()
        return await read(*args)

    monkeypatch.setattr(backend, "read", slow)
    writer.kill()
    given_up: asyncio.Task[Any] = asyncio.create_task(
        backend.write(note, (), {"who": "a", "n": 1}, 0)
    )
    await asyncio.wait_for(asked.wait(), 30)
    writer.start()
    await asyncio.sleep(0.15)
    assert await backend.write(note, (), {"who": "a", "n": 2}, 0) == 2
    go.set()
    with pytest.raises(TryLater):
        await given_up
    assert await read(notes, (), {}) == [("a", 2)]
    await backend.close()
