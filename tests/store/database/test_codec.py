"""Arguments, results and frames cross the process boundary unchanged, or are refused."""

from __future__ import annotations

import enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.kernel.errors import Fault, FolderExists, WorkpostError, revive
from workpost.kernel.principal import Grant
from workpost.store.database.batch import Done, Waiting
from workpost.store.database.codec import Call, call_named, call_of, compile_all
from workpost.store.database.frames import (
    MOST,
    FrameError,
    Splitter,
    command_head,
    hints_frame,
    parse_command,
    parse_reply,
    reply,
)
from workpost.store.database.unit import Hint, Tx, command


class Colour(enum.IntFlag):
    RED = 1
    BLUE = 2


class Inner(msgspec.Struct, frozen=True):
    data: bytes
    pairs: list[tuple[int, str]] = []


@command
def take_all(
    tx: Tx,
    first: int,
    *,
    name: str | None = None,
    inner: Inner,
    table: dict[str, list[int]],
    colour: Colour = Colour.RED,
    grant: Grant | None = None,
    ratio: float = 0.5,
) -> tuple[int, bytes, Inner | None]:
    return first, inner.data, inner


values = st.fixed_dictionaries(
    {
        "first": st.integers(-(2**63), 2**63 - 1),
        "inner": st.builds(
            Inner, st.binary(), st.lists(st.tuples(st.integers(0, 9), st.text()), max_size=3)
        ),
        "table": st.dictionaries(st.text(), st.lists(st.integers(0, 9)), max_size=3),
    },
    optional={
        "name": st.none() | st.text(),
        "colour": st.sampled_from(Colour),
        "grant": st.just(Grant.system("sweep", "o-1", 5)),
        "ratio": st.floats(allow_nan=False),
    },
)
DEFAULTS = {"name": None, "colour": Colour.RED, "grant": None, "ratio": 0.5}


@given(values)
def test_arguments_arrive_as_they_were_given(kwargs: dict[str, Any]) -> None:
    call = call_of(take_all)
    assert call.decode(call.encode((), kwargs)) == {**DEFAULTS, **kwargs}
    first = kwargs.pop("first")
    assert call.decode(call.encode((first,), kwargs)) == {**DEFAULTS, **kwargs, "first": first}


@given(st.integers(), st.binary(), st.none() | st.builds(Inner, st.binary()))
def test_results_arrive_as_they_were_returned(n: int, data: bytes, inner: Inner | None) -> None:
    call = call_of(take_all)
    if -(2**63) <= n < 2**64:
        assert call.decode_result(call.encode_result((n, data, inner))) == (n, data, inner)
    else:
        with pytest.raises(Fault):
            call.encode_result((n, data, inner))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_a_fault(data: bytes) -> None:
    call = call_of(take_all)
    for decode in (call.decode, call.decode_result):
        try:
            decode(data)
        except Fault:
            pass


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2), {}, "too many"),
        ((1,), {"table": {}}, "'inner' is missing"),
        ((1,), {"table": {}, "inner": Inner(b""), "other": 1}, "other"),
    ],
)
def test_a_wrong_call_is_a_type_error(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call_of(take_all).encode(args, kwargs)


def _no_annotation(tx: Tx, n) -> None: ...
def _no_result(tx: Tx, n: int): ...
def _star(tx: Tx, *n: int) -> None: ...
def _stars(tx: Tx, **n: int) -> None: ...
def _live(tx: Tx, two: Inner | Grant) -> None: ...


@pytest.mark.parametrize("function", [_no_annotation, _no_result, _star, _stars, _live])
def test_a_command_that_is_not_plain_data_is_refused(function: Any) -> None:
    with pytest.raises(TypeError):
        Call("x", function)


def test_only_declared_commands_are_found() -> None:
    assert compile_all() > 0
    assert call_named(f"{__name__}:take_all").function is take_all
    with pytest.raises(Fault):
        call_named("os:system")
    with pytest.raises(Fault):
        call_of(len)


def test_errors_are_revived_as_their_own_class_and_unknown_ones_as_fault() -> None:
    error = revive("FolderExists", "a folder")
    assert isinstance(error, FolderExists)
    assert error.message == "a folder"
    assert isinstance(revive("Nothing", "x"), Fault)
    assert isinstance(error, WorkpostError)


# --- frames ---


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.text(), st.binary(),
                          st.booleans(), st.booleans())), st.integers(1, 50))  # fmt: skip
def test_command_frames_survive_any_cutting(
    messages: list[tuple[bytes, str, bytes, bool, bool]], size: int
) -> None:
    stream = b"".join(
        command_head(id, name, len(args), lane=int(lane), again=again) + args
        for id, name, args, lane, again in messages
    )
    splitter = Splitter()
    frames = [
        frame
        for start in range(0, len(stream), size)
        for frame in splitter.feed(stream[start : start + size])
    ]
    assert [parse_command(frame) for frame in frames] == messages


@given(st.binary(min_size=16, max_size=16), st.sampled_from(["", "FolderExists"]), st.binary())
def test_replies_and_hints_survive(id: bytes, error: str, body: bytes) -> None:
    waiting = Waiting(id, call_of(take_all), b"")
    splitter = Splitter()
    hints = [Hint("mailbox", "7", 9), Hint("job", "")]
    stream = reply(Done(waiting, error, body, kept=False)) + hints_frame(hints)
    first, second = splitter.feed(stream)
    assert parse_reply(first) == (id, error, body)
    assert parse_reply(second) == hints


@given(st.binary(max_size=100))
def test_nonsense_is_a_frame_error(data: bytes) -> None:
    for parse in (parse_command, parse_reply, lambda rest: list(Splitter().feed(rest))):
        try:
            parse(data)
        except FrameError:
            pass


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(FrameError):
        list(Splitter().feed((MOST + 1).to_bytes(4, "little")))
