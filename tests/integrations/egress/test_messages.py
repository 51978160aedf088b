"""HTTP as the way out speaks it, whatever comes back."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.egress.messages import (
    HEAD_BYTES,
    TooLarge,
    Unreadable,
    parse_target,
    read_response,
    request_bytes,
)


class Pieces:
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [piece for piece in pieces if piece]

    async def read(self, n: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def read(*pieces: bytes, limit: int = 1000) -> tuple[int, dict[str, str], bytes]:
    return asyncio.run(read_response(Pieces(*pieces), limit))


def test_bodies_end_by_length_by_chunks_or_with_the_connection() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")[2] == b"hi"
    chunked = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    assert read(chunked)[::2] == (500, b"hi")
    assert read(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"h", b"i")[2] == b"hi"


def test_interim_answers_are_passed_over() -> None:
    first = b"HTTP/1.1 100 Continue\r\nX-One: 1\r\n\r\n"
    last = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    for pieces in ((first, last), (first + last,)):
        status, headers, body = read(*pieces)
        assert (status, body, headers) == (200, b"hi", {"content-length": "2"})


@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"220 mail.example ESMTP\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n",),
    ],
)
def test_what_is_no_answer(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(Unreadable):
        read(*pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1001),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * HEAD_BYTES + b"\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 20_000),
    ],
)
def test_what_is_too_large(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(TooLarge):
        read(*pieces)


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_are_an_answer_or_one_of_two_errors(pieces: list[bytes]) -> None:
    for begin in (b"", b"HTTP/1.1 200 OK\r\n"):
        try:
            read(begin, *pieces)
        except (Unreadable, TooLarge):
            pass


def test_targets() -> None:
    target = parse_target("https://Mail.Partner.example./EWS/Exchange.asmx?a=b c#part")
    assert (target.host, target.port) == ("mail.partner.example", 443)
    assert target.path == "/EWS/Exchange.asmx?a=b%20c"
    assert target.authority == "mail.partner.example"
    assert parse_target("http://[::1]:8080").authority == "[::1]:8080"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://mail.example/",
        "https:///x",
        "https://ada:secret@mail.example/",
        "https://.example/",
        "https://[fe80::1%eth0]/",
        "https://[::1::]/",
        "https://a..example/",
        f"https://{'a' * 64}.example/",
        "https://mail.example:0/",
        "https://mail.example:99999/",
        "https://m\u00e4il.example/",
        "//mail.example/",
    ],
)
def test_what_is_no_target(url: str) -> None:
    with pytest.raises(ValueError):
        parse_target(url)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_target_or_none(host: str, base: str) -> None:
    for url in (host, f"https://{host}", f"http://{host}/{base}", f"{base}://{host}"):
        try:
            target = parse_target(url)
        except ValueError:
            continue
        request_bytes(target, {}, b"")


@given(st.text(max_size=40))
def test_no_url_can_end_its_line(text: str) -> None:
    try:
        target = parse_target(f"https://mail.example/{text}")
    except ValueError:
        return
    head = request_bytes(target, {"A": "b"}, b"").split(b"\r\n")
    assert head[0].startswith(b"POST /")
    assert head[0].count(b" ") == 2
    assert len(head) == 8


def test_no_header_can_end_its_line() -> None:
    with pytest.raises(ValueError):
        request_bytes(parse_target("https://mail.example/"), {"A": "b\r\nC: d"}, b"")
