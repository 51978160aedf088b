"""RFC 5804 section 4: framing and grammar, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.protocols.managesieve.wire import encoder
from workpost.protocols.managesieve.wire.framing import Event, Frame, Framer, Limits, TooLarge
from workpost.protocols.managesieve.wire.parser import (
    Command,
    WireError,
    parse,
    parse_string,
)

SMALL = Limits(line=60, literal=20, discard=100)


def events(framer: Framer, data: bytes) -> list[Event]:
    framer.feed(data)
    found = []
    while (event := framer.next_event()) is not None:
        found.append(event)
    return found


def commands(data: bytes) -> list[Command]:
    framed = events(Framer(), data)
    return [parse(each.parts) for each in framed if isinstance(each, Frame)]


def test_strings_and_numbers() -> None:
    data = b'havespace "a\\"\\\\b" 12\r\nputscript {1+}\r\nx {3+}\r\na\r\n\r\nNOOP\r\n'
    assert commands(data) == [
        Command("HAVESPACE", [b'a"\\b', 12]),
        Command("PUTSCRIPT", [b"x", b"a\r\n"]),
        Command("NOOP", []),
    ]


def test_an_empty_literal_and_an_answer() -> None:
    assert commands(b"SETACTIVE {0+}\r\n\r\n") == [Command("SETACTIVE", [b""])]
    [frame] = events(Framer(), b"{2+}\r\nab\r\n")
    assert isinstance(frame, Frame)
    assert parse_string(frame.parts) == b"ab"
    with pytest.raises(WireError):
        parse_string((b"5",))


def test_what_is_too_large_is_skipped() -> None:
    framer = Framer(SMALL)
    assert events(framer, b"A {21+}\r\n" + b"x" * 21 + b" {2+}\r\nxx\r\nNOOP\r\n") == [
        TooLarge(fatal=False),
        Frame((b"NOOP",)),
    ]
    assert events(framer, b"A {101+}\r\n") == [TooLarge(fatal=True)]
    assert events(Framer(SMALL), b"x" * 61) == [TooLarge(fatal=True)]
    assert events(Framer(SMALL), b"x" * 61 + b"\r\n") == [TooLarge(fatal=True)]
    assert events(Framer(SMALL), b"A" + b" {1+}\r\na" * 5) == [TooLarge(fatal=True)]


def test_what_is_skipped_may_come_in_pieces() -> None:
    framer = Framer(SMALL)
    size = SMALL.literal + 20
    assert events(framer, b"A {%d+}\r\n" % size + b"x" * (size - 5)) == []
    assert events(framer, b"x" * 5 + b"\r\nB\r\n") == [TooLarge(fatal=False), Frame((b"B",))]


def test_a_framer_knows_what_it_holds() -> None:
    framer = Framer(SMALL)
    assert events(framer, b"A {5+}\r\nab") == []
    assert framer.buffered == 4


def test_what_the_server_says() -> None:
    assert encoder.string('a"\\') == b'"a\\"\\\\"'
    assert encoder.string(b"a\r\nb") == b"{4}\r\na\r\nb"
    assert encoder.string("x" * 1001).startswith(b"{1001}\r\n")
    assert encoder.response("NO", "Why", "QUOTA/MAXSIZE") == b'NO (QUOTA/MAXSIZE) "Why"\r\n'
    assert encoder.capability("STARTTLS") == b'"STARTTLS"\r\n'


@given(st.binary(max_size=300), st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_nothing_breaks_and_pieces_make_no_difference(data: bytes, size: int) -> None:
    whole = events(Framer(SMALL), data)
    framer = Framer(SMALL)
    pieces = [e for at in range(0, len(data), size) for e in events(framer, data[at : at + size])]
    if TooLarge(fatal=True) not in whole:
        assert pieces == whole
    for each in whole:
        if isinstance(each, Frame):
            for read in (parse, parse_string):
                try:
                    read(each.parts)
                except WireError:
                    pass


@given(st.lists(st.binary(max_size=15), max_size=2))
@settings(max_examples=100, deadline=None)
def test_strings_arrive_as_they_were_sent(arguments: list[bytes]) -> None:
    line = b"NOOP" + b"".join(b" {%d+}\r\n" % len(each) + each for each in arguments) + b"\r\n"
    assert commands(line) == [Command("NOOP", list(arguments))]
