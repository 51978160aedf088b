"""Logs: one line each, with its context, and nothing that belongs to people."""

from __future__ import annotations

import io
import json
import logging as stdlib
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel import logging
from workpost.kernel.errors import EntityNotFound

log = logging.logger("test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = stdlib.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    stdlib.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def output() -> io.BytesIO:
    stream = io.BytesIO()
    logging.configure("debug", "json", process="writer", stream=stream)
    return stream


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class FullDisk(io.RawIOBase):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_dropped_and_ends_nobody() -> None:
    logging.configure("debug", "json", stream=FullDisk())
    log.error("the disk is full")
    stdlib.getLogger("library").warning("so it is")


# --- the shape of a line ---


def test_a_line_is_one_json_object(output: io.BytesIO) -> None:
    log.info("delivered", mailbox=7, took=0.25, spool=None, urgent=True)
    (line,) = lines(output)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "room": "test",
        "event": "delivered",
        "process": "writer",
        "mailbox": 7,
        "took": 0.25,
        "spool": None,
        "urgent": True,
    }


def test_what_a_connection_binds_is_on_each_of_its_lines(output: io.BytesIO) -> None:
    session = log.bind(session=5)
    with logging.bound(request="r-1"):
        session.warning("slow")
    session.debug("gone")
    slow, gone = lines(output)
    assert (slow["session"], slow["request"]) == (5, "r-1")
    assert gone["session"] == 5
    assert "request" not in gone


def test_a_logger_made_earlier_follows_a_new_level(output: io.BytesIO) -> None:
    logging.configure("error", "json", stream=output)
    log.warning("unheard")
    log.error("heard")
    assert [line["event"] for line in lines(output)] == ["heard"]


def test_text_is_readable_and_cannot_forge_a_line() -> None:
    stream = io.BytesIO()
    logging.configure("info", "text", stream=stream)
    log.info("greeted", helo="evil\n00:00:00 error   test       forged", port=25)
    try:
        raise OSError(28, "No space left on device")
    except OSError:
        log.exception("stopped")
    first, *rest = stream.getvalue().decode().splitlines()
    assert first[8:].startswith(" info    test       greeted  helo='evil\\n")
    assert first.endswith("port=25")
    assert "stopped" in rest[0]
    assert rest[1].strip() == "OSError: [Errno 28] No space left on device"


def test_json_steers_no_terminal_and_loses_nothing(output: io.BytesIO) -> None:
    """What JSON need not escape is escaped, too: C1 controls, DEL, separators, directions."""
    helo = "a\x7f\x9b2Jb\u2028c\u202ed\u2066e\ufeffü\x1b"
    log.info("greeted", helo=helo, parts={helo: 1})
    raw = output.getvalue().decode()
    assert raw[:-1].isprintable()
    assert len(raw.splitlines()) == 1
    assert "ü" in raw
    told = json.loads(raw)
    assert told["helo"] == helo
    assert told["parts"] == {helo: 1}


def test_a_name_that_json_cannot_hold_does_not_lose_the_line(output: io.BytesIO) -> None:
    log.info("odd", parts={"\udc80": 1}, **{"x\udc80": 2})
    assert lines(output)[0]["x\\udc80"] == "2"


def test_auto_is_json_where_nobody_watches() -> None:
    stream = io.BytesIO()
    logging.configure(stream=stream)
    log.info("started")
    assert lines(stream)[0]["event"] == "started"


# --- what never goes out ---


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "secret_access_key", "token", "Subject", "body", "raw",
     "authorization", "private_key", "set_cookie", "content"],
)  # fmt: skip
def test_values_under_telling_names_are_masked(output: io.BytesIO, name: str) -> None:
    log.info("stored", **{name: "sesame", "nested": {name: ["sesame"]}})
    assert b"sesame" not in output.getvalue()


@pytest.mark.parametrize("name", ["content_id", "withdrawn", "mailbox", "bytes"])
def test_other_names_pass(output: io.BytesIO, name: str) -> None:
    log.info("stored", **{name: 5})
    assert lines(output)[0][name] == 5


