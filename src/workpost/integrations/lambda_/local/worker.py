"""One warm worker as Workpost sees it: started, given events one after another, ended.

Nothing of what a worker says is believed beyond its bounds: it speaks for its function, which may
be hostile. Whatever breaks the protocol or a bound ends the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import workpost
from workpost.integrations.lambda_.base import (
    ANSWER_BYTES,
    FunctionFailed,
    Invocation,
    Trouble,
)
from workpost.integrations.lambda_.local.spec import GO, STOP, Spec

LENGTHS = struct.Struct(">II")
HEAD_BYTES = 4096
LOG_BYTES = 256 * 1024
"""Of output that one invocation may leave in the log."""
REST_SECONDS = 0.5
"""After an answer: then nothing of the worker runs until the next event."""
END_SECONDS = 5.0
"""For a minder to end everything; then it is killed itself, and its worker with it."""
NONSENSE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading a document raises that means to do harm, or is none."""
_PROGRAM = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from workpost.integrations.lambda_.local.minding import main; main(sys.argv[1:])"
)


class Told(msgspec.Struct):
    """The head of an answer."""

    kind: str
    id: str = ""
    peak: int = 0


@functools.cache
def program() -> str:
    """The source of what runs inside."""
    return Path(__file__).with_name("working.py").read_text()


