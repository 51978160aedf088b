"""The extensions, each named by its RFC."""

from __future__ import annotations

import tracemalloc
from zoneinfo import ZoneInfo

import pytest

from tests.formats.sieve.scripts import MESSAGE, actions, holds, run
from workpost.formats.mime import header_values, summarize
from workpost.formats.sieve import limits
from workpost.formats.sieve.actions import Keep, Notify, Vacation
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.dates import fixed
from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.language import CAPABILITIES
from workpost.formats.sieve.variables import Variables


def require(*names: str) -> str:
    return "require [" + ", ".join(f'"{name}"' for name in names) + "];\n"


@pytest.mark.parametrize("name", CAPABILITIES)
def test_every_capability_can_be_required(name: str) -> None:
    assert actions(require(name)) == ["keep"]


def test_rfc3894_copy_keeps_too() -> None:
    source = require("copy", "fileinto") + 'fileinto :copy "a"; redirect :copy "b@c.test";'
    assert actions(source) == ["fileinto a", "redirect b@c.test", "keep"]


def test_rfc5232_flags_of_the_internal_variable_and_of_tags() -> None:
    source = require("imap4flags", "fileinto")
    body = 'setflag "\\\\Seen"; addflag ["\\\\Flagged work", "\\\\seen"]; removeflag "work";'
    assert actions(source + body) == ["keep (\\Seen \\Flagged)"]
    assert actions(source + body + 'fileinto "a"; keep :flags "\\\\Deleted";') == [
        "fileinto a (\\Seen \\Flagged)",
        "keep (\\Deleted)",
    ]
    assert actions(source + 'addflag "a"; setflag ""; keep;') == ["keep ()"]


def test_rfc5232_flags_of_variables_and_hasflag() -> None:
    source = require("imap4flags", "variables", "relational", "comparator-i;ascii-numeric")
    body = 'setflag "mine" ["a", "b c"]; removeflag "mine" "B";'
    assert actions(source + body + 'if hasflag :is "mine" ["x", "C"] { discard; }') == []
    assert actions(source + body + 'if hasflag "mine" "b" { discard; }') == ["keep"]
    count = 'if hasflag :count "eq" :comparator "i;ascii-numeric" "mine" "2" { discard; }'
    assert actions(source + body + count) == []
    with pytest.raises(SieveError, match="variables"):
        compile_script(b'require "imap4flags"; setflag "mine" "a";')


def test_rfc5229_variables_modifiers_and_matches() -> None:
    source = require("variables", "fileinto", "envelope")
    body = (
        'if header :matches "subject" "* says: * *" {'
        ' set :lower :upperfirst "who" "${1}"; set "rest" "${3}"; }'
        'fileinto "${who}/${2}/${WHO}-${nobody}-${rest}";'
    )
    assert actions(source + body) == ["fileinto Jörg/make/Jörg--money fast"]
    assert actions(source + 'set :length "n" "äöü"; fileinto "${n}";') == ["fileinto 3"]
    assert actions(source + 'set :quotewildcard "n" "a*b?\\\\"; fileinto "${n}";') == [
        "fileinto a\\*b\\?\\\\"
    ]
    assert actions(source + 'set "a" "${b}"; set "b" "x"; fileinto "a${a}${b}";') == ["fileinto ax"]
    assert actions(source + 'set "a.b" "x";') == ["error: 'a.b' is no name of a variable"]
    assert actions(source + 'fileinto "${0}${9}x$";') == ["fileinto x$"]


def test_rfc5229_string_test_and_bounded_values() -> None:
    source = require("variables")
    assert actions(source + 'set "a" "x"; if string :is "${a}" "X" { discard; }') == []
    grow = 'set "a" "0123456789";' + 'set "a" "${a}${a}";' * 30
    long = source + grow + 'if string :matches "${a}" "0123456789*" { discard; }'
    assert actions(long) == []
    many = "".join(f'set "v{n}" "x";' for n in range(200))
    assert "variables" in actions(source + many)[0]


