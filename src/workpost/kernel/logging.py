"""Logs: one JSON object a line on standard error, or readable text on a terminal.

Every room asks `logger("room")` once and calls `log.info("what_happened", key=value)`. A line holds
`ts` (UTC), `level`, `room`, `event`, the process's role, and the values. What connections and calls
bind (`bound`, or `log.bind`) is on each of their lines.

No subject, body, password or token ever leaves here: values under such names are masked, bytes are
only counted, long text and long lists are cut, objects show their type, and the text of an
exception is printed only for kinds whose text is ours or the system's (a `ValueError` may quote a
message). Warnings of libraries go the same way; what they say below that is dropped, since it may
quote requests.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from workpost.kernel.errors import WorkpostError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LONGEST_TEXT = 500
MOST_PARTS = 50
"""Of a list or a mapping within a line: strangers choose how many addresses or fields there are."""
MASK = "[redacted]"
SECRETS = re.compile(
    r"passw|passphrase|secret|token|subject|body|authorization|credential|private_?key|cookie|"
    r"plaintext|signature|(^|_)raw(_|$)|content$",
    re.IGNORECASE,
)
# DEL, C1 controls, marks without width or of direction, separators of lines: a terminal obeys them,
# viewers break lines or hide text, and JSON leaves them as they are.
_UNSEEN = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)
# Kinds of exceptions whose text tells about code or the system, never about somebody's mail.
TELLING = (
    WorkpostError,
    OSError,
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    RuntimeError,
    TypeError,
)


def logger(room: str) -> FilteringBoundLogger:
    """Return the log of a room; made once at the top of a module, valid before `configure`."""
    return cast("FilteringBoundLogger", structlog.get_logger(room=room))


def bound(**values: object) -> AbstractContextManager[Any]:
    """Put these values on every line logged within the block, in this task and those it starts."""
    return structlog.contextvars.bound_contextvars(**values)


def configure(
    level: str = "info", format: str = "auto", *, process: str = "", stream: BinaryIO | None = None
) -> None:
    """Set the log up for this process; call again to change the level or after a fork.

    `format` is `json`, `text`, or `auto` (text on a terminal); `process` is the role on each line;
    `stream` is standard error unless given.
    """
    output = stream if stream is not None else sys.stderr.buffer
    as_text = format == "text" or (format == "auto" and output.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _Stamp(process),
            _guard,
            _as_text if as_text else _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _Lenient(output))),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _Lenient:
    """A stream that drops what it cannot write: a full disk must not end who tells of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _Stamp:
    """Put time, level and role in front of the values."""

    def __init__(self, process: str) -> None:
        self._process = {"process": process} if process else {}

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        now = time.time_ns() // 1_000_000
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000))
        return {
            "ts": f"{moment}.{now % 1000:03}Z",
            "level": "error" if method == "exception" else method,
            "room": event.pop("room", ""),
            "event": event.pop("event", ""),
            **self._process,
            **event,
        }


def _guard(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask, count or cut what must not go out."""
    error = event.pop("exc_info", None)
    safe = _safe_values(event)
    if error:
        safe["error"] = _describe_error(error)
    return safe


def _safe_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name)[:LONGEST_TEXT]: MASK if SECRETS.search(str(name)) else _safe(value)
        for name, value in values.items()
    }


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        parts = _safe_values(dict(islice(value.items(), MOST_PARTS)))
        return parts | {"…": len(value) - MOST_PARTS} if len(value) > MOST_PARTS else parts
    if isinstance(value, (list, tuple, set, frozenset)):
        found = [_safe(part) for part in islice(value, MOST_PARTS)]
        return [*found, f"… {len(value) - MOST_PARTS} more"] if len(value) > MOST_PARTS else found
    if isinstance(value, BaseException):
        return _describe_error(value)["kind"]
    return f"<{type(value).__name__}>"


def _describe_error(error: Any) -> dict[str, Any]:
    """Describe an exception by kind, place and (for telling kinds) text."""
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return {"kind": "unknown"}
    described: dict[str, Any] = {"kind": type(error).__name__}
    if isinstance(error, TELLING) and not isinstance(error, UnicodeError):
        described["text"] = _safe(str(error))
    described["at"] = [
        f"{frame.filename.rpartition('/src/')[2]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["after"] = type(cause).__name__
    return described


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    try:
        line = orjson.dumps(event)
    except orjson.JSONEncodeError:
        # Integers over 64 bits and lone surrogates: say the rest.
        line = orjson.dumps({ascii(name)[1:-1]: ascii(value) for name, value in event.items()})
    return _UNSEEN.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    error = event.pop("error", None)
    head = [event.pop(name, "") for name in ("ts", "level", "room", "event")]
    # A value with a line break must not look like a line of its own.
    tail = [f"{_one_line(name)}={_one_line(value)}" for name, value in event.items()]
    line = f"{head[0][11:19]} {head[1]:7} {head[2]:10} {_one_line(head[3])}  {' '.join(tail)}"
    if error:
        line += f"\n    {error['kind']}: {error.get('text', '(text withheld)')}"
        line += "".join(f"\n      {place}" for place in error.get("at", ()))
    return line.rstrip().encode("utf-8", "replace")


def _one_line(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text.strip() else ascii(text)


class _Bridge(logging.Handler):
    """Hand the warnings of libraries, and of rooms that use the standard log, to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        log = logger(record.name)
        method = log.error if record.levelno >= logging.ERROR else log.warning
        method(_message(record), exc_info=record.exc_info)


def _message(record: logging.LogRecord) -> str:
    """The text of a record; a library's arguments may quote what must not go out and stay away."""
    text = str(record.msg)
    ours = record.name == "workpost" or record.name.startswith("workpost.")
    if not ours or not isinstance(record.args, tuple):
        return text
    try:
        return text % tuple(_safe(argument) for argument in record.args)
    except (TypeError, ValueError):
        return text
