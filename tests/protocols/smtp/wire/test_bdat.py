"""RFC 3030 2: the content of BDAT chunks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.smtp.wire.bdat import ChunkReader
from workpost.protocols.smtp.wire.gather import Fault


def read(chunks, limit=1 << 20):
    reader = ChunkReader(limit)
    for chunk in chunks:
        reader.begin(len(chunk))
        assert reader.done == (not chunk)
        assert reader.feed(chunk) == len(chunk)
        assert reader.done
    reader.finish()
    return reader


def test_chunks_are_joined_and_dots_are_nothing_special():
    assert read([b"a\r\n", b".\r\n", b"", b"..b\r\n"]).content() == b"a\r\n.\r\n..b\r\n"


def test_a_chunk_takes_its_octets_and_no_more():
    reader = ChunkReader(100)
    reader.begin(5)
    assert reader.feed(b"ab") == 2
    assert not reader.done
    assert reader.feed(b"cdeQUIT") == 3
    assert (reader.done, reader.content()) == (True, b"abcde")


@pytest.mark.parametrize("chunks", [[b"a\rb"], [b"a\nb"], [b"a\r", b"b"], [b"a", b"\n"], [b"a\r"]])
def test_rfc_5321_section_2_3_8_bare_line_ends_are_refused_over_seams_too(chunks):
    assert read(chunks).fault is Fault.BARE_LINE_END


def test_crlf_may_lie_over_a_seam():
    reader = read([b"a\r", b"\nb\r", b"", b"\n"])
    assert (reader.fault, reader.content()) == (None, b"a\r\nb\r\n")


def test_nul_is_refused():
    assert read([b"a\0"]).fault is Fault.NUL


def test_the_limit_holds_for_all_chunks_together():
    assert read([b"abc", b"def"], limit=6).fault is None
    assert read([b"abc", b"defg"], limit=6).fault is Fault.TOO_BIG


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b".", b"\0"]).map(bytes), max_size=12)
)
def test_the_outcome_is_that_of_the_joined_chunks(chunks):
    whole = b"".join(chunks)
    reader = read(chunks)
    refused = re.search(rb"\r(?!\n)|(?<!\r)\n|\0", whole) is not None
    assert (reader.fault is not None) == refused
    assert reader.content() == (b"" if refused else whole)