def test_rfc5231_relational() -> None:
    numeric = ("relational", "comparator-i;ascii-numeric")
    value = 'header :value "{}" :comparator "i;ascii-numeric" "x-spam-score" "{}"'
    assert holds(value.format("ge", 12), *numeric)
    assert not holds(value.format("gt", 12), *numeric)
    assert holds(value.format("lt", 4), *numeric)
    count = 'address :count "{}" :comparator "i;ascii-numeric" ["to", "cc"] "3"'
    assert holds(count.format("eq"), *numeric)
    assert not holds(count.format("ne"), *numeric)
    assert not holds(count.format("lt"), *numeric)
    with pytest.raises(SieveError, match="is none of"):
        compile_script(b'require "relational"; if header :value "is" "a" "b" { stop; }')


def test_rfc5051_letters_and_their_accents_are_what_one_letter_is() -> None:
    comparator = ':comparator "i;unicode-casemap"'
    capabilities = ("variables", "comparator-i;unicode-casemap")
    assert holds(f'string :is {comparator} "JO\u0308RG" "j\u00f6rg"', *capabilities)
    assert holds(f'string :contains {comparator} "xJO\u0308RGx" "j\u00f6rg"', *capabilities)
    assert not holds(f'string :is {comparator} "jorg" "j\u00f6rg"', *capabilities)


def test_rfc5233_subaddress() -> None:
    assert holds('address :detail "from" "work"', "subaddress")
    assert holds('address :user "from" "ada"', "subaddress")
    assert not holds('address :detail "cc" ""', "subaddress")
    assert holds('envelope :detail "to" "lists"', "subaddress", "envelope")


def test_rfc5173_body() -> None:
    assert holds('body :contains "quick brown"', "body")
    assert holds('body :contains "slow = dog"', "body")
    assert holds('body :text :contains "= dog"', "body")
    assert holds('body :raw :contains "=3D dog"', "body")
    assert holds('body :content "text/html" :contains "<b>slow"', "body")
    assert not holds('body :content "text/plain" :contains "slow"', "body")
    assert holds('body :content "text" :contains ["nothing", "brown"]', "body")
    assert not holds('body :content ["text/", "/plain", "a/b/c"] :contains ""', "body")
    assert holds('body :content "" :contains "fox"', "body")
    around = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\nbefore\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: attached\r\n\r\ninside\r\n"
        b"--b--\r\nbehind\r\n"
    )
    assert holds('body :content "multipart" :contains "before"', "body", message=around)
    assert holds('body :content "multipart" :contains "behind"', "body", message=around)
    assert not holds('body :content "multipart" :contains "attached"', "body", message=around)
    for part in ("--b", "beforebehind"):
        assert not holds(f'body :content "multipart" :contains "{part}"', "body", message=around)
    assert holds('body :content "multipart" :is "behind\r\n"', "body", message=around)
    assert holds('body :content "message/rfc822" :contains "attached"', "body", message=around)
    assert not holds('body :content "message" :contains "inside"', "body", message=around)


def test_rfc5260_date_index_and_currentdate() -> None:
    assert holds('date :zone "+0000" "date" "hour" "06"', "date")
    assert holds('date :originalzone "date" "hour" "01"', "date")
    assert holds('date :originalzone "date" "zone" "-0500"', "date")
    assert holds('date :zone "+0000" "date" "iso8601" "2026-11-27T06:30:00+00:00"', "date")
    assert holds('date :originalzone "date" "std11" "Fri, 27 Nov 2026 01:30:00 -0500"', "date")
    assert holds('date :zone "+0000" "date" "julian" "61371"', "date")
    assert holds('date :index 2 :originalzone "received" "time" "11:59:00"', "date", "index")
    assert holds('date :index 1 :last :originalzone "received" "time" "11:59:00"', "date", "index")
    # Of several fields the first alone, unless :index says which (RFC 5260 4).
    assert holds('date :originalzone "received" "time" "09:59:58"', "date")
    assert not holds('date :originalzone "received" "time" "11:59:00"', "date")
    assert not holds('date "subject" "year" "2026"', "date")
    assert holds('currentdate :zone "+0000" "weekday" "5"', "date")
    assert holds('currentdate "hour" "12"', "date", zone=fixed(120))
    # The owner's zone as it was at the time of the date, in summer and winter.
    berlin = ZoneInfo("Europe/Berlin")
    assert holds('currentdate "zone" "+0100"', "date", zone=berlin)
    assert holds('date "date" "time" "07:30:00"', "date", zone=berlin)
    raw = b"Date: Mon, 1 Jun 2026 06:30:00 +0000\r\n\r\n"
    summer = 'date "date" "std11" "Mon, 01 Jun 2026 08:30:00 +0200"'
    assert holds(summer, "date", message=raw, zone=berlin)
    assert holds(
        'allof (currentdate :value "ge" "date" "2026-11-01",'
        ' currentdate :value "le" "date" "2026-12-01")',
        "date",
        "relational",
    )
    assert not holds('currentdate "century" "20"', "date")
    source = require("date") + 'if currentdate :zone "noon" "hour" "1" { stop; }'
    assert actions(source) == ["error: 'noon' is no time zone"]


