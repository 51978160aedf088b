"""RFC 5228: the language, and every way to get it wrong."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.sieve.scripts import actions, holds
from workpost.formats.sieve import limits, wildcards
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.errors import SieveError


def complaint(source: str | bytes) -> str:
    with pytest.raises(SieveError) as caught:
        compile_script(source if isinstance(source, bytes) else source.encode())
    return str(caught.value)


def test_an_empty_script_keeps() -> None:
    assert actions("") == ["keep"]
    assert actions("# nothing\n/* at\nall */") == ["keep"]


def test_2_4_2_strings_multi_line_text_and_escapes() -> None:
    assert actions('redirect "a\\b@c.test";') == ["redirect ab@c.test"]
    source = 'require "reject"; reject text: # comment\r\nfirst\r\n..dot\r\n.\r\n;'
    assert actions(source) == ["reject first\r\n.dot\r\n"]


def test_2_4_1_numbers_have_units() -> None:
    assert holds("size :under 1K")
    assert not holds("size :over 1K")
    assert holds("size :over 1")
    assert holds("size :under 1g")


def test_3_1_if_elsif_else() -> None:
    for first, second, wanted in (
        ("true", "true", "a"),
        ("false", "true", "b"),
        ("false", "false", "c"),
    ):
        source = (
            f'require "fileinto"; if {first} {{ fileinto "a"; }} elsif {second} {{ fileinto "b"; }}'
            ' else { fileinto "c"; }'
        )
        assert actions(source) == [f"fileinto {wanted}"]


def test_3_3_stop_ends_the_script_and_keeps_what_was_decided() -> None:
    assert actions("stop; discard;") == ["keep"]
    assert actions("discard; stop; keep;") == []


def test_4_2_redirect_and_keep() -> None:
    assert actions('redirect "bart@example.test";') == ["redirect bart@example.test"]
    assert actions('redirect "bart@example.test"; keep;') == ["redirect bart@example.test", "keep"]
    assert actions('redirect "no address";')[0].startswith("error: redirect")


def test_actions_that_are_equal_happen_once() -> None:
    source = 'require "fileinto"; fileinto "a"; fileinto "a"; fileinto "b"; keep; keep;'
    assert actions(source) == ["fileinto a", "fileinto b", "keep"]


def test_5_allof_anyof_not_and_their_order() -> None:
    assert holds("allof (true, not false, anyof (false, true))")
    assert not holds("anyof (false, not true)")


def test_5_1_address_parts() -> None:
    assert holds('address :is :all "from" "ada+work@example.test"')
    assert holds('address :domain :is ["to", "cc"] "lists.example"')
    assert holds('address :localpart "cc" "BARBARA"')
    assert not holds('address :is "from" "Ada Example <ada+work@example.test>"')


def test_5_4_envelope_needs_its_capability_and_knows_from_and_to() -> None:
    assert holds('envelope :is "from" "ada@example.test"', "envelope")
    assert holds('envelope :domain "to" "example.test"', "envelope")
    assert holds('envelope "from" ""', "envelope", sender="")
    source = 'require "envelope"; if envelope "auth" "x" { discard; }'
    assert actions(source) == ["error: the envelope has no 'auth'"]
    assert "needs require" in complaint('if envelope "from" "x" { stop; }')


def test_5_5_exists_wants_all_and_5_7_header_decodes() -> None:
    assert holds('exists ["From", "date"]')
    assert not holds('exists ["From", "X-None"]')
    assert holds('header :contains "subject" "Jörg"')
    assert holds('header :is "x-spam-score" "3"')
    assert not holds('header :is "x-none" ""')


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*money*", True),
        ("*MONEY*", True),
        ("J?rg says*", True),
        ("money", False),
        ("*\\\\*", False),
        ("", False),
        ("*", True),
        ("**?*", True),
    ],
)
def test_2_7_1_matches(pattern: str, wanted: bool) -> None:
    assert holds(f'header :matches "subject" "{pattern}"') is wanted


def test_2_7_3_comparators() -> None:
    assert not holds('header :comparator "i;octet" :contains "subject" "MONEY"')
    assert holds('header :comparator "i;ascii-casemap" :contains "subject" "MONEY"')
    assert not holds('header :contains "subject" "JÖRG"')
    assert holds(
        'header :comparator "i;unicode-casemap" :contains "subject" "JÖRG"',
        "comparator-i;unicode-casemap",
    )
    assert holds(
        'header :comparator "i;ascii-numeric" :is "x-spam-score" "003"',
        "comparator-i;ascii-numeric",
    )


def test_2_4_2_4_encoded_characters() -> None:
    assert holds('header :contains "subject" "${unicode:4A f6}rg"', "encoded-character")
    assert holds(
        'header :contains "subject" "${unicode:000000004A}${unicode: 00F6 72}g"',
        "encoded-character",
    )
    assert holds('header :contains "subject" "J${hex:c3 B6}rg"', "encoded-character")
    assert not holds('header :contains "subject" "J${hex:c3 B6}rg"')
    for wrong in ("${unicode: D800}", "${unicode:110000}", "${hex: c3}", "${hex: 0}"):
        source = f'require "encoded-character"; redirect "{wrong}@a.test";'
        assert complaint(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("keep", "';' is missing before the end"),
        ("keep\n\n;;", "line 3"),
        ("frobnicate;", "there is no command frobnicate"),
        ("if frob { keep; }", "there is no test frob"),
        ('fileinto "x";', 'needs require "fileinto"'),
        ('require "x-unknown";', '"x-unknown" is not supported'),
        ('keep; require "fileinto";', "require comes before"),
        ("else { keep; }", "follows no if"),
        ("if true { keep; } keep; elsif true { keep; }", "follows no if"),
        ("if true keep;", "true takes no test"),
        ("if { keep; }", "takes one test"),
        ("if not { keep; }", "takes one test"),
        ("if allof { keep; }", "list of tests"),
        ("keep { keep; }", "takes no block"),
        ("if true;", "needs a block"),
        ("redirect;", "too few"),
        ('redirect "a@b.test" "c@d.test";', "too many"),
        ("redirect 3;", "needs a string"),
        ('redirect ["a@b.test"];', "needs a string"),
        ('redirect :copy "a@b.test";', 'needs require "copy"'),
        ("redirect :frob;", "takes no :frob"),
        ('if size "x" { stop; }', "needs a number"),
        ("if size 3 { stop; }", ":over or :under"),
        ("if size :over :under 3 { stop; }", "exclude each other"),
        ('if header :is :contains "a" "b" { stop; }', "exclude each other"),
        ('if header :is :is "a" "b" { stop; }', "given twice"),
        ('if header :comparator "i;frob" "a" "b" { stop; }', "no comparator"),
        ("if header :comparator { stop; }", "needs a string"),
        ('if header "a" :is "b" { stop; }', "stands behind"),
        ('redirect "a', "has no end"),
        ("/* a", "comment has no end"),
        ("keep; text:\r\nabc", "has no end"),
        ("keep;\x00", "NUL"),
        ("if size :over 99999999999999999999 { stop; }", "too large"),
        ("if size :over 9999999999G { stop; }", "too large"),
        ('redirect ["a",];', "where a string is expected"),
        ("{", "stands where a command"),
        ("if true { keep;", "stands where a command"),
        ("keep ä;", "not understood"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(source: str, words: str) -> None:
    said = complaint(source)
    assert said.startswith("line ") or "NUL" in said
    assert any(each in said for each in words.split("|")), said


def test_limits_of_a_script() -> None:
    assert "UTF-8" in complaint(b"keep; # \xff")
    assert "octets" in complaint(b"#" * (limits.MAX_SCRIPT + 1))
    deep = "if true {" * (limits.MAX_NESTING + 2) + "}" * (limits.MAX_NESTING + 2)
    assert "levels" in complaint(deep)
    assert "levels" in complaint("if " + "not " * 5_000 + "true { keep; }")
    assert "commands" in complaint("keep;" * (limits.MAX_COMMANDS + 1))
    many = ",".join(['"a"'] * (limits.MAX_STRINGS + 1))
    assert "strings" in complaint(f"if exists [{many}] {{ keep; }}")
    costly = ",".join(f'"(.{{0,200}}){{5}}{number}"' for number in range(251))
    assert "250 regular" in complaint(f'require "regex"; if header :regex "a" [{costly}] {{stop;}}')
    fifteen = "if true {" * limits.MAX_NESTING + "discard;" + "}" * limits.MAX_NESTING
    assert actions(fifteen) == []


def test_10_a_script_is_no_mail_bomb_and_a_broken_one_keeps() -> None:
    many = "".join(f'redirect "a{n}@b.test";' for n in range(limits.MAX_REDIRECTS + 1))
    assert actions(many) == [f"error: there are more than {limits.MAX_REDIRECTS} redirects"]
    filed = "".join(f'fileinto "{n}";' for n in range(limits.MAX_ACTIONS + 1))
    assert "actions" in actions(f'require "fileinto"; {filed}')[0]
    copies = "".join(f'fileinto :copy "{n}";' for n in range(limits.MAX_ACTIONS))
    assert "actions" in actions(f'require ["fileinto", "copy"]; {copies}')[0]
    keys = ",".join(f'"none {n}"' for n in range(300))
    work = f'if header :contains ["x-spam-score", "received"] [{keys}, "nowhere"] {{ stop; }}' * 30
    assert actions(work) == ["error: the script works too long"]


def test_a_field_that_is_named_again_is_read_once_and_the_clock_is_looked_at() -> None:
    many = ", ".join(f"a{number}@example.test" for number in range(4_000))
    raw = f"To: {many}\r\nSubject: {'=?utf-8?q?x?= ' * 5_000}\r\n\r\n".encode()
    for kind in ("address", "header"):
        names = ",".join(['"to"', '"subject"'] * 300)
        began = time.thread_time()
        [came] = actions(
            f'if {kind} [{names}] "none" {{ stop; }}',
            raw,
            is_late=lambda began=began: time.thread_time() - began > 1,  # type: ignore[misc]
        )
        assert came in ("keep", "error: the script works too long")
        assert time.thread_time() - began < 1.5


def test_deleteheader_looks_at_the_clock() -> None:
    raw = b"".join(b"X-A: %s%d\r\n" % (b"a" * 60_000, n) for n in range(50)) + b"\r\n"
    looks = itertools.count()
    keys = ",".join(f'"{n}b"' for n in range(30))
    source = f'require "editheader"; deleteheader :contains "X-A" [{keys}];'
    [came] = actions(source, raw, is_late=lambda: next(looks) > 20)
    assert came == "error: the script takes too long"


def test_no_pattern_works_for_longer_than_a_run_may() -> None:
    raw = b"X-A: " + b"a" * 65_000 + b"\r\n\r\n"
    for test, came in (
        (f'header :matches "x-a" "{"*a" * 900}*"', []),
        (f'header :matches "x-a" "{"*a?" * 500}*"', []),
        (f'header :matches "x-a" "{"?" * 2_000}b*"', ["keep"]),
        (
            f'header :regex "x-a" "{"(a*)" * 400}$"',
            ["error: the regular expression costs too much"],
        ),
    ):
        began = time.thread_time()
        assert actions(f'require "regex"; if {test} {{ discard; }}', raw) == came
        assert time.thread_time() - began < 2


@given(st.text("a*?\\\\b", max_size=8), st.text("ab*", max_size=12))
def test_wildcards_take_as_little_as_they_can(pattern: str, value: str) -> None:
    pieces = re.findall(r"\\.|.", pattern)
    groups = {"*": "(.*?)", "?": "(.)"}
    expression = "".join(groups.get(each) or re.escape(each[-1]) for each in pieces)
    wanted = re.fullmatch(expression, value)
    found = wildcards.find(pattern, value)
    assert (found is None) == (wanted is None)
    if found is not None and wanted is not None:
        assert found == [wanted.span(group) for group in range(len(wanted.groups()) + 1)]


ASK = 'require ["variables", "imap4flags", "envelope", "date", "index", "enotify", "vacation"];\n'


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ('redirect "ada at example.test";', "redirect: "),
        ('redirect "a@x.test, b@x.test";', "redirect: "),
        ('redirect "A <a@x.test>, B <b@x.test>";', "redirect: it is not one address"),
        ('redirect "";', "redirect: "),
        ('vacation :from "nobody" "away";', "vacation :from: "),
        ('vacation :addresses ["a@x.test", "b"] "away";', "vacation :addresses: "),
        ('notify :importance "4" "mailto:a@x.test";', "'4' is no importance"),
        ('notify :from "nobody" "mailto:a@x.test";', "notify :from: "),
        ('set "1" "x";', "'1' is no name of a variable"),
        ('set "${a}" "x";', "'${a}' is no name of a variable"),
        ('addflag "a b" "\\\\Seen";', "'a b' is no name of a variable"),
        ('if envelope "auth" "x" { stop; }', "the envelope has no 'auth'"),
        ('if address "Subject" "x" { stop; }', "Subject holds no addresses"),
        ('if date :zone "CET" "date" "hour" "1" { stop; }', "'CET' is no time zone"),
        ('if header :index 0 "subject" "x" { stop; }', ":index counts from 1"),
    ],
)
def test_what_can_never_mean_anything_is_told_at_upload(command: str, complaint: str) -> None:
    source = (ASK + command).encode()
    with pytest.raises(SieveError, match=f"line 2: {re.escape(complaint)}"):
        compile_script(source, new=True)
    # A script that is there already runs on as far as it gets.
    compile_script(source)


@pytest.mark.parametrize(
    "command",
    [
        'redirect "${a}";',
        'vacation :from "${a}" :addresses ["${b}", "a@x.test"] "away";',
        'notify :importance "${i}" "mailto:a@x.test";',
        'if valid_notify_method "xmpp:a@x.test" { notify "xmpp:a@x.test"; }',
        'addflag "flags" "\\\\Seen";',
        'if envelope ["From", "to"] "x" { stop; }',
        'if address ["from", "X-Original-To", "list-post"] "x" { stop; }',
        'if date :zone "-0330" "date" "hour" "1" { stop; }',
    ],
)
def test_what_is_known_only_later_may_be_uploaded(command: str) -> None:
    compile_script((ASK + command).encode(), new=True)


def test_2_4_2_3_an_address_may_have_a_name_before_it() -> None:
    for written in ("Ada <ada@example.test>", "<ada@example.test>", " ada@example.test "):
        assert actions(f'redirect "{written}";') == ["redirect ada@example.test"]
    assert actions('redirect "A <a@x.test>, B <b@x.test>";') == [
        "error: redirect: it is not one address"
    ]


def test_long_numbers_of_a_script_that_was_put_before_stay_what_they_were() -> None:
    source = b'require ["encoded-character", "fileinto"]; fileinto "${unicode:1234567}";'
    with pytest.raises(SieveError, match="no character"):
        compile_script(source, new=True)
    assert compile_script(source).steps[0].values == ["${unicode:1234567}"]