class Worker:
    """A process with a handler in it. Use `start`; `alive` says whether it takes another event."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.way = ""
        self.ended = ""
        """Why its minder ended it, once that is known."""
        self.peak = 0
        """Bytes of memory that it says to have used at most."""
        self._process = process
        self._output = output
        self._heard: Callable[[bytes], None] | None = None
        self._left = 0
        self._closed = False
        self._stopped = False
        self._rest: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._minding: asyncio.StreamReader
        self._order: asyncio.StreamWriter

    @staticmethod
    async def start(spec: Spec, heard: Callable[[bytes], None], seconds: float) -> Worker:
        """Start a worker and load its handler; `heard` is given what that prints.

        Raises FunctionFailed: REFUSED when it cannot be confined, FAILED when the handler does not
        load, TIME when it takes longer than `seconds`, BUSY when the system gives no process.
        """
        channel, inner_channel = socket.socketpair()
        minding, inner_minding = socket.socketpair()
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(writing, True)
        root = str(Path(workpost.__file__).parents[1])
        inner = (inner_channel.fileno(), inner_minding.fileno())
        try:
            # It returns at once: what takes time happens in the minder.
            process = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-I", "-S", "-c", _PROGRAM.format(root=root), *map(str, inner)],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                pass_fds=inner,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            for end in (channel, minding):
                end.close()
            os.close(reading)
            raise FunctionFailed(Trouble.BUSY, f"it cannot be started: {error.strerror}") from None
        finally:
            inner_channel.close()
            inner_minding.close()
            os.close(writing)
        worker = Worker(process, reading)
        try:
            worker._listen(heard)
            await worker._open(channel, minding)
            async with asyncio.timeout(seconds):
                await worker._begin(spec)
            worker._rest_later()
        except BaseException as error:
            worker._take()
            await worker.close()
            if isinstance(error, TimeoutError):
                raise FunctionFailed(Trouble.TIME) from None
            raise
        return worker

    async def _open(self, channel: socket.socket, minding: socket.socket) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(sock=channel)
        self._minding, self._order = await asyncio.open_unix_connection(sock=minding)

    async def _begin(self, spec: Spec) -> None:
        self._order.write(msgspec.json.encode(spec._asdict()) + b"\n")
        told = await self._told()
        if "started" not in told:
            reason = told.get("failed", "it ended")
            raise FunctionFailed(Trouble.REFUSED, f"it cannot be started: {reason}")
        self.way = told["started"]
        head, payload = await self._answer()
        if head.kind != "ready":
            raise FunctionFailed(Trouble.FAILED, _words(payload) if payload else "it ended")

    async def _told(self) -> dict[str, str]:
        line = await self._minding.readline()
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(line, type=dict[str, str])
        return {}

    @property
    def alive(self) -> bool:
        """False once it has ended or broken a rule."""
        return not self._closed and not self._reader.at_eof()

    async def call(self, invocation: Invocation, seconds: float) -> bytes:
        """Give it an event; returns the answer. A failure other than its own ends the worker.

        Raises FunctionFailed.
        """
        self._listen(invocation.heard)
        self._go_on()
        try:
            async with asyncio.timeout(seconds):
                return await self._call(invocation, seconds)
        except TimeoutError:
            await self.close()
            raise FunctionFailed(Trouble.TIME) from None
        except FunctionFailed as error:
            if error.trouble is not Trouble.FAILED or not self.alive:
                await self.close()
            raise
        except BaseException:
            await self.close()
            raise
        finally:
            self._take()
            self._listen(None)
            self._rest_later()

    def _rest_later(self) -> None:
        """Have it stopped when no event comes for a while: stopping at once would cost each one."""
        if not self._closed:
            self._rest = self._loop.call_later(REST_SECONDS, self._stop)

    def _stop(self) -> None:
        self._stopped = True
        self._order.write(STOP)

    def _go_on(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        if self._stopped:
            self._stopped = False
            self._order.write(GO)

    async def _call(self, invocation: Invocation, seconds: float) -> bytes:
        head = {"id": invocation.request_id, "arn": invocation.arn, "seconds": seconds}
        told = msgspec.json.encode(head)
        with contextlib.suppress(ConnectionError):
            self._writer.write(LENGTHS.pack(len(told), len(invocation.event)))
            self._writer.write(told + invocation.event)
            await self._writer.drain()
        answer, payload = await self._answer()
        self.peak = max(self.peak, answer.peak)
        if answer.id == invocation.request_id:
            if answer.kind == "answer":
                return payload
            if answer.kind == "failed":
                raise FunctionFailed(Trouble.FAILED, _words(payload))
        await self.close()
        left = _words(payload) if answer.kind == "left" else self.ended
        raise FunctionFailed(Trouble.FAILED, left or "it ended without an answer")

    async def _answer(self) -> tuple[Told, bytes]:
        """The next message; an empty one when the worker ended or spoke nonsense."""
        try:
            head, payload = LENGTHS.unpack(await self._reader.readexactly(LENGTHS.size))
            if head > HEAD_BYTES:
                return Told(""), b""
            if payload > ANSWER_BYTES:
                raise FunctionFailed(Trouble.TOO_LARGE)
            told = msgspec.json.decode(await self._reader.readexactly(head), type=Told)
            return told, await self._reader.readexactly(payload)
        except (asyncio.IncompleteReadError, ConnectionError, *NONSENSE):
            return Told(""), b""

    # --- what it prints ---

    def _listen(self, heard: Callable[[bytes], None] | None) -> None:
        self._heard = heard
        self._left = LOG_BYTES
        if self._output >= 0:
            self._loop.add_reader(self._output, self._take)

    def _take(self) -> None:
        """Take what was printed; what nobody listens to, or is over the bound, is dropped."""
        while self._output >= 0:
            try:
                piece = os.read(self._output, 65536)
            except BlockingIOError:
                return
            if not piece:
                self._stop_listening()
                return
            if self._heard is not None and self._left > 0:
                self._heard(piece[: self._left])
                if len(piece) > self._left:
                    self._heard(b"\n[the rest of the output is left out]\n")
                self._left = max(0, self._left - len(piece))

    def _stop_listening(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    # --- its end ---

    async def close(self) -> None:
        """End it and everything that it has started."""
        if self._closed:
            return
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        try:
            await asyncio.shield(self._end())
        finally:
            self._take()
            self._stop_listening()

    async def _end(self) -> None:
        if hasattr(self, "_order"):
            with contextlib.suppress(OSError, RuntimeError):
                self._order.write_eof()
            try:
                async with asyncio.timeout(END_SECONDS):
                    self.ended = await self._last_words()
            except TimeoutError:
                self._process.kill()
            self._order.close()
            self._writer.close()
        else:
            self._process.kill()
        await self._loop.run_in_executor(None, self._process.wait)

    async def _last_words(self) -> str:
        while not self._minding.at_eof():
            if ended := (await self._told()).get("ended"):
                return _ENDINGS.get(ended, ended)
        return ""


_ENDINGS = {
    "memory": "it used more memory than it may",
    "processes": "it started more processes than it may",
    "files": "it opened more files and connections than it may",
    "order": "",
}


def _words(payload: bytes) -> str:
    """The kind of an error that a function tells, for logs of ours: its message may be anything."""
    with contextlib.suppress(*NONSENSE):
        told: Any = msgspec.json.decode(payload)
        if isinstance(told, dict) and isinstance(told.get("errorType"), str):
            return str(told["errorType"])[:100]
    return "error"
