"""Logs of invocations, in the log group `/aws/lambda/NAME` of the organization's account.

Each invocation leaves the lines that Lambda writes: START, what the function printed, END, REPORT.
They are written behind the invocation's back: a log group that is out of reach delays no mail, and
what does not fit the bounds is dropped and counted. A group that is not mapped keeps nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import orjson

from workpost.domain.organizations.log_groups import find_group, open_group
from workpost.integrations.lambda_.local.pool import Ran
from workpost.integrations.logs.base import MAX_LINE, GroupMissing, Line, ReadableGroup
from workpost.kernel.errors import ResourceNotFound, TryLater
from workpost.kernel.log_groups import MappedGroup
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter
from workpost.operations.functions.surroundings import LOG_GROUP
from workpost.store.core import Core

MOST_BYTES = 4 << 20
"""Of lines of one log group that wait to be written; more are dropped."""
LINE_BYTES = 256
"""What a line takes in memory beside its text: empty ones are not for nothing."""
MOST_LINES = 10_000
"""Of the output of one invocation."""
LEFT_OUT = b"[the rest of the output is left out]"
RETRY_SECONDS = 2.0
ATTEMPTS = 5
DROPPED = counter("workpost_function_log_lines_dropped_total", "Lines that no log group took.")

# Threads of their own: groups that do not answer keep none of those that read mail.
_writing = ThreadPoolExecutor(4, "function-logs")

log = logger("functions")


class Record:
    """What one invocation prints, line by line with its time."""

    def __init__(self, core: Core, request_id: str, version: str) -> None:
        self._now = core.env.now
        self._request = request_id
        self._rest = b""
        self.lines: list[Line] = []
        self._add(f"START RequestId: {request_id} Version: {version}".encode())

    def hear(self, output: bytes) -> None:
        """Take output in whatever pieces it comes."""
        *lines, self._rest = (self._rest + output).split(b"\n")
        room = MOST_LINES - len(self.lines)
        for line in lines[: max(0, room)]:
            self._add(line)
        if 0 <= room < len(lines):
            self._add(LEFT_OUT)

    def end(self, ran: Ran, *, memory: int, trouble: str) -> None:
        """Finish with what became of it; `memory` in megabytes, 0 where nobody knows."""
        if self._rest:
            self._add(self._rest)
            self._rest = b""
        milliseconds = ran.running * 1000
        words = [
            f"REPORT RequestId: {self._request}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
        ]
        if memory:
            words += [f"Memory Size: {memory} MB", f"Max Memory Used: {ran.memory >> 20} MB"]
        if ran.starting:
            words.append(f"Init Duration: {ran.starting * 1000:.2f} ms")
        if trouble:
            self._add(f"RequestId: {self._request} Error: {trouble}".encode())
            words.append("Status: error")
        self._add(f"END RequestId: {self._request}".encode())
        self._add("\t".join(words).encode())

    def _add(self, line: bytes) -> None:
        self.lines.append((self._now(), line[:MAX_LINE]))


class _Waiting(msgspec.Struct):
    """Lines of one log group."""

    lines: list[tuple[str, Line]]
    size: int = 0


class Logbook:
    """Writes records; one of each process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._writers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._groups: dict[tuple[str, str, MappedGroup], ReadableGroup] = {}

    def add(self, account: str, name: str, stream: str, record: Record) -> None:
        """Have the lines of an invocation of the function `name` written."""
        place = (account, LOG_GROUP + name)
        if find_group(self._core, *place) is None:
            return
        waiting = self._waiting.setdefault(place, _Waiting([]))
        for line in record.lines:
            size = len(line[1]) + LINE_BYTES
            if waiting.size + size > MOST_BYTES:
                DROPPED.inc()
                continue
            waiting.lines.append((stream, line))
            waiting.size += size
        if place not in self._writers:
            self._writers[place] = asyncio.create_task(self._write(place))

    async def _write(self, place: tuple[str, str]) -> None:
        try:
            while waiting := self._waiting.pop(place, None):
                for stream, lines in _streams(waiting.lines):
                    await self._put(place, stream, lines)
        finally:
            del self._writers[place]

    async def _put(self, place: tuple[str, str], stream: str, lines: list[Line]) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(RETRY_SECONDS)
            mapped = find_group(self._core, *place)
            if mapped is None:
                break
            try:
                return await asyncio.get_running_loop().run_in_executor(
                    _writing, self._put_now, place, mapped, stream, lines
                )
            except GroupMissing as error:
                log.warning("a function's log is dropped", group=place[1], reason=str(error))
                break
            except TryLater as error:
                log.warning("a function's log waits", group=place[1], reason=error.message)
        DROPPED.inc(len(lines))
        return None

    def _put_now(
        self, place: tuple[str, str], mapped: MappedGroup, stream: str, lines: list[Line]
    ) -> None:
        days = self._core.settings.lambda_.log_days
        group = self._groups.get((*place, mapped))
        if group is None:
            group = open_group(self._core, *place, mapped)
            if mapped.kind == "folder":
                group.create(days)
            self._groups[*place, mapped] = group
        told = [(at, shown(mapped, at, line)) for at, line in lines]
        try:
            group.put(stream, told)
        except GroupMissing:
            group.create(days)
            group.put(stream, told)

    async def close(self) -> None:
        """Write what waits, as far as the groups take it at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await asyncio.gather(*self._writers.values(), return_exceptions=True)


def _streams(lines: list[tuple[str, Line]]) -> Iterator[tuple[str, list[Line]]]:
    by_stream: dict[str, list[Line]] = {}
    for stream, line in lines:
        by_stream.setdefault(stream, []).append(line)
    for stream, found in by_stream.items():
        yield stream, sorted(found, key=lambda line: line[0])


def shown(mapped: MappedGroup, at: int, line: bytes) -> bytes:
    """A line as its group keeps it: CloudWatch Logs has the time beside it, a file has not."""
    text = line.decode(errors="replace")
    if mapped.kind == "folder":
        return orjson.dumps({"timestamp": at, "message": text})
    return text.encode() or b" "


async def read_log(core: Core, account: str, name: str, *, since: int, limit: int) -> list[str]:
    """The last lines that invocations of a function left, as text.

    Raises ResourceNotFound for a log group that is not mapped, GroupMissing, TryLater.
    """
    group = LOG_GROUP + name
    mapped = find_group(core, account, group)
    if mapped is None:
        raise ResourceNotFound(f"The log group {group} is not mapped for the account {account}.")
    found = await asyncio.to_thread(open_group(core, account, group, mapped).read, since, limit)
    return [_text(mapped, line) for _, line in found]


def _text(mapped: MappedGroup, line: bytes) -> str:
    if mapped.kind == "folder":
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
            return str(orjson.loads(line)["message"])
    return line.decode(errors="replace")
