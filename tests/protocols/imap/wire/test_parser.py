"""RFC 3501 section 6 and its extensions: each command as the RFCs write it."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workpost.protocols.imap.wire import commands as c
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.framing import Continue, Frame, Framer, Limits
from workpost.protocols.imap.wire.parser import is_done, parse, sasl_answer


def read(data: bytes) -> c.Command:
    framer = Framer(Limits())
    framer.feed(data + b"\r\n")
    event = framer.next_event()
    while isinstance(event, Continue):
        event = framer.next_event()
    assert isinstance(event, Frame), event
    return parse(event.parts)


def refused(data: bytes) -> WireError:
    with pytest.raises(WireError) as caught:
        read(data)
    return caught.value


FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")

COMMANDS = [
    (b"a CAPABILITY", c.Capability(b"a")),
    (b"a noop", c.Noop(b"a")),
    (b"a LOGOUT", c.Logout(b"a")),
    (b"a STARTTLS", c.StartTls(b"a")),
    (b"a NAMESPACE", c.Namespace(b"a")),
    (b"a IDLE", c.Idle(b"a")),
    (b"a CHECK", c.Check(b"a")),
    (b"a CLOSE", c.Close(b"a")),
    (b"a UNSELECT", c.Unselect(b"a")),
    (b"a EXPUNGE", c.Expunge(b"a")),
    (b"A003 UID EXPUNGE 3000:3002", c.Expunge(b"A003", ((3000, 3002),))),
    (b"a023 ID NIL", c.Id(b"a023", ())),
    (b"a ID ()", c.Id(b"a", ())),
    (
        b'a023 ID ("name" "sodr" "version" "19.34" "os" NIL)',
        c.Id(b"a023", (("name", "sodr"), ("version", "19.34"), ("os", None))),
    ),
    (b"a ENABLE CONDSTORE qresync", c.Enable(b"a", ("CONDSTORE", "QRESYNC"))),
    (b"a LOGIN SMITH SESAME", c.Login(b"a", "SMITH", "SESAME")),
    (
        b'a LOGIN {16+}\r\nada@example.test "p\\"w\\\\ \xc3\xa9"',
        c.Login(b"a", "ada@example.test", 'p"w\\ é'),
    ),
    (b"a AUTHENTICATE plain", c.Authenticate(b"a", "PLAIN", None)),
    (b"a AUTHENTICATE PLAIN =", c.Authenticate(b"a", "PLAIN", b"")),
    (
        b"A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=",
        c.Authenticate(b"A01", "PLAIN", b"test\0test\0test"),
    ),
    (b"A142 SELECT inbox", c.Select(b"A142", "INBOX", False)),
    (b"A EXAMINE blurdybloop", c.Select(b"A", "blurdybloop", True)),
    (b"A SELECT INBOX (CONDSTORE)", c.Select(b"A", "INBOX", False, True)),
    (
        b"A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        c.Select(
            b"A02",
            "INBOX",
            False,
            False,
            c.KnownUids(67890007, 20050715194045000, ((41, 41), (43, 211), (214, 541))),
        ),
    ),
    (
        (
            b"A04 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541"
            b" (1,3,5 2,4,6)) CONDSTORE)"
        ),
        c.Select(
            b"A04",
            "INBOX",
            False,
            True,
            c.KnownUids(
                67890007,
                90060115194045000,
                ((41, 211), (214, 541)),
                ((1, 1), (3, 3), (5, 5)),
                ((2, 2), (4, 4), (6, 6)),
            ),
        ),
    ),
    (
        b"A SELECT INBOX (QRESYNC (1 2 (1:2 3:4)))",
        c.Select(b"A", "INBOX", False, False, c.KnownUids(1, 2, None, ((1, 2),), ((3, 4),))),
    ),
    (b"A CREATE owatagusiam/", c.Create(b"A", "owatagusiam/")),
    (b"A CREATE &U,BTFw- (USE (\\Drafts))", c.Create(b"A", "台北", ("\\Drafts",))),
    (b"A CREATE x (USE (\\archive \\Sent \\Sent))", c.Create(b"A", "x", ("\\Archive", "\\Sent"))),
    (b"A CREATE x (USE ())", c.Create(b"A", "x")),
    (b"A DELETE foo/bar", c.Delete(b"A", "foo/bar")),
    (b'A RENAME INBOX "old mail"', c.Rename(b"A", "INBOX", "old mail")),
    (b"A SUBSCRIBE #news", c.Subscribe(b"A", "#news", True)),
    (b"A UNSUBSCRIBE {5+}\r\n#news", c.Subscribe(b"A", "#news", False)),
    (b'A LIST "" *', c.List(b"A", "", ("*",))),
    (b'A LIST "" ""', c.List(b"A", "", ("",))),
    (b"A LIST ~/Mail/ %", c.List(b"A", "~/Mail/", ("%",))),
    (b'A LSUB "#news." "comp.mail.*"', c.List(b"A", "#news.", ("comp.mail.*",), True)),
    (
        (
            b'A LIST (SUBSCRIBED REMOTE) "" ("INBOX" "Drafts" "Sent/%")'
            b" RETURN (CHILDREN STATUS (MESSAGES UNSEEN) SPECIAL-USE)"
        ),
        c.List(
            b"A",
            "",
            ("INBOX", "Drafts", "Sent/%"),
            False,
            True,
            frozenset({"SUBSCRIBED", "REMOTE"}),
            frozenset({"CHILDREN", "SPECIAL-USE"}),
            ("MESSAGES", "UNSEEN"),
        ),
    ),
    (
        b'A LIST () "" % RETURN (STATUS (UNSEEN) CHILDREN)',
        c.List(b"A", "", ("%",), False, True, frozenset(), frozenset({"CHILDREN"}), ("UNSEEN",)),
    ),
    (
        b"A042 STATUS blurdybloop (UIDNEXT MESSAGES uidnext)",
        c.Status(b"A042", "blurdybloop", ("UIDNEXT", "MESSAGES")),
    ),
    (
        b"A003 APPEND saved-messages (\\Seen \\Recent $Forwarded) {5+}\r\nHello",
        c.Append(b"A003", "saved-messages", ("\\Seen", "$Forwarded"), None, b"Hello"),
    ),
    (
        b'A APPEND x () "17-Jul-1996 02:44:25 -0700" {3}\r\na\0b',
        c.Append(b"A", "x", (), 837596665, b"a\0b"),
    ),
    (b'A APPEND x "17-Jul-1996 02:44:25 -0700" {1}\r\na', c.Append(b"A", "x", (), 837596665, b"a")),
    (b"A COPY 2:4 MEETING", c.Copy(b"A", False, ((2, 4),), "MEETING")),
    (b"A UID COPY 2:* MEETING", c.Copy(b"A", True, ((2, 0),), "MEETING")),
    (b"a UID MOVE 42:69 foo", c.Copy(b"a", True, ((42, 69),), "foo", True)),
    (b"a MOVE * foo", c.Copy(b"a", False, ((0, 0),), "foo", True)),
    (
        b"A003 STORE 2:4 +FLAGS (\\deleted)",
        c.Store(b"A003", False, ((2, 4),), "add", False, ("\\Deleted",)),
    ),
    (
        b"A UID STORE 2 -FLAGS.SILENT \\Seen $Junk \\Seen",
        c.Store(b"A", True, ((2, 2),), "remove", True, ("\\Seen", "$Junk")),
    ),
    (b"A STORE 2 flags ()", c.Store(b"A", False, ((2, 2),), "replace", False, ())),
    (
        b"a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        c.Store(
            b"a103",
            True,
            ((6, 6), (4, 4), (8, 8)),
            "add",
            True,
            ("\\Deleted",),
            12121230045,
        ),
    ),
    (b"a FETCH 1 ALL", c.Fetch(b"a", False, ((1, 1),), (*FAST, "ENVELOPE"))),
    (b"a FETCH 1 full", c.Fetch(b"a", False, ((1, 1),), (*FAST, "ENVELOPE", "BODY"))),
    (b"a FETCH 1 FAST", c.Fetch(b"a", False, ((1, 1),), FAST)),
    (
        b"a UID FETCH 1:* (FLAGS UID FLAGS MODSEQ BODYSTRUCTURE)",
        c.Fetch(b"a", True, ((1, 0),), ("FLAGS", "UID", "MODSEQ", "BODYSTRUCTURE")),
    ),
    (
        b"s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        c.Fetch(b"s100", True, ((1, 0),), ("FLAGS",), (), 12345, True),
    ),
    (
        b'A FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE "From")])',
        c.Fetch(
            b"A",
            False,
            ((2, 4),),
            ("FLAGS",),
            (
                c.Section(
                    b"BODY[HEADER.FIELDS (DATE From)]",
                    (),
                    "HEADER.FIELDS",
                    (b"DATE", b"From"),
                ),
            ),
        ),
    ),
    (
        b"a FETCH 1 (RFC822 RFC822.header RFC822.TEXT RFC822)",
        c.Fetch(
            b"a",
            False,
            ((1, 1),),
            (),
            (
                c.Section(b"RFC822"),
                c.Section(b"RFC822.HEADER", what="HEADER", peek=True),
                c.Section(b"RFC822.TEXT", what="TEXT"),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("data", "command"), COMMANDS, ids=lambda v: repr(v)[:60])
def test_commands(data, command):
    assert read(data) == command


@pytest.mark.parametrize(
    ("item", "section"),
    [
        (b"BODY[]", c.Section(b"BODY[]")),
        (b"body.peek[]<0.2048>", c.Section(b"BODY[]<0>", partial=(0, 2048), peek=True)),
        (b"BODY[TEXT]", c.Section(b"BODY[TEXT]", what="TEXT")),
        (b"BODY[header]", c.Section(b"BODY[HEADER]", what="HEADER")),
        (b"BODY[4.2.1]", c.Section(b"BODY[4.2.1]", (4, 2, 1))),
        (b"BODY[4.2.MIME]", c.Section(b"BODY[4.2.MIME]", (4, 2), "MIME")),
        (b"BODY[3.HEADER]", c.Section(b"BODY[3.HEADER]", (3,), "HEADER")),
        (
            b"BODY[3.HEADER.FIELDS.NOT ({2+}\r\nTo)]<5.6>",
            c.Section(
                b"BODY[3.HEADER.FIELDS.NOT (To)]<5>", (3,), "HEADER.FIELDS.NOT", (b"To",), (5, 6)
            ),
        ),
    ],
)
def test_rfc3501_6_4_5_sections(item, section):
    assert read(b"a FETCH 1 " + item) == c.Fetch(b"a", False, ((1, 1),), (), (section,))


NOT_SEEN = ("FLAG", "\\Seen", False)

KEYS = [
    (b"ALL", ("ALL",)),
    (b"NEW", ("AND", (("RECENT", True), NOT_SEEN))),
    (b"OLD", ("RECENT", False)),
    (b"RECENT", ("RECENT", True)),
    (b"flagged", ("FLAG", "\\Flagged", True)),
    (b"UNSEEN", NOT_SEEN),
    (b"KEYWORD $Junk", ("FLAG", "$Junk", True)),
    (b"UNKEYWORD $Junk", ("FLAG", "$Junk", False)),
    (b"2:4", ("SET", ((2, 4),))),
    (b"*", ("SET", ((0, 0),))),
    (b"UID 1:*", ("UID", ((1, 0),))),
    (
        b'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"',
        (
            "AND",
            (
                ("FLAG", "\\Flagged", True),
                ("SINCE", date(1994, 2, 1)),
                ("NOT", ("FROM", "Smith")),
            ),
        ),
    ),
    (b"CHARSET UTF-8 TEXT {6+}\r\n\xd0\xbc\xd0\xbe\xd1\x8f", ("TEXT", "моя")),
    (b"CHARSET iso-8859-1 BODY {1+}\r\n\xe9", ("BODY", "é")),
    (b'CHARSET US-ASCII SUBJECT "\xc3\xa9"', ("SUBJECT", "é")),
    (b'SENTON "01-Jan-2026"', ("SENTON", date(2026, 1, 1))),
    (b"LARGER 1000 SMALLER 2000", ("AND", (("LARGER", 1000), ("SMALLER", 2000)))),
    (b"YOUNGER 3600", ("YOUNGER", 3600)),
    (b'HEADER Message-ID "<a@b>"', ("HEADER", "Message-ID", "<a@b>")),
    (
        b'OR (TO a CC b) NOT BCC ""',
        ("OR", ("AND", (("TO", "a"), ("CC", "b"))), ("NOT", ("BCC", ""))),
    ),
    (b"((ALL))", ("ALL",)),
]


@pytest.mark.parametrize(("text", "key"), KEYS)
def test_rfc3501_6_4_4_search_keys(text, key):
    assert read(b"a SEARCH " + text) == c.Search(b"a", False, key)


@pytest.mark.parametrize("entry", [b"", b'"/flags/\\\\draft" all '])
def test_rfc7162_3_1_5_search_modseq(entry):
    found = read(b"a UID SEARCH MODSEQ " + entry + b"620162338 ALL")
    assert found == c.Search(b"a", True, ("AND", (("MODSEQ", 620162338), ("ALL",))), True)


def test_search_is_bounded():
    assert refused(b"a SEARCH " + b"(" * 40 + b"ALL" + b")" * 40).code == "LIMIT"
    assert refused(b"a SEARCH" + b" NOT" * 40 + b" ALL").code == "LIMIT"
    assert refused(b"a SEARCH" + b" ALL" * 3000).code == "LIMIT"


def test_an_unknown_charset_names_the_known():
    for charset in (b"X-UNKNOWN", b"zip", b'"\xc3\xa9"', b'"a b\x01"'):
        error = refused(b"a SEARCH CHARSET " + charset + b" ALL")
        assert (error.status, error.code) == ("NO", "BADCHARSET (UTF-8 US-ASCII)")


def test_too_much_in_one_fetch_is_refused():
    sections = b" ".join([b"BODY[%d]" % n for n in range(1, 250)])
    assert refused(b"a FETCH 1 (" + sections + b")").code == "LIMIT"
    names = b" ".join([b"x"] * 300)
    assert refused(b"a FETCH 1 BODY[HEADER.FIELDS (" + names + b")]").code == "LIMIT"
    patterns = b" ".join([b"x"] * 200)
    assert refused(b'a LIST "" (' + patterns + b")").code == "LIMIT"
    assert refused(b"a ID (" + b" ".join([b'"a" "b"'] * 40) + b")").text == "Too many ID fields"
    assert refused(b"a FETCH 1 BODY[" + b".".join([b"1"] * 200) + b"]").tag == b"a"


def test_an_unknown_special_use_is_no():
    assert refused(b"a CREATE x (USE (\\Foo))").code == "USEATTR"


@pytest.mark.parametrize(
    "data",
    [
        b"a",
        b"a FOO",
        b"a NOOP ",
        b"a NOOP x",
        b"a  NOOP",
        b"a LOGIN x",
        b"a LOGIN x \xff",
        b'a LOGIN "x y',
        b'a LOGIN "x\\y" z',
        b'a LOGIN x "\xff"',
        b"a LOGIN x y {1+}\r\nz",
        b"a LOGIN {1+}\r\nz{1+}\r\nz",
        b"a AUTHENTICATE PLAIN !!!",
        b"a UID NOOP",
        b"a UID EXPUNGE",
        b"a SELECT x (FOO)",
        b"a SELECT x (QRESYNC (0 1))",
        b"a SELECT x (QRESYNC (1 1 1:*))",
        b"a SELECT x (QRESYNC (1 1 1:2 (1:3 1:2)))",
        b"a SELECT x (QRESYNC (1 99999999999999999999))",
        b"a SELECT &",
        b"a LIST (FOO) x y",
        b'a LIST (RECURSIVEMATCH) "" x',
        b'a LIST "" x RETURN (FOO)',
        b"a STATUS x ()",
        b"a STATUS x (FOO)",
        b"a APPEND x (\\Foo) {1+}\r\nx",
        b"a APPEND x (" + b"k" * 300 + b") {1+}\r\nx",
        b"a FETCH 1 FOO",
        b"a FETCH 1 (ALL)",
        b"a FETCH 1 BODY[FOO]",
        b"a FETCH 1 BODY[MIME]",
        b"a FETCH 1 BODY[]<0.0>",
        b"a FETCH 1 (FLAGS) (FOO)",
        b"a FETCH 1 (FLAGS) (VANISHED CHANGEDSINCE 1)",
        b"a UID FETCH 1 (FLAGS) (VANISHED)",
        b"a STORE 1 FOO (x)",
        b"a SEARCH FOO x",
        b"a SEARCH SINCE 31-Feb-2026",
        b"a SEARCH HEADER \xff x",
        b'a SEARCH HEADER "\xff" x',
        b'a SEARCH TEXT "\xff"',
        b'a SEARCH MODSEQ "x" foo 1',
        b"a SEARCH LARGER 99999999999",
    ],
)
def test_bad_commands_keep_their_tag(data):
    error = refused(data)
    assert (error.status, error.tag) == ("BAD", None if data == b"a" else b"a")


@pytest.mark.parametrize(
    "data", [b"", b" ", b"+ NOOP", b"a\0b NOOP", b"* NOOP", b"x" * 300 + b" NOOP"]
)
def test_without_a_tag_the_answer_is_untagged(data):
    assert refused(data).tag is None


def test_done_ends_idle():
    assert is_done((b"done ",))
    assert not is_done((b"a NOOP",))


def test_sasl_answers():
    assert sasl_answer(b"*") is None
    assert sasl_answer(b"") == b""
    assert sasl_answer(b"AGFkYQ==") == b"\0ada"
    with pytest.raises(WireError):
        sasl_answer(b"AGFkYQ")


def test_passwords_are_not_shown():
    assert "SESAME" not in repr(read(b"a LOGIN SMITH SESAME"))
    assert "test" not in repr(read(b"A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q="))


SEEDS = [data for data, _ in COMMANDS] + [b"a SEARCH " + text for text, _ in KEYS]
PIECES = st.sampled_from(
    [
        b" ",
        b"(",
        b")",
        b'"',
        b"\\",
        b"{3+}\r\nabc",
        b"*",
        b"NIL",
        b"[",
        b"]",
        b"<1.2>",
        b"\0",
        b"\xff",
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 80), PIECES | st.binary(max_size=4)))
)
def test_any_command_parses_or_raises_wire_error(seed, edits):
    data = seed
    for place, piece in edits:
        data = data[:place] + piece + data[place + len(piece) // 2 :]
    framer = Framer()
    framer.feed(data + b"\r\n")
    while (event := framer.next_event()) is not None:
        if isinstance(event, Frame):
            try:
                parse(event.parts)
            except WireError:
                pass


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=5).filter(lambda parts: len(parts) % 2)
)
def test_any_frame_parses_or_raises_wire_error(parts):
    try:
        parse((b"a " + parts[0], *parts[1:]))
    except WireError:
        pass