def test_rfc5260_index_of_headers_and_addresses() -> None:
    assert holds('header :index 2 :is "x-spam-score" "3"', "index")
    assert holds('header :index 1 :last :is "x-spam-score" "3"', "index")
    assert not holds('header :index 3 :matches "x-spam-score" "*"', "index")
    assert not holds('address :index 2 :matches "to" "*"', "index")


def test_rfc5293_editheader() -> None:
    source = require("editheader", "variables")
    result = run(
        source
        + 'addheader "X-Top" "one"; addheader :last "X-Bottom" "Jörg\r\nBcc: x@y.test";'
        + 'deleteheader "X-Spam-Score"; deleteheader :index 1 "To";'
        + 'deleteheader :contains "Subject" "nothing";'
        + 'if exists "x-top" { addheader "X-Seen" "yes"; }'
    )
    assert not result.error
    assert result.message is not None
    header = result.message[: summarize(result.message).header_end]
    assert header.startswith(b"X-Seen: yes\r\nX-Top: one\r\n")
    assert header_values(header, "x-bottom") == ["Jörg Bcc: x@y.test"]
    assert not header_values(header, "bcc")
    assert not header_values(header, "x-spam-score")
    assert not header_values(header, "to")
    assert header_values(header, "subject")
    body = MESSAGE.partition(b"\r\n\r\n")[2]
    assert result.message.endswith(b"\r\n\r\n" + body)


def test_rfc5293_what_must_not_be_edited() -> None:
    # Section 6: an attempt that is not allowed is ignored in silence.
    for name in ("Received", "Auto-Submitted", "Delivered-To"):
        marked = name.encode() + b": here\r\n" + MESSAGE
        assert run(f'require "editheader"; deleteheader "{name}"; stop;', marked).message is None
    with pytest.raises(SieveError, match="no name of a header field"):
        compile_script(b'require "editheader"; addheader "a b" "x";')
    sly = require("editheader", "variables") + 'set "n" "received"; deleteheader "${n}";'
    assert run(sly).message is None
    many = require("editheader") + 'addheader "X" "y";' * 101
    assert "edited more than" in actions(many)[0]


def test_rfc5293_a_flood_of_fields_is_kept_by_an_edit() -> None:
    flood = b"".join(b"X-%d: y\r\n" % number for number in range(2_500))
    result = run('require "editheader"; addheader "X-Seen" "yes";', flood + MESSAGE)
    assert result.message == b"X-Seen: yes\r\n" + flood + MESSAGE


def test_what_is_added_to_a_header_has_lines_that_servers_take() -> None:
    for value in ("word " * 900, "w" * 5_000, "Jörg " * 900, "ends\x01here"):
        result = run(f'require "editheader"; addheader "X-Long" "{value}"; stop;')
        assert result.message is not None
        block = result.message[: summarize(result.message).header_end]
        assert max(map(len, block.split(b"\r\n"))) < 998
        assert b"\x01" not in block
        [found] = header_values(block, "x-long")
        assert found == " ".join(value.replace("\x01", " ").split())
    long = f'require "editheader"; addheader "{"N" * 71}" "x";'
    assert "no name of a header field" in actions(long)[0]


