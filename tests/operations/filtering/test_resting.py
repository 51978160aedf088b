"""Daemons that do not answer: left alone for a while, found again by one probe."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.operations.filtering.conftest import configure
from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory
from tests.support.mailboxes import log_in, message
from workpost.kernel import metrics
from workpost.kernel.errors import TryLater
from workpost.operations.filtering import resting
from workpost.operations.filtering.resting import Rest
from workpost.operations.filtering.scan import scan_virus
from workpost.operations.filtering.verdicts import FAIL, PASS, PROCESSING_FAILED
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope

FAILURES, SECONDS = 3, 10.0


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of the process have asked daemons, too."""
    monkeypatch.setattr(resting, "_known", {})


class Resting(RuleBasedStateMachine):
    """Any order of exchanges that begin and end, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.rest = Rest()
        self.now = 100.0
        self.asking = 0
        self.row = 0

    def _end(self, *, reached: bool) -> None:
        if self.asking:
            self.asking -= 1
            self.rest.end(self.now, reached=reached, failures=FAILURES, seconds=SECONDS)
            self.row = 0 if reached else self.row + 1

    @rule()
    def begin(self) -> None:
        if self.rest.may_ask(self.now):
            self.asking += 1

    @rule()
    def succeed(self) -> None:
        self._end(reached=True)

    @rule()
    def fail(self) -> None:
        self._end(reached=False)

    @rule()
    def call_off(self) -> None:
        if self.asking:
            self.asking -= 1
            self.rest.give_up()

    @rule()
    def wait(self) -> None:
        self.now += 4.0

    @invariant()
    def rests_exactly_after_failures_in_a_row(self) -> None:
        assert self.rest.resting == (self.row >= FAILURES)


TestResting = Resting.TestCase


def test_one_probe_at_a_time_lets_the_others_in_again() -> None:
    rest, times = Rest(), {"failures": 2, "seconds": 10}
    assert not rest.end(0, reached=False, **times)
    assert rest.end(0, reached=False, **times)
    assert [rest.may_ask(now) for now in (5, 9, 11, 12)] == [False, False, True, False]
    assert not rest.end(12, reached=False, **times)
    assert [rest.may_ask(now) for now in (13, 21, 22, 23)] == [False, False, True, False]
    assert rest.end(23, reached=True, **times)
    assert rest.may_ask(23)
    assert rest.may_ask(23)


class Daemon:
    """Answers as clamd does, or says nothing at all."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked = 0
        self.pings = 0
        self.there = False
        self.place = ""
        self.over = asyncio.Event()
        self.serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        with contextlib.suppress(OSError):
            if b"PING" in await reader.read(1 << 16):
                self.asked -= 1
                self.pings += 1
                if self.there:
                    writer.write(b"PONG\0")
            elif self.answer:
                writer.write(self.answer)
            else:
                await self.over.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def daemon() -> AsyncIterator[Daemon]:
    made = Daemon()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.over.set()
        server.close()
        await asyncio.gather(*made.serving)


@pytest.fixture(autouse=True)
def _nobody_rests() -> Iterator[None]:
    yield
    resting._known.clear()


def let_rest_end() -> None:
    for rest in resting._known.values():
        rest._until = min(rest._until, 0.001)


async def test_nobody_waits_for_clamd_after_failures_in_a_row(house: Directory) -> None:
    core = house.core
    async with daemon() as clamd:
        configure(
            core, virus="clamav", virus_daemon=clamd.place, virus_seconds=1, daemon_failures=2
        )
        verdicts = await asyncio.gather(*(scan_virus(core, b"x") for _ in range(2)))
        assert [verdict for verdict, _ in verdicts] == [PROCESSING_FAILED] * 2
        for _ in range(20):
            assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
        assert clamd.asked == 2
        let_rest_end()
        clamd.answer = b"stream: OK\0"
        assert await scan_virus(core, b"x") == (PASS, "")
        assert await scan_virus(core, b"x") == (PASS, "")
        assert clamd.asked == 4


async def test_slow_messages_open_no_window_while_clamd_is_there(house: Directory) -> None:
    core = house.core
    async with daemon() as clamd:
        clamd.there = True
        configure(
            core, virus="clamav", virus_daemon=clamd.place, virus_seconds=1, daemon_failures=1
        )
        for _ in range(2):
            assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
        assert (clamd.asked, clamd.pings) == (2, 2)
        clamd.answer = b"stream: Eicar FOUND\0"
        assert await scan_virus(core, b"x") == (FAIL, "Eicar")


