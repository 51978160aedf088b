"""What runs inside a worker: it loads the handler and gives it one event after another.

Its source is all that gets in, and it runs under whatever Python the function's environment has:
nothing but the standard library is imported here, and nothing of Workpost. Each message on CHANNEL
is two lengths (4 bytes each, big-endian), a head of JSON and a payload. It answers "ready" once the
handler is loaded, then one answer for each event.

The event, the context and the log lines are as AWS Lambda's Python runtime has them, so that
functions written for it run unchanged.
"""

from __future__ import annotations

import datetime as dt
import importlib
import io
import json
import logging
import os
import resource
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, cast

CHANNEL = 3
LENGTHS = struct.Struct(">II")
current = {"id": ""}
Handler = Callable[[Any, "Context"], Any]


class Context:
    """The context object of a handler."""

    def __init__(self, head: dict[str, Any], surroundings: dict[str, str]) -> None:
        self.aws_request_id = head["id"]
        self.invoked_function_arn = head["arn"]
        self.function_name = surroundings["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = surroundings["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = surroundings["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = surroundings["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = surroundings["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + head["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is ended."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, message: object) -> None:
        """Write to the log."""
        sys.stdout.write(str(message))


class LineHandler(logging.Handler):
    """Lines as Lambda writes them: level, time, request, message."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stdout.write(self.format(record) + "\n")

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(record.msecs):03}Z"
        text = super().format(record)
        return f"[{record.levelname}]\t{stamp}\t{current['id']}\t{text}"


def load(handler: str) -> Handler:
    """The function of `module.function` or `package.module:function`."""
    module, separator, name = handler.rpartition(":")
    if not separator:
        module, _, name = handler.rpartition(".")
    loaded = importlib.import_module(module.replace("/", "."))
    found: Any = getattr(loaded, name, None)
    if not callable(found):
        raise RuntimeError(f"Handler '{name}' missing on module '{module}'")
    return cast(Handler, found)


class Channel:
    """Messages from and to Workpost."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=CHANNEL)
        os.set_inheritable(CHANNEL, False)
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # A process that the function forks never answers in its place.
        self._socket.close()

    def _exactly(self, count: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < count:
            piece = self._socket.recv(min(count - len(pieces), 1 << 20))
            if not piece:
                os._exit(0)
            pieces += piece
        return bytes(pieces)

    def read(self) -> tuple[dict[str, Any], bytes]:
        """The next head and payload; the process ends with the channel."""
        head, payload = LENGTHS.unpack(self._exactly(LENGTHS.size))
        return json.loads(self._exactly(head)), self._exactly(payload)

    def write(self, head: dict[str, Any], payload: bytes = b"") -> None:
        """Answer, after everything that was printed has left the process."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        head["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        told = json.dumps(head).encode()
        self._socket.sendall(LENGTHS.pack(len(told), len(payload)) + told + payload)


def failure(error: BaseException, kind: str = "") -> bytes:
    """An error as Lambda describes it."""
    described = {
        "errorMessage": str(error),
        "errorType": kind or type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    sys.stdout.write(f"[ERROR] {lines}")
    return json.dumps(described).encode()


def answer(
    channel: Channel,
    handler: Handler,
    head: dict[str, Any],
    payload: bytes,
    surroundings: dict[str, str],
) -> None:
    """Call the handler with one event and tell what came of it."""
    current["id"] = head["id"]
    told = {"kind": "answer", "id": head["id"]}
    try:
        result = handler(json.loads(payload), Context(head, surroundings))
    except SystemExit as error:
        channel.write({**told, "kind": "left"}, failure(error, "Runtime.ExitError"))
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises
        channel.write({**told, "kind": "failed"}, failure(error))
        return
    try:
        text = json.dumps(result).encode()
    except (TypeError, ValueError, RecursionError) as error:
        channel.write({**told, "kind": "failed"}, failure(error, "Runtime.MarshalError"))
        return
    channel.write(told, text)


def main() -> None:
    """Work until the channel ends."""
    # Kept apart: what the function does to its variables is its own affair.
    surroundings = dict(os.environ)
    sys.argv = ["function"]
    sys.path.insert(0, surroundings["LAMBDA_TASK_ROOT"])
    sys.dont_write_bytecode = True
    for stream in (sys.stdout, sys.stderr):
        cast(io.TextIOWrapper, stream).reconfigure(
            encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
    logging.getLogger().addHandler(LineHandler())
    if surroundings.get("WORKPOST_HIDE_PROCESS"):
        import ctypes

        # Others of the same user see nothing of this process in /proc.
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
        del os.environ["WORKPOST_HIDE_PROCESS"]
    channel = Channel()
    try:
        function = load(surroundings["_HANDLER"])
    except BaseException as error:  # noqa: BLE001 - whatever its module raises
        channel.write({"kind": "unloadable"}, failure(error, "Runtime.ImportModuleError"))
        return
    channel.write({"kind": "ready"})
    while True:
        head, payload = channel.read()
        answer(channel, function, head, payload, surroundings)


if __name__ == "__main__":
    main()
