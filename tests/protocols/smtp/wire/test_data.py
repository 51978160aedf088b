"""RFC 5321 4.1.1.4, 4.5.2 and 2.3.8: the content after DATA."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.smtp.wire.data import DataDecoder
from workpost.protocols.smtp.wire.gather import Fault, Gather

PIECES = [
    b"a",
    b".",
    b"\r\n",
    b"\r\n.",
    b"\r\n..",
    b"\r\n.\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"\n.\n",
    b".\r",
]
streams = st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join)


def reference(stream: bytes) -> tuple[bytes | None, int]:
    """The naive reading: content (None: refused) and octets used, -1 where no end is in sight."""
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    if end < 0:
        return None, -1
    raw = stream[:end]
    if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", raw):
        return None, end + 3
    lines = raw.split(b"\r\n")
    return b"\r\n".join(line[1:] if line[:1] == b"." else line for line in lines), end + 3


def decode(chunks, limit=1 << 20):
    decoder = DataDecoder(limit)
    used = 0
    for chunk in chunks:
        taken = decoder.feed(chunk)
        used += taken
        if decoder.done:
            break
        assert taken == len(chunk)
    return decoder, used


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"a\r\n..\r\n..\r\n.\r\n", b"a\r\n.\r\n.\r\n"),
    ],
)
def test_section_4_5_2_dots_are_taken_away(stream, content):
    decoder, used = decode([stream])
    assert (decoder.content(), decoder.fault, used) == (content, None, len(stream))


def test_octets_behind_the_end_are_not_used():
    decoder, used = decode([b"a\r\n.\r\nQUIT\r\n"])
    assert (decoder.done, used, decoder.content()) == (True, 6, b"a\r\n")


@pytest.mark.parametrize(
    "fake",
    [
        b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\n.\r", b"\r.\n",
        b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\n\r", b"\r\0\n.\r\n", b"\n\n.\n\n",
    ],
)  # fmt: skip
def test_section_2_3_8_what_only_looks_like_the_end_is_content_and_refuses_the_message(fake):
    """SMTP smuggling: the commands behind the fake end stay content until the true end."""
    stream = b"a" + fake + b"MAIL FROM:<x@a.test>\r\nRCPT TO:<y@a.test>\r\nDATA\r\nb\r\n.\r\n"
    decoder, used = decode([stream])
    assert decoder.done
    assert used == len(stream)
    assert decoder.fault in (Fault.BARE_LINE_END, Fault.NUL)
    assert decoder.content() == b""


def test_a_message_over_the_limit_is_read_to_its_end_and_not_kept():
    decoder, used = decode([b"a" * 50, b"b" * 60, b"c" * 1000, b"\r\n.\r\n"], limit=100)
    assert decoder.done
    assert used == 1115
    assert (decoder.fault, decoder.held, decoder.content()) == (Fault.TOO_BIG, 0, b"")


def test_the_limit_counts_decoded_octets():
    assert decode([b"..\r\n.\r\n"], limit=3)[0].fault is None
    assert decode([b"..\r\n.\r\n"], limit=2)[0].fault is Fault.TOO_BIG


def test_the_first_fault_is_the_reason():
    decoder = DataDecoder(10)
    decoder.feed(b"a\nb")
    decoder.drop(Fault.NO_ROOM)
    assert decoder.fault is Fault.BARE_LINE_END


@given(stream=streams, cuts=st.lists(st.integers(0, 80), max_size=8))
def test_wherever_reads_end_the_outcome_is_that_of_the_naive_reading(stream, cuts):
    content, used = reference(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder, taken = decode([stream[a:b] for a, b in pairwise(edges)])
    assert decoder.done == (used >= 0)
    if decoder.done:
        assert taken == used
        assert (decoder.fault is not None) == (content is None)
        assert decoder.content() == (content or b"")


@given(streams)
def test_octet_by_octet_is_the_same_as_at_once(stream):
    at_once, used = decode([stream])
    singly, taken = decode([stream[at : at + 1] for at in range(len(stream))])
    assert (singly.done, taken) == (at_once.done, used)
    if singly.done:
        assert (singly.fault is None) == (at_once.fault is None)
        assert singly.content() == at_once.content()


@given(st.binary(max_size=300))
def test_section_4_5_2_what_a_sender_doubles_comes_back(body):
    lines = re.sub(rb"[\r\n\0]+", b"\r\n", body) + b"\r\n"
    stuffed = re.sub(rb"(?m)^\.", b"..", lines)
    decoder, _ = decode([stuffed + b".\r\n"])
    assert (decoder.fault, decoder.content()) == (None, lines)


@given(st.lists(st.sampled_from([b"a", b"\n", b".", b"\r\n"]), max_size=30), st.data())
def test_a_lenient_decoder_hands_out_crlf_only_and_ends_at_crlf_dot_crlf_only(pieces, data):
    body = b"".join(pieces)
    stream = body + b"\r\n.\r\n" + b"QUIT\r\n"
    end = (b"\r\n" + stream).index(b"\r\n.\r\n")
    decoder = DataDecoder(1000, lenient=True)
    at = used = 0
    while not decoder.done:
        size = data.draw(st.integers(1, 5))
        used += decoder.feed(stream[at : at + size])
        at += size
    content = decoder.content()
    assert decoder.fault is None
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert used == end + 3


@pytest.mark.parametrize("bad", [b"a\rb\r\n", b"a\0b\r\n", b"\r\r\n"])
def test_a_lenient_decoder_still_refuses_bare_cr_and_nul(bad):
    decoder = DataDecoder(1000, lenient=True)
    decoder.feed(b"x\n" + bad + b".\r\n")
    assert decoder.done
    assert decoder.fault is not None
    assert decoder.content() == b""


@given(
    st.lists(
        st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\x0b", b"\x0c", b"\x1c", b"\x85"]),
        max_size=20,
    )
)
def test_section_2_3_8_an_octet_ends_a_line_exactly_where_it_is_part_of_crlf(pieces):
    content = b"".join(pieces)
    strict, lenient = Gather(1_000), Gather(1_000, lenient=True)
    for gather in (strict, lenient):
        gather._add(content)
    bare_cr = re.search(rb"\r(?!\n)", content) is not None
    bare_lf = re.search(rb"(?<!\r)\n", content) is not None
    assert (strict.fault is Fault.BARE_LINE_END) == (bare_cr or bare_lf)
    assert (lenient.fault is Fault.BARE_LINE_END) == bare_cr
    assert lenient.mending == (bare_lf and not bare_cr)
