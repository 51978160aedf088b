"""RFC 3501 6.4.4, RFC 5032, RFC 7162 3.1.5: SEARCH."""

import re

import pytest

from tests.protocols.imap.conftest import MESSAGE

LETTER = """From: =?utf-8?q?Gr=C3=A4fin_Lovelace?= <ada@demo.test>
To: Grace Hopper <grace@demo.test>, charles@demo.test
Cc: Mary <mary@demo.test>
Bcc: secret@demo.test
Subject: =?utf-8?q?M=C3=BChle?=
Date: Fri, 13 Mar 2026 23:59:59 -1100
X-Kind: letter
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Die M=C3=BChle steht still.
""".replace("\n", "\r\n").encode()


@pytest.fixture
def wire(log_in):
    wire = log_in()
    wire.append(MESSAGE, how='(\\Seen) "05-Jan-2020 12:00:00 +0000" ')
    wire.append(LETTER, how='(\\Flagged $Work) "15-Mar-2026 12:00:00 +0000" ')
    wire.append(MESSAGE.replace(b"Engines", b"Looms") + b"x" * 70_000)
    wire.ok("SELECT INBOX")
    return wire


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ALL", "1 2 3"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3"),
        ("NOT SEEN", "2 3"),
        ("OR SEEN FLAGGED", "1 2"),
        ("UNFLAGGED UNDELETED UNANSWERED UNDRAFT", "1 3"),
        ("KEYWORD $work", "2"),
        ("UNKEYWORD $Work", "1 3"),
        ("2:3", "2 3"),
        ("NOT 2", "1 3"),
        ("UID 1,3", "1 3"),
        ("UID 99", ""),
        ("UID 2 SEEN", ""),
        ("NEW", "2 3"),
        ("OLD", ""),
        ("LARGER 1000", "3"),
        ("SMALLER 1000", "1 2"),
        ("BEFORE 6-Jan-2020", "1"),
        ("ON 15-Mar-2026", "2"),
        ("SINCE 15-Mar-2026", "2 3"),
        ("YOUNGER 3600", "3"),
        ("OLDER 3600", "1 2"),
        ("SENTON 13-Mar-2026", "2"),
        ("SENTBEFORE 8-Feb-1994", "1 3"),
        ("SENTSINCE 1-Jan-2026", "2"),
        ("FROM lovelace", "1 2 3"),
        ("FROM ada@demo.test", "1 2 3"),
        ("TO charles", "2"),
        ("CC mary", "2"),
        ("BCC secret", "2"),
        ("SUBJECT engines", "1"),
        ("SUBJECT engines OR TO grace CC mary", "1"),
        ("HEADER X-Kind letter", "2"),
        ('HEADER X-Kind ""', "2"),
        ("HEADER Message-ID one@", "1 3"),
        ("BODY algebraic", "1 3"),
        ("BODY engines", ""),
        ("TEXT engine", "1 3"),
        ("TEXT LOOMS", "3"),
        ("TEXT nothing", ""),
        ("NOT (TEXT engine)", "2"),
        ("MODSEQ 1", "1 2 3"),
        ("MODSEQ 999999", ""),
    ],
)
def test_keys(wire, text, found):
    [line] = wire.ok(f"SEARCH {text}")
    line = re.sub(rb" \(MODSEQ \d+\)", b"", line)
    assert line == f"* SEARCH {found}".strip().encode()


def test_charsets(wire):
    for text in (
        b"CHARSET UTF-8 BODY {6+}\r\nM\xc3\x9cHLE",
        b"CHARSET ISO-8859-1 SUBJECT {5+}\r\nm\xfchle",
        b'SUBJECT "m\xc3\xbchle"',
        b"CHARSET UTF-8 FROM {7+}\r\ngr\xc3\xa4fin",
    ):
        assert wire.ok(b"SEARCH " + text) == [b"* SEARCH 2"]
    assert wire.do("SEARCH CHARSET X-Foo ALL") == [
        b"NO [BADCHARSET (UTF-8 US-ASCII)] Unknown charset"
    ]


def test_uid_search_and_modseq(wire):
    wire.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    wire.ok("EXPUNGE")
    assert wire.ok("UID SEARCH ALL") == [b"* SEARCH 2 3"]
    assert wire.ok("SEARCH ALL") == [b"* SEARCH 1 2"]
    [line] = wire.ok("UID SEARCH MODSEQ 1 FLAGGED")
    assert re.fullmatch(rb"\* SEARCH 2 \(MODSEQ \d+\)", line)
    assert wire.do("SEARCH 9") == [b"BAD No such message"]
