"""Replies of servers (RFC 5321 4.2): read within bounds, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.smtp.offers import parse_offer
from workpost.integrations.smtp.replies import (
    MAX_LINE,
    MAX_LINES,
    MAX_TEXT,
    BadReply,
    Reply,
    ReplyReader,
)


def read(data: bytes) -> list[Reply]:
    reader = ReplyReader()
    replies = reader.feed(data)
    if reader.error is not None:
        raise reader.error
    return replies


def test_one_line() -> None:
    (reply,) = read(b"250 2.1.5 Recipient ok\r\n")
    assert (reply.code, reply.kind, reply.status) == (250, 2, "2.1.5")
    assert reply.text == "250 2.1.5 Recipient ok"


def test_several_lines_are_one_reply_whose_status_is_said_once() -> None:
    (reply,) = read(b"550-5.1.1 No such user\r\n550-5.1.1 here.\r\n550 5.1.1 Bye\r\n")
    assert reply.text == "550 5.1.1 No such user here. Bye"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"250 ok", "2.0.0"),
        (b"451 later", "4.0.0"),
        (b"550 never", "5.0.0"),
        (b"354 go on", "4.0.0"),
        (b"550 4.2.2 of another class", "5.0.0"),
        (b"550 5.7.1", "5.7.1"),
        (b"550 5.7.1x", "5.0.0"),
        (b"550 5.7.1234 long", "5.0.0"),
    ],
)
def test_the_status_is_the_servers_where_it_fits_the_code(line: bytes, status: str) -> None:
    (reply,) = read(line + b"\r\n")
    assert reply.status == status
    assert reply.says_status == (not status.endswith("0.0"))


@pytest.mark.parametrize("line", [b"250", b"250 ", b"250\t", b"250 ok\n"])
def test_texts_may_be_missing_and_line_ends_short(line: bytes) -> None:
    (reply,) = read(line.rstrip(b"\n") + b"\n")
    assert reply.code == 250


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"250_ok\r\n",
        b"150 wait\r\n",
        b"650 what\r\n",
        b"250-one\r\n550 two\r\n",
        b"250-one\r\n" * (MAX_LINES + 1),
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"250 " + b"x" * MAX_LINE,
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(BadReply):
        read(data)


def test_text_is_printable_and_bounded() -> None:
    (reply,) = read(b"550 a\x00b\x1b[2Jc\xff\xe2\x80\xaed " + b"x" * 1900 + b"\r\n")
    assert reply.text.isprintable()
    assert len(reply.text) == MAX_TEXT


@given(st.lists(st.sampled_from([b"250 ok\r\n", b"250-a\r\n250 b\r\n", b"354\r\n"]), max_size=6),
       st.integers(1, 9))  # fmt: skip
def test_replies_are_the_same_however_they_arrive(replies: list[bytes], step: int) -> None:
    data = b"".join(replies)
    reader = ReplyReader()
    found = [
        reply for at in range(0, len(data), step) for reply in reader.feed(data[at : at + step])
    ]
    assert found == read(data)
    assert len(found) == len(replies)
    assert reader.is_between


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_nothing_but_its_own_error_is_raised(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    for piece in pieces:
        for reply in reader.feed(piece):
            assert 200 <= reply.code <= 599
            assert reply.text.isprintable()
            assert len(reply.text) <= MAX_TEXT
            assert reply.status[0] in "245"
            parse_offer(reply)
    assert reader.error is None or str(reader.error).isprintable()


def test_replies_before_an_error_count() -> None:
    reader = ReplyReader()
    assert [reply.code for reply in reader.feed(b"250 Taken\r\nrubbish\r\n250 no\r\n")] == [250]
    assert isinstance(reader.error, BadReply)
    assert reader.feed(b"250 no\r\n") == []


def test_extensions_of_ehlo() -> None:
    (reply,) = read(
        b"250-mx.example.test at your service\r\n250-size 1000\r\n250-AUTH PLAIN LOGIN\r\n"
        b"250-AUTH=LOGIN XOAUTH2\r\n250-\r\n250 PipeLining\r\n"
    )
    offer = parse_offer(reply)
    assert offer.size == 1000
    assert offer.mechanisms == {"PLAIN", "LOGIN", "XOAUTH2"}
    assert "PIPELINING" in offer
    assert "8BITMIME" not in offer


@pytest.mark.parametrize("size", ["", "0", "many", "-1", "9" * 21])
def test_a_size_that_says_nothing_is_no_limit(size: str) -> None:
    offer = parse_offer(Reply(250, ("mx.example.test", f"SIZE {size}")))
    assert offer.size == 0