def test_bytes_are_counted_objects_named_and_long_text_cut(output: io.BytesIO) -> None:
    log.info("read", data=b"From: ada@demo.test", thing=object(), text="a" * 1000, many=(b"1", 2))
    (line,) = lines(output)
    assert line["data"] == "<19 bytes>"
    assert line["thing"] == "<object>"
    assert len(line["text"]) == logging.LONGEST_TEXT + 1
    assert line["many"] == ["<1 bytes>", 2]


def test_long_lists_mappings_and_names_are_cut(output: io.BytesIO) -> None:
    most = logging.MOST_PARTS
    to = [f"{number}@{'long' * 200}.test" for number in range(most + 7)]
    log.info("sent", to=to, fields=dict.fromkeys(to, 1), few=[1] * most, odd={"n" * 1000: 1})
    (line,) = lines(output)
    assert len(line["to"]) == most + 1
    assert line["to"][-1] == "… 7 more"
    assert len(line["fields"]) == most + 1
    assert line["fields"]["…"] == 7
    assert max(map(len, line["fields"])) == logging.LONGEST_TEXT
    assert line["few"] == [1] * most
    assert list(line["odd"]) == ["n" * logging.LONGEST_TEXT]


def test_an_exception_tells_its_place_but_not_what_it_quotes(output: io.BytesIO) -> None:
    try:
        try:
            int("Dear Grace")
        except ValueError as error:
            raise KeyError("Dear Ada") from error
    except KeyError:
        log.exception("failed")
    (line,) = lines(output)
    assert line["level"] == "error"
    assert line["error"]["kind"] == "KeyError"
    assert line["error"]["after"] == "ValueError"
    assert "test_logging.py" in line["error"]["at"][0]
    assert b"Dear" not in output.getvalue()


def test_an_error_of_ours_tells_its_text(output: io.BytesIO) -> None:
    error = EntityNotFound("No entity with the identifier S-1")
    log.warning("refused", exc_info=error)
    log.warning("refused", cause=error)
    first, second = lines(output)
    assert first["error"]["text"] == "No entity with the identifier S-1"
    assert second["cause"] == "EntityNotFound"


def test_an_empty_exception_is_no_error(output: io.BytesIO) -> None:
    log.error("strange", exc_info=True)  # noqa: LOG014 - the mistake under test
    log.error("stranger", exc_info=(None, None, None))
    assert [line["error"] for line in lines(output)] == [{"kind": "unknown"}] * 2


def test_values_json_cannot_hold_do_not_lose_the_line(output: io.BytesIO) -> None:
    log.info("odd", number=1 << 80, surrogate="\udc80")
    assert lines(output)[0]["number"] == str(1 << 80)


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text() | st.binary() | st.integers()))
def test_any_value_makes_one_line(values: dict[str, Any]) -> None:
    values = {f"x_{name}": value for name, value in values.items()}
    for form in ("json", "text"):
        stream = io.BytesIO()
        logging.configure("info", form, stream=stream)
        log.info("any", **values)
        assert stream.getvalue().count(b"\n") == 1
        assert len(stream.getvalue().decode().splitlines()) == 1


# --- libraries ---


def test_warnings_of_libraries_come_through_without_their_arguments(output: io.BytesIO) -> None:
    library = stdlib.getLogger("botocore.retries")
    library.debug("request %s", "sesame")
    library.warning("cannot reach %s", "sesame")
    try:
        raise RuntimeError("closed")
    except RuntimeError:
        library.exception("gone")
    warned, gone = lines(output)
    assert (warned["room"], warned["level"]) == ("botocore.retries", "warning")
    assert warned["event"] == "cannot reach %s"
    assert gone["error"]["text"] == "closed"


def test_python_warnings_are_log_lines(output: io.BytesIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        stdlib.captureWarnings(True)
        warnings.warn("old", UserWarning, stacklevel=1)
    assert lines(output)[0]["room"] == "py.warnings"


def test_our_own_rooms_may_use_the_standard_log_and_keep_their_arguments(
    output: io.BytesIO,
) -> None:
    ours = stdlib.getLogger("workpost.store")
    ours.warning("%s took %.1f ms: %r", "deliver", 21.5, OSError("sesame"))
    ours.warning("%d", Decimal(1))
    assert [line["event"] for line in lines(output)] == ["deliver took 21.5 ms: 'OSError'", "%d"]