def test_rfc5429_reject_excludes_taking() -> None:
    assert actions(require("reject") + 'reject "no";') == ["reject no"]
    assert actions(require("ereject") + 'ereject "no";') == ["ereject no"]
    for other in ("keep;", 'redirect "a@b.test";'):
        source = require("reject") + f'reject "no"; {other}'
        assert actions(source)[0].startswith("error: ")
        source = require("reject") + f'{other} reject "no";'
        assert actions(source)[0].startswith("error: ")


def test_rfc5230_vacation_and_its_handle() -> None:
    plain = run(require("vacation") + 'vacation "Away until Monday";').actions
    [vacation, keep] = plain
    assert isinstance(vacation, Vacation)
    assert vacation.seconds is None
    assert [type(keep).__name__] == ["Keep"]
    [same, _] = run(require("vacation") + 'vacation :days 3 "Away until Monday";').actions
    [other, _] = run(require("vacation") + 'vacation :subject "x" "Away until Monday";').actions
    assert same.handle == vacation.handle != other.handle
    assert same.seconds == 3 * 86_400
    full = require("vacation", "vacation-seconds") + (
        'vacation :seconds 600 :handle "h" :from "Grace <g@example.test>" :addresses ["g@x.test"]'
        " :mime text:\r\nContent-Type: text/html\r\n\r\n<p>Away</p>\r\n.\r\n;"
    )
    [vacation, _] = run(full).actions
    assert (vacation.handle, vacation.seconds, vacation.mime) == ("h", 600, True)
    assert actions(require("vacation") + 'vacation "a"; vacation "b";') == [
        "error: there are two vacations"
    ]


def test_rfc7352_duplicate() -> None:
    seen = set()

    def was_seen(handle: str, identity: str) -> bool:
        return (handle, identity) in seen

    source = require("duplicate", "variables")
    result = run(source + "if duplicate { discard; }", was_seen=was_seen)
    [remembered] = result.seen
    assert remembered.identity == "<one@example.test>"
    assert remembered.seconds == 7 * 86_400
    seen.add((remembered.handle, remembered.identity))
    assert actions(source + "if duplicate { discard; }", was_seen=was_seen) == []
    assert actions(source + 'if duplicate :handle "x" { discard; }', was_seen=was_seen) == ["keep"]
    unique = 'if duplicate :seconds 60 :last :uniqueid "${1}x" { discard; }'
    [one] = run(source + unique, was_seen=was_seen).seen
    assert (one.identity, one.seconds, one.renew) == ("x", 60, True)
    assert run(source + 'if duplicate :header "x-none" { discard; }').seen == []
    assert run(source + 'if duplicate :uniqueid "${none}" { discard; }').seen == []
    assert run(source + "if duplicate { discard; }", b"Message-ID:\r\n\r\n").seen == []
    many = "".join(f'if duplicate :uniqueid "{number}" {{ stop; }}' for number in range(17))
    assert actions(source + many) == ["error: there are more than 16 ids of duplicates"]


@pytest.mark.parametrize(
    "test",
    [
        "duplicate",
        'duplicate :header "message-ID"',
        'duplicate :uniqueid "<one@example.test>"',
        'allof (header :matches "message-id" "*", duplicate :uniqueid "${0}")',
    ],
)
def test_rfc7352_does_not_ask_where_an_id_comes_from(test: str) -> None:
    seen = {("", "<one@example.test>")}
    source = require("duplicate", "variables") + f"if {test} {{ discard; }}"
    assert actions(source, was_seen=lambda *asked: asked in seen) == []


def test_rfc7352_long_ids_are_told_from_each_other_to_their_end() -> None:
    thread = b"References: " + b" <a-message-of-this-thread@example.test>" * 50
    ids = {
        run('require "duplicate"; if duplicate :header "References" { discard; }', raw).seen[0]
        for raw in (thread + b" <one@x.test>\r\n\r\n", thread + b" <two@x.test>\r\n\r\n")
    }
    assert len({one.identity for one in ids}) == 2


