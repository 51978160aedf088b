"""RFC 3501 sections 4 and 9: writing strings, flags, dates and FETCH answers."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.imap.wire import dates, encoder
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.framing import Framer, Limits
from workpost.protocols.imap.wire.tokens import Cursor


def cursor(data: bytes) -> Cursor:
    """What another program would read from bytes we wrote."""
    framer = Framer(Limits(literal=10**6))
    framer.feed(data + b"\r\n")
    event = framer.next_event()
    while not hasattr(event, "parts"):
        event = framer.next_event()
    return Cursor(event.parts)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b"plain", b'"plain"'),
        (b"", b'""'),
        (b'a "b" \\c', b'"a \\"b\\" \\\\c"'),
        (b"two\r\nlines", b"{10}\r\ntwo\r\nlines"),
        ("grüße".encode(), b"{7}\r\ngr\xc3\xbc\xc3\x9fe"),
        (b"a" * 1001, b"{1001}\r\n" + b"a" * 1001),
    ],
)
def test_strings(value, written):
    assert encoder.string(value) == written


def test_atoms_where_possible():
    assert encoder.astring(b"Drafts]") == b"Drafts]"
    assert encoder.astring(b"NIL") == b'"NIL"'
    assert encoder.astring(b"Sent Items") == b'"Sent Items"'
    assert encoder.nstring(None) == b"NIL"
    assert encoder.nstring(b"x") == b'"x"'
    assert encoder.mailbox("Entwürfe") == b"Entw&APw-rfe"


@given(st.binary(max_size=200))
def test_every_astring_comes_back(value):
    reader = cursor(encoder.astring(value))
    assert reader.astring() == value
    reader.end()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_mailbox_name_comes_back(name):
    read = cursor(encoder.mailbox(name)).mailbox()
    assert read == ("INBOX" if name.upper() == "INBOX" and name.isascii() else name)


def test_flags():
    assert encoder.flag_list(["\\Seen", "$Junk"]) == b"(\\Seen $Junk)"
    assert encoder.joined_flags(0) == b""
    assert (
        encoder.joined_flags(1 | 4 | 8, ("$Forwarded",)) == b"\\Seen \\Flagged \\Deleted $Forwarded"
    )


def test_status_lines():
    assert encoder.status_line(b"a1", "OK", "done") == b"a1 OK done\r\n"
    assert encoder.status_line(b"*", "OK", "yes", "UIDNEXT 5") == b"* OK [UIDNEXT 5] yes\r\n"
    assert encoder.untagged(b"5 EXISTS") == b"* 5 EXISTS\r\n"
    assert encoder.continuation(b"idling") == b"+ idling\r\n"


def test_rfc3501_7_2_5_search():
    assert encoder.search_answer([2, 3, 6]) == b"* SEARCH 2 3 6\r\n"
    assert encoder.search_answer([]) == b"* SEARCH\r\n"
    assert encoder.search_answer([], 9) == b"* SEARCH\r\n"


def test_rfc7162_3_1_5_search_with_modseq():
    assert encoder.search_answer([2, 5], 917162500) == b"* SEARCH 2 5 (MODSEQ 917162500)\r\n"


def test_internal_date():
    moment = int(datetime(1996, 7, 7, 9, 44, 25, tzinfo=UTC).timestamp())
    assert dates.internal_date(moment) == b'" 7-Jul-1996 09:44:25 +0000"'
    assert dates.internal_date(0) == b'" 1-Jan-1970 00:00:00 +0000"'
    assert dates.internal_date(10**15).startswith(b'"31-Dec-9999 ')
    assert dates.internal_date(-(10**15)).startswith(b'" 1-Jan-0001 ')


@given(st.integers(-62_000_000_000, 253_000_000_000))
def test_every_internal_date_comes_back(seconds):
    assert dates.read_date_time(cursor(dates.internal_date(seconds))) == seconds


def test_date_time_with_zone_and_leap_second():
    assert dates.read_date_time(cursor(b'"17-Jul-1996 02:44:25 -0700"')) == 837596665
    assert dates.read_date_time(cursor(b'"31-Dec-2016 23:59:60 +0000"')) == 1483228799


@pytest.mark.parametrize(
    "text",
    [
        b'"17-Jul-1996"',
        b'"31-Feb-1996 02:44:25 -0700"',
        b'"17-Foo-1996 02:44:25 -0700"',
        b'"17-Jul-1996 25:44:25 -0700"',
        b'"17-Jul-1996 02:44:25 +9900"',
        b'"00-Jul-1996 02:44:25 +0000"',
    ],
)
def test_wrong_date_times(text):
    with pytest.raises(WireError):
        dates.read_date_time(cursor(text))


def test_fetch_lines():
    template = encoder.fetch_format(("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "MODSEQ"))
    rows = [(1, 7, b"\\Seen", dates.internal_date(0), 44, 9), (2, 8, b"", b'"x"', 5, 10)]
    assert encoder.fetch_lines(template, rows) == (
        b'* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE " 1-Jan-1970 00:00:00 +0000"'
        b" RFC822.SIZE 44 MODSEQ (9))\r\n"
        b'* 2 FETCH (UID 8 FLAGS () INTERNALDATE "x" RFC822.SIZE 5 MODSEQ (10))\r\n'
    )
    structure = encoder.fetch_format(("ENVELOPE", "BODY", "BODYSTRUCTURE"))
    assert structure == b"* %d FETCH (ENVELOPE %b BODY %b BODYSTRUCTURE %b)\r\n"


def test_ten_thousand_flag_lines_take_a_few_milliseconds():
    rows = [(n, n + 5, encoder.joined_flags(n % 32)) for n in range(1, 10_001)]
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for at in range(0, 10_000, 500):
            encoder.fetch_lines(encoder.FETCH_FLAGS, rows[at : at + 500])
        best = min(best, time.process_time() - start)
    print(f"10,000 FETCH FLAGS lines: {best * 1000:.1f} ms")
    assert best < 0.1
