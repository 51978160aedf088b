"""RFC 3501 sections 2.2 and 4.3, RFC 7888: cutting bytes into commands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.protocols.imap.wire.framing import (
    BEFORE_LOGIN,
    Continue,
    Frame,
    Framer,
    Limits,
    Refused,
)

SMALL = Limits(line=100, literal=50, message=200, literals=3, discard=1_000)


def events(framer: Framer, data: bytes = b"") -> list:
    framer.feed(data)
    found = []
    while (event := framer.next_event()) is not None:
        found.append(event)
    return found


def test_a_line_is_a_command():
    assert events(Framer(), b"a NOOP\r\nb NOOP\r\n") == [Frame((b"a NOOP",)), Frame((b"b NOOP",))]


def test_a_bare_line_feed_ends_a_line_too():
    assert events(Framer(), b"a NOOP\n") == [Frame((b"a NOOP",))]


def test_nothing_comes_before_the_line_end():
    framer = Framer()
    assert events(framer, b"a NO") == []
    assert framer.buffered == 4
    assert events(framer, b"OP\r") == []
    assert events(framer, b"\n") == [Frame((b"a NOOP",))]


def test_rfc3501_4_3_synchronizing_literal_asks_for_continuation():
    framer = Framer()
    assert events(framer, b"A001 LOGIN {11}\r\n") == [Continue(11)]
    assert events(framer, b"FRED FOOBAR {7}\r\n") == [Continue(7)]
    assert events(framer, b"fat man\r\n") == [
        Frame((b"A001 LOGIN ", b"FRED FOOBAR", b" ", b"fat man", b""))
    ]


def test_rfc7888_non_synchronizing_literal_goes_through():
    data = b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n"
    whole = [Frame((b"A001 LOGIN ", b"FRED FOOBAR", b" ", b"fat man", b""))]
    assert events(Framer(), data) == whole
    framer = Framer()
    assert [e for byte in data for e in events(framer, bytes([byte]))] == whole


@pytest.mark.parametrize("header", [b"{0}", b"{0+}"])
def test_an_empty_literal_is_a_literal(header):
    found = events(Framer(), b"a LOGIN " + header + b"\r\n x\r\n")
    assert found[-1] == Frame((b"a LOGIN ", b"", b" x"))


def test_a_literal_may_hold_line_ends_and_literal_headers():
    assert events(Framer(), b"a X {8+}\r\n{5}\r\n\r\n\0\r\n") == [
        Frame((b"a X ", b"{5}\r\n\r\n\0", b""))
    ]


def test_a_synchronizing_literal_too_big_is_refused_and_never_sent():
    framer = Framer(SMALL)
    assert events(framer, b"a LOGIN {51}\r\nb NOOP\r\n") == [
        Refused(b"a", "BAD", "TOOBIG", "Literal too big"),
        Frame((b"b NOOP",)),
    ]


def test_a_non_synchronizing_literal_too_big_is_skipped_with_its_command():
    framer = Framer(SMALL)
    data = b"a LOGIN {51+}\r\n" + b"x" * 51 + b" {9+}\r\nb NOOP\r\n end\r\nc NOOP\r\n"
    assert events(framer, data) == [
        Refused(b"a", "BAD", "TOOBIG", "Literal too big"),
        Frame((b"c NOOP",)),
    ]


def test_a_refused_command_that_asks_again_is_answered_at_once():
    framer = Framer(SMALL)
    assert events(framer, b"a LOGIN {51+}\r\n" + b"x" * 51 + b" {9}\r\nb NOOP\r\n") == [
        Refused(b"a", "BAD", "TOOBIG", "Literal too big"),
        Frame((b"b NOOP",)),
    ]


def test_append_has_its_own_limit_and_answers_no():
    framer = Framer(SMALL)
    assert events(framer, b"a append x {200}\r\n") == [Continue(200)]
    events(framer, b"y" * 200 + b"\r\n")
    assert events(framer, b"b APPEND x {201}\r\n") == [
        Refused(b"b", "NO", "TOOBIG", "Message too big")
    ]


def test_literals_of_a_command_are_counted_and_summed():
    assert events(Framer(SMALL), b"a X {30+}\r\n" + b"x" * 30 + b" {30}\r\n")[-1] == Refused(
        b"a", "BAD", "TOOBIG", "Literal too big"
    )
    assert events(Framer(SMALL), b"a X" + b" {1+}\r\nx" * 4 + b"\r\nb NOOP\r\n") == [
        Refused(b"a", "BAD", "", "Too many literals"),
        Frame((b"b NOOP",)),
    ]


@pytest.mark.parametrize("pieces", [1, 10])
def test_a_line_too_long_is_refused_once_and_the_next_is_read(pieces):
    framer = Framer(SMALL)
    line = b"a SEARCH " + b"x" * 200 + b"\r\n"
    step = -(-len(line) // pieces)
    found = [e for at in range(0, len(line), step) for e in events(framer, line[at : at + step])]
    assert found == [Refused(b"a", "BAD", "", "Command line too long")]
    assert events(framer, b"b NOOP\r\n") == [Frame((b"b NOOP",))]


def test_a_long_line_that_ends_in_a_literal_keeps_in_step():
    framer = Framer(SMALL)
    found = events(framer, b"a SEARCH " + b"x" * 200)
    found += events(framer, b"x" * 200 + b" {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n")
    assert found == [
        Refused(b"a", "BAD", "", "Command line too long"),
        Frame((b"c NOOP",)),
    ]


def test_what_never_ends_closes_the_connection():
    assert events(Framer(SMALL), b"a LOGIN {99999+}\r\n")[-1].fatal
    framer = Framer(SMALL)
    found = [e for _ in range(20) for e in events(framer, b"\0" * 100)]
    assert found[0] == Refused(None, "BAD", "", "Command too big", fatal=True)
    literals = b"a LOGIN {600+}\r\n" + b"x" * 600
    assert events(Framer(SMALL), literals + b" {300+}\r\n" + b"x" * 300 + b" {300+}\r\n")[-1].fatal
    lines = Framer(SMALL)
    events(lines, b"a LOGIN {990+}\r\n" + b"x" * 990)
    assert events(lines, b"y" * 80)[-1].fatal
    exact = Framer(SMALL)
    assert events(exact, b"a LOGIN {1000+}\r\n" + b"x" * 1000) == []


def test_a_sasl_line_or_done_has_no_literals():
    framer = Framer()
    events(framer, b"a AUTHENTICATE PLAIN\r\n")
    framer.expect_line()
    assert events(framer, b"AGFkYQ=={5}\r\nb NOOP {3}\r\n") == [
        Frame((b"AGFkYQ=={5}",)),
        Continue(3),
    ]


def test_a_sasl_line_has_a_limit():
    framer = Framer(SMALL)
    framer.expect_line()
    assert events(framer, b"x" * 101 + b"\r\nb NOOP\r\n") == [
        Refused(None, "BAD", "", "Command line too long"),
        Frame((b"b NOOP",)),
    ]


def test_starttls_forgets_what_was_injected_in_clear():
    framer = Framer()
    framer.feed(b"a STARTTLS\r\nb LOGIN ada secret\r\nc LOGIN {9")
    assert framer.next_event() == Frame((b"a STARTTLS",))
    framer.reset()
    assert framer.next_event() is None
    assert events(framer, b"d NOOP\r\n") == [Frame((b"d NOOP",))]


def test_limits_change_between_commands():
    framer = Framer()
    assert framer.limits == BEFORE_LOGIN
    assert events(framer, b"a SEARCH TEXT {20000}\r\n") == [
        Refused(b"a", "BAD", "TOOBIG", "Literal too big")
    ]
    framer.limits = Limits()
    assert events(framer, b"a SEARCH TEXT {20000}\r\n") == [Continue(20000)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"a X {3+}\r\n", b"{9}\r\n", b"\r\n"])))
def test_any_bytes_in_any_pieces_give_the_same_events(pieces):
    framer = Framer(SMALL)
    piecewise = [e for piece in pieces for e in events(framer, piece)]
    if any(isinstance(e, Refused) for e in piecewise):
        return
    assert piecewise == events(Framer(SMALL), b"".join(pieces))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300)))
def test_memory_is_bounded_whatever_comes(pieces):
    framer = Framer(SMALL)
    for piece in pieces:
        events(framer, piece)
        assert framer.buffered <= SMALL.line + SMALL.message + 300