def test_rfc5490_mailbox_and_rfc8579_special_use() -> None:
    assert holds('mailboxexists ["INBOX", "Lists"]', "mailbox")
    assert not holds('mailboxexists ["INBOX", "None"]', "mailbox")
    assert holds('specialuse_exists "\\\\Junk"', "special-use")
    assert holds('specialuse_exists "Junk" "\\\\Junk"', "special-use")
    assert not holds('specialuse_exists ["\\\\Junk", "\\\\Sent"]', "special-use")
    source = require("fileinto", "mailbox", "special-use")
    assert actions(source + 'fileinto :create :specialuse "\\\\Junk" "Spam";') == [
        "fileinto Spam create \\Junk"
    ]


def test_rfc5435_notify_by_mail() -> None:
    source = require("enotify", "variables")
    method = "mailto:a@b.test,c@d.test?subject=x"
    [notify, _] = run(
        source + f'notify :importance "1" :message "it came" :from "g@x.test" "{method}";'
    ).actions
    assert notify == Notify(method, "it came", "g@x.test", 1)
    assert holds(f'valid_notify_method "{method}"', "enotify")
    assert not holds('valid_notify_method ["mailto:", "xmpp:a@b.test"]', "enotify")
    assert holds('valid_notify_method ["mailto:?To=a%40b.test", "MAILTO:a+b@b.test"]', "enotify")
    assert not holds('valid_notify_method "mailto:?cc=a@b.test"', "enotify")
    assert holds('notify_method_capability "mailto:a@b.test" "online" "maybe"', "enotify")
    assert not holds('notify_method_capability "mailto:a@b.test" "other" "maybe"', "enotify")
    assert "knows no method" in actions(source + 'notify "tel:1";')[0]
    assert "no importance" in actions(source + 'notify :importance "9" "mailto:a@b.test";')[0]
    assert actions(
        source + 'set :encodeurl "u" "a b&c"; notify "mailto:x@y.test?subject=${u}";'
    ) == [
        "notify mailto:x@y.test?subject=a%20b%26c",
        "keep",
    ]


def test_regex_matches_in_linear_time_and_captures() -> None:
    assert holds('header :regex "subject" "(money|gold) +fast$"', "regex")
    assert not holds('header :regex :comparator "i;octet" "subject" "MONEY"', "regex")
    source = require("regex", "variables", "fileinto")
    assert actions(
        source + 'if header :regex "from" "<(.+)[+](.+)@" { fileinto "${2}/${1}"; }'
    ) == ["fileinto work/ada"]
    evil = MESSAGE.replace(b"make money fast", b"a" * 50_000)
    assert not holds('header :regex "subject" "(a+)+(b|c)"', "regex", message=evil)
    for wrong in ("(", "a{2000000}", "\\\\1(a)"):
        with pytest.raises(SieveError, match="not usable"):
            compile_script(f'require "regex"; if header :regex "a" "{wrong}" {{ stop; }}'.encode())
    late = source + 'set "p" "("; if header :regex "subject" "${p}" { stop; }'
    assert "not usable" in actions(late)[0]


def test_a_run_ends_when_its_time_is_over_and_keeps_the_message() -> None:
    asked = 0

    def late() -> bool:
        nonlocal asked
        asked += 1
        return asked > 50

    source = 'require "body";' + 'if body :contains ["a1", "a2", "a3"] { discard; }' * 20
    result = run(source, is_late=late)
    assert result.actions == [Keep()]
    assert "too long" in result.error


def test_variables_in_a_string_make_no_bomb() -> None:
    variables = Variables()
    variables.set("a", "x" * limits.MAX_VALUE)
    tracemalloc.start()
    assert len(variables.expand("${a}" * 60_000)) == limits.MAX_VALUE
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert variables.expand("<${a}>")[:2] == "<x"
    assert variables.expand("${none}${}$") == "${}$"


def test_a_body_is_taken_apart_in_few_ways() -> None:
    tests = " ".join(
        f'if body :content "text/x{number}" :contains "a" {{ stop; }}' for number in range(17)
    )
    result = run('require "body"; ' + tests)
    assert "ways" in result.error