async def test_what_passes_unscanned_is_told(
    house: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    """In header, events and a metric, and in the log when it begins and ends."""
    core = house.core
    ada = await log_in(core, "ada@demo.test")
    before = unscanned()
    async with daemon() as clamd:
        clamd.answer = b"stream: OK\0"
        place = "127.0.0.1:1"
        configure(core, virus="clamav", virus_daemon=place, spam="off", daemon_failures=1)
        for _ in range(3):
            outside = Envelope(sender="x@a.example", recipients=["ada@demo.test"])
            await pipeline.receive(core, outside, message())
        await pipeline.submit(core, ada, envelope("grace@demo.test"), message())
        (mail, *_) = await received(house, "ada@demo.test")
        assert b"\r\nX-Workpost-Scan: virus=PROCESSING_FAILED\r\n" in mail
        # What people submit is changed in nothing.
        (sent,) = await received(house, "grace@demo.test")
        assert b"X-Workpost-Scan" not in sent
        for kind in ("ORGANIZATION_EMAIL_RECEIVED", "OUTGOING_EMAIL_SUBMITTED"):
            told = await stories(house, kind)
            assert {one["virusVerdict"] for one in told} == {PROCESSING_FAILED}
        assert [now - then for now, then in zip(unscanned(), before, strict=True)] == [3, 1]
        rest = resting._known["clamav", place]
        resting._known["clamav", clamd.place] = rest
        configure(core, virus_daemon=clamd.place)
        let_rest_end()
        assert await scan_virus(core, b"x") == (PASS, "")
    log = capsys.readouterr().out
    assert log.count("was not looked at") == 1
    assert log.count("is left alone") == 1
    assert "not_looked_at=3" in log


def unscanned() -> list[float]:
    """How many messages were taken so: incoming, outgoing."""
    text = metrics.render().decode()
    name = "workpost_virus_unscanned_total"
    found = []
    for direction in ("incoming", "outgoing"):
        match = re.search(rf'^{name}\{{direction="{direction}"\}} (\S+)$', text, re.MULTILINE)
        found.append(float(match[1]) if match else 0.0)
    return found


async def test_required_clamav_lets_nothing_in_while_it_rests(house: Directory) -> None:
    configure(
        house.core,
        virus="clamav",
        virus_daemon="127.0.0.1:1",
        virus_fail="defer",
        daemon_failures=1,
    )
    ada = await log_in(house.core, "ada@demo.test")
    for _ in range(3):
        with pytest.raises(TryLater):
            await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await received(house, "grace@demo.test") == []


@pytest.mark.parametrize("engine", ["rspamd", "spamassassin"])
async def test_mail_is_delivered_while_the_spam_filter_rests(house: Directory, engine: str) -> None:
    core = house.core
    configure(core, spam=engine, spam_daemon="127.0.0.1:1", daemon_failures=1)
    for _ in range(2):
        outside = Envelope(sender="x@a.example", recipients=["grace@demo.test"], peer="192.0.2.1")
        await pipeline.receive(core, outside, message())
    assert len(await received(house, "grace@demo.test")) == 2
    told = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert [one["spamVerdict"] for one in told] == [PROCESSING_FAILED] * 2
    assert resting._known[engine, "127.0.0.1:1"].resting


async def test_whoever_answers_nonsense_is_there_and_0_asks_always(house: Directory) -> None:
    core = house.core
    async with daemon() as clamd:
        clamd.answer = b"stream: size limit exceeded. ERROR\0"
        configure(core, virus="clamav", virus_daemon=clamd.place, daemon_failures=1)
        for _ in range(3):
            assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
        assert clamd.asked == 3
    configure(core, virus_daemon="127.0.0.1:1", daemon_failures=0)
    for _ in range(3):
        assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
    assert not any(rest.resting for rest in resting._known.values())


async def test_a_probe_that_is_called_off_leaves_it_to_the_next(house: Directory) -> None:
    core = house.core
    async with daemon() as clamd:
        configure(
            core, virus="clamav", virus_daemon=clamd.place, virus_seconds=1, daemon_failures=1
        )
        assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
        let_rest_end()
        probe = asyncio.create_task(scan_virus(core, b"x"))
        await asyncio.sleep(0.05)
        assert await scan_virus(core, b"x") == (PROCESSING_FAILED, "")
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        clamd.answer = b"stream: OK\0"
        assert await scan_virus(core, b"x") == (PASS, "")


def test_only_so_many_daemons_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "REMEMBERED", 2)
    first = resting._rest_of("clamav", "a:1")
    assert resting._rest_of("clamav", "a:1") is first
    for number in range(5):
        resting._rest_of("clamav", f"b:{number}")
    assert len(resting._known) <= 2
