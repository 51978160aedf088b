"""ENVELOPE, RFC 3501 7.4.2."""

from __future__ import annotations

import pytest

from tests.formats.imap_lists import check_envelope
from workpost.formats.mime import summarize


def envelope(header: bytes):
    return check_envelope(summarize(header + b"\r\nbody\r\n").envelope)


def test_rfc_3501_section_8_envelope_as_printed():
    raw = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.edu\r\n"
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n" + b"x" * 2844 + b"\r\n" * 92
    )
    summary = summarize(raw)
    assert summary.envelope == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes"'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' (("Terry Gray" NIL "gray" "cac.washington.edu"))'
        b' ((NIL NIL "imap" "cac.washington.edu"))'
        b' ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU"))'
        b' NIL NIL "<B27397-0100000@cac.washington.edu>")'
    )
    assert summary.body == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92)'
    assert summary.date == 837595405


def test_nothing_known_is_ten_times_nil():
    assert summarize(b"").envelope == b"(" + b" ".join([b"NIL"] * 10) + b")"


def test_absent_subject_is_nil_and_empty_subject_is_empty():
    assert envelope(b"From: ada@demo.test\r\n")[1] is None
    assert envelope(b"Subject:\r\n")[1] == b""


def test_sender_and_reply_to_default_to_from_when_absent_or_empty():
    *_, from_, sender, reply_to = envelope(b"From: ada@demo.test\r\nSender:\r\n")[:5]
    assert from_ == sender == reply_to == [[None, None, b"ada", b"demo.test"]]


def test_sender_and_reply_to_of_their_own():
    value = envelope(
        b"From: ada@demo.test\r\nSender: grace@demo.test\r\nReply-To: list@demo.test\r\n"
    )
    assert [v[0][2] for v in value[2:5]] == [b"ada", b"grace", b"list"]


def test_group_syntax_has_a_start_and_an_end_marker():
    value = envelope(b"To: A Group: ada@demo.test, Grace <grace@demo.test>;, x@demo.test\r\n")
    assert value[5] == [
        [None, None, b"A Group", None],
        [None, None, b"ada", b"demo.test"],
        [b"Grace", None, b"grace", b"demo.test"],
        [None, None, None, None],
        [None, None, b"x", b"demo.test"],
    ]


def test_empty_group():
    value = envelope(b"To: undisclosed-recipients:;\r\n")
    assert value[5] == [[None, None, b"undisclosed-recipients", None], [None] * 4]


def test_group_left_open_is_closed():
    assert envelope(b"To: team: ada@demo.test\r\n")[5][-1] == [None] * 4


def test_source_route_is_the_at_domain_list():
    value = envelope(b"To: Ada <@one.test,@two.test:ada@demo.test>\r\n")
    assert value[5] == [[b"Ada", b"@one.test,@two.test", b"ada", b"demo.test"]]


def test_quoting_of_local_part_and_phrase_is_removed():
    value = envelope(b'To: "Lovelace, \\"Ada\\"" <"ada l"@demo.test>\r\n')
    assert value[5] == [[b'Lovelace, "Ada"', None, b"ada l", b"demo.test"]]


def test_encoded_words_stay_encoded():
    assert envelope(b"Subject: =?utf-8?q?=C3=A4?=\r\n")[1] == b"=?utf-8?q?=C3=A4?="


def test_folding_is_removed_and_white_space_kept():
    assert envelope(b"Subject: one\r\n two\r\n\tthree\r\n")[1] == b"one two\tthree"


def test_8_bit_values_become_literals():
    raw = "Subject: Grüße\r\nFrom: Ö <ö@demo.test>\r\n".encode()
    summary = summarize(raw + b"\r\n")
    assert b"{7}\r\nGr\xc3\xbc\xc3\x9fe" in summary.envelope
    assert check_envelope(summary.envelope)[2] == [["Ö".encode(), None, "ö".encode(), b"demo.test"]]


def test_control_characters_cannot_break_the_response():
    value = envelope(b"Subject: a\0b\rc\r\nFrom: x\0y <a@b>\r\n")
    assert value[1] == b"ab c"
    assert value[2] == [[b"xy", None, b"a", b"b"]]


def test_quotes_and_backslashes_are_escaped():
    assert b'"say \\"hi\\" \\\\o/"' in summarize(b'Subject: say "hi" \\o/\r\n\r\n').envelope


def test_address_without_a_domain_has_an_empty_host_never_nil():
    assert envelope(b"From: MAILER-DAEMON\r\n")[2] == [[None, None, b"MAILER-DAEMON", b""]]


def test_a_comment_names_who_has_no_other_name():
    value = envelope(b"From: ada@demo.test (Ada (the) Countess)\r\n")
    assert value[2] == [[b"Ada (the) Countess", None, b"ada", b"demo.test"]]


def test_repeated_fields_first_counts_but_recipients_are_joined():
    value = envelope(b"Subject: one\r\nSubject: two\r\nTo: a@b\r\nTo: c@d\r\n")
    assert value[1] == b"one"
    assert [a[2] for a in value[5]] == [b"a", b"c"]


def test_a_second_from_is_not_hidden_from_whoever_checks_senders():
    raw = b"From: ada@demo.test\r\nFROM : ceo@demo.test\r\n\r\n"
    assert [a for _, a in summarize(raw).from_] == ["ada@demo.test", "ceo@demo.test"]


@pytest.mark.parametrize("name", ["SUBJECT", "subject", "Subject ", "sUbJeCt\t"])
def test_field_names_have_no_case_and_tolerate_space_before_the_colon(name):
    assert envelope(name.encode() + b": x\r\n")[1] == b"x"
