"""RFC 5321 4.2, RFC 2034, RFC 3463: replies."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.smtp.wire.replies import plain_reply, reply

LINE = re.compile(rb"[2-5][0-9]{2}[ -][ -~]*\r\n")


def test_one_line_carries_the_enhanced_code():
    assert reply(250, "2.1.0", "Sender ok") == b"250 2.1.0 Sender ok\r\n"


def test_rfc_2034_section_3_every_line_of_a_reply_carries_the_enhanced_code():
    assert reply(550, "5.7.1", "no\nreally") == b"550-5.7.1 no\r\n550 5.7.1 really\r\n"


def test_rfc_5321_section_4_2_1_plain_replies_have_hyphens_on_all_but_the_last_line():
    assert plain_reply(250, ["a.test", "PIPELINING", "HELP"]) == (
        b"250-a.test\r\n250-PIPELINING\r\n250 HELP\r\n"
    )


def test_text_cannot_break_a_line_or_start_a_reply():
    assert reply(250, "2.0.0", "a\r\n250 b\0é") == b"250-2.0.0 a?\r\n250 2.0.0 250 b??\r\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [(250, "5.0.0"), (100, "2.0.0"), (600, "6.0.0"), (250, "2.0"), (250, ""), (354, "3.0.0")],
)
def test_rfc_3463_section_2_code_and_status_belong_together(code, status):
    with pytest.raises(ValueError, match="RFC 3463"):
        reply(code, status, "text")


@given(st.text(max_size=3000))
def test_rfc_5321_section_4_5_3_1_5_any_text_becomes_lines_of_512_octets_at_most(text):
    answer = reply(451, "4.3.0", text)
    lines = answer.splitlines(keepends=True)
    assert all(LINE.fullmatch(line) and len(line) <= 512 for line in lines)
    assert all(line[3:4] == b"-" for line in lines[:-1])
    assert lines[-1][3:4] == b" "
