"""RFC 5321 4.1.1 and the extensions that Workpost announces: command lines."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.protocols.smtp.wire.commands import (
    MAIL_LINE,
    RCPT_LINE,
    MailFrom,
    parse_auth,
    parse_bdat,
    parse_greeting,
    parse_mail,
    parse_rcpt,
    split_command,
)
from workpost.protocols.smtp.wire.errors import CommandError
from workpost.protocols.smtp.wire.paths import Address

ADA = Address("ada", "a.test")


def refused(function, *args, **kwargs):
    with pytest.raises(CommandError) as caught:
        function(*args, **kwargs)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize(
    ("line", "verb", "argument"),
    [
        (b"NOOP", b"NOOP", b""),
        (b"mail FROM:<>", b"MAIL", b"FROM:<>"),
        (b"QUIT  ", b"QUIT", b""),
        (b" QUIT", b"", b"QUIT"),
        (b"", b"", b""),
    ],
)
def test_section_2_4_verbs_are_case_insensitive_and_trailing_space_is_tolerated(
    line, verb, argument
):
    assert split_command(line) == (verb, argument)


@pytest.mark.parametrize("line", [b"NOOP \0", b"NOOP \r", b"NO\nOP"])
def test_section_4_1_2_controls_are_refused(line):
    assert refused(split_command, line) == (500, "5.5.2")


@pytest.mark.parametrize(
    ("verb", "limit"),
    [(b"NOOP", 512), (b"RCPT", RCPT_LINE), (b"MAIL", MAIL_LINE), (b"AUTH", 12288)],
)
def test_section_4_5_3_1_4_a_line_is_as_long_as_its_verb_allows(verb, limit):
    line = verb + b" " + b"x" * (limit - len(verb) - 3)
    assert split_command(line)[0] == verb
    assert refused(split_command, line + b"x") == (500, "5.5.2")


@pytest.mark.parametrize("name", ["a.test", "[192.0.2.1]", "my_pc", "höhle.test"])
def test_section_4_1_1_1_any_word_may_be_the_name_of_a_client(name):
    assert parse_greeting(name.encode()) == name


@pytest.mark.parametrize("name", [b"", b"a b", b"a\x01", b"\xff", b"a" * 256])
def test_section_4_1_1_1_a_greeting_without_a_name_is_refused(name):
    assert refused(parse_greeting, name)[0] == 501


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"FROM:<ada@a.test>", MailFrom(ADA)),
        (b"from: <ada@a.test>", MailFrom(ADA)),
        (b"FROM:<>", MailFrom(None)),
        (b"FROM:<> SIZE=0", MailFrom(None)),
        (b"FROM:<ada@a.test> SIZE=1000", MailFrom(ADA, size=1000)),
        (b"FROM:<ada@a.test> body=8bitmime", MailFrom(ADA, body="8BITMIME")),
        (b"FROM:<ada@a.test>  BODY=7BIT  size=2 ", MailFrom(ADA, size=2)),
        (b"FROM:<ada@a.test> SMTPUTF8", MailFrom(ADA, smtputf8=True)),
        (
            "FROM:<ådå@a.test> SMTPUTF8".encode(),
            MailFrom(Address("ådå", "a.test"), smtputf8=True),
        ),
        (b"FROM:<ada@a.test> AUTH=<>", MailFrom(ADA, auth="")),
        (b"FROM:<ada@a.test> holdfor=90", MailFrom(ADA, holdfor=90)),
        (b"FROM:<> HOLDUNTIL=1970-01-01T00:01:00Z", MailFrom(None, holduntil=60_000)),
        (b"FROM:<> HOLDUNTIL=1970-01-01t02:00:00.25+02:00", MailFrom(None, holduntil=250)),
        (b"FROM:<ada@a.test> AUTH=e+3Dmc2@a.test", MailFrom(ADA, auth="e=mc2@a.test")),
    ],
)
def test_section_4_1_1_2_mail(argument, expected):
    assert parse_mail(argument) == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"", (501, "5.5.4")),
        (b"TO:<ada@a.test>", (501, "5.5.4")),
        (b"FROM <ada@a.test>", (501, "5.5.4")),
        (b"FROM:ada@a.test", (501, "5.1.7")),
        (b"FROM:<ada@a.test>SIZE=1", (501, "5.5.4")),
        (b"FROM:<>x", (501, "5.5.4")),
        (b"FROM:<\xff@a.test>", (501, "5.5.2")),
        ("FROM:<ådå@a.test>".encode(), (553, "5.6.7")),
        ("FROM:<ada@höhle.test> SIZE=1".encode(), (553, "5.6.7")),
        (b"FROM:<> SIZE", (501, "5.5.4")),
        (b"FROM:<> SIZE=-1", (501, "5.5.4")),
        (b"FROM:<> SIZE=" + b"9" * 21, (501, "5.5.4")),
        (b"FROM:<> SIZE=1 SIZE=2", (501, "5.5.4")),
        (b"FROM:<> BODY", (501, "5.5.4")),
        (b"FROM:<> BODY=BINARYMIME", (501, "5.5.4")),
        (b"FROM:<> SMTPUTF8=yes", (501, "5.5.4")),
        (b"FROM:<> AUTH", (501, "5.5.4")),
        (b"FROM:<> AUTH=a+b", (501, "5.5.4")),
        (b"FROM:<> AUTH=+3d", (501, "5.5.4")),
        (b"FROM:<> =1", (501, "5.5.4")),
        (b"FROM:<> A=b=c", (501, "5.5.4")),
        (b"FROM:<> MT-PRIORITY=3", (555, "5.5.4")),
        (b"FROM:<> RET", (501, "5.5.4")),
        (b"FROM:<> RET=ALL", (501, "5.5.4")),
        (b"FROM:<> ENVID", (501, "5.5.4")),
        (b"FROM:<> ENVID=a+", (501, "5.5.4")),
        (b"FROM:<> ENVID=a+0Ab", (501, "5.5.4")),
        (b"FROM:<> ENVID=a+7F", (501, "5.5.4")),
        (b"FROM:<> ENVID=" + b"x" * 101, (501, "5.5.4")),
        ("FROM:<> SMTPUTF8 ENVID=ä".encode(), (501, "5.5.4")),
        (b"FROM:<> REQUIRETLS=yes", (501, "5.5.4")),
        (b"FROM:<> HOLDFOR", (501, "5.5.4")),
        (b"FROM:<> HOLDFOR=-1", (501, "5.5.4")),
        (b"FROM:<> HOLDFOR=1234567890", (501, "5.5.4")),
        (b"FROM:<> HOLDUNTIL", (501, "5.5.4")),
        (b"FROM:<> HOLDUNTIL=2027-02-30T00:00:00Z", (501, "5.5.4")),
        (b"FROM:<> HOLDUNTIL=2027-01-01T00:00:00", (501, "5.5.4")),
        (b"FROM:<> HOLDUNTIL=1798761600", (501, "5.5.4")),
        (b"FROM:<> HOLDFOR=1 HOLDUNTIL=2027-01-01T00:00:00Z", (501, "5.5.4")),
    ],
)
def test_section_4_1_1_11_mail_that_cannot_be_understood(argument, expected):
    assert refused(parse_mail, argument) == expected


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"TO:<ada@a.test>", ADA),
        (b"to: <@b.test:ada@a.test>", ADA),
        (b"TO:<Postmaster>", Address("Postmaster", "")),
        (b"TO:<postmaster@a.test>", Address("postmaster", "a.test")),
    ],
)
def test_section_4_1_1_3_rcpt(argument, expected):
    assert parse_rcpt(argument, smtputf8=False) == (expected, (), "")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"TO:<>", (501, "5.1.3")),
        (b"TO:<grace>", (501, "5.1.3")),
        (b"FROM:<ada@a.test>", (501, "5.5.4")),
        (b"TO:<ada@a.test> SIZE=3", (555, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY", (501, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY=", (501, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY=NEVER,SUCCESS", (501, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY=SUCCESS,", (501, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY=SOMETIMES", (501, "5.5.4")),
        (b"TO:<ada@a.test> NOTIFY=DELAY NOTIFY=DELAY", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT=ada@a.test", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT=rfc822;", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT=;ada@a.test", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT=rfc822;ada+0D+0A@a.test", (501, "5.5.4")),
        (b"TO:<ada@a.test> ORCPT=rfc822;" + b"x" * 494, (501, "5.5.4")),
        ("TO:<ada@a.test> ORCPT=rfc822;ådå@a.test".encode(), (501, "5.5.4")),
        ("TO:<ada@a.test> ORCPT=utf-8;ådå@a.test".encode(), (553, "5.6.7")),
        (b"TO:<ada@a.test> ORCPT=utf-8;\\x{e5}@a.test", (501, "5.5.4")),
        ("TO:<ådå@a.test>".encode(), (553, "5.6.7")),
    ],
)
def test_section_4_1_1_3_rcpt_that_cannot_be_understood(argument, expected):
    assert refused(parse_rcpt, argument, smtputf8=False) == expected


def test_rfc_6531_section_3_4_rcpt_takes_utf8_after_smtputf8():
    assert parse_rcpt("TO:<ådå@a.test>".encode(), smtputf8=True).recipient.local == "ådå"


def test_rfc_3461_section_4_3_and_4_4_mail_says_what_a_report_holds():
    mail = parse_mail(b"FROM:<ada@a.test> RET=hdrs ENVID=QQ+2B314159 REQUIRETLS")
    assert (mail.ret, mail.envid, mail.requiretls) == ("HDRS", "QQ+2B314159", True)


@pytest.mark.parametrize(
    ("parameters", "notify", "orcpt"),
    [
        (b"NOTIFY=never", ("NEVER",), ""),
        (b"NOTIFY=DELAY,success", ("SUCCESS", "DELAY"), ""),
        (b"NOTIFY=FAILURE,FAILURE", ("FAILURE",), ""),
        (b"ORCPT=rfc822;a+2Bb@c.test", (), "rfc822;a+2Bb@c.test"),
        (b"ORCPT=X400;/S=x+20y/ NOTIFY=SUCCESS", None, None),
        (b"ORCPT=utf-8;\\x{E5}d\\x{E5}@a.test", (), "utf-8;\\x{E5}d\\x{E5}@a.test"),
        ("ORCPT=utf-8;ådå@a.test".encode(), (), "utf-8;ådå@a.test"),
    ],
)
def test_rfc_3461_section_4_1_and_4_2_rcpt_says_what_is_to_be_told(parameters, notify, orcpt):
    argument = b"TO:<ada@a.test> " + parameters
    if notify is None:  # xtext holds no equals sign
        assert refused(parse_rcpt, argument, smtputf8=True) == (501, "5.5.4")
    else:
        assert parse_rcpt(argument, smtputf8=True) == (ADA, notify, orcpt)


def test_rfc_3461_section_4_the_longest_parameters_fit():
    mail = b"MAIL FROM:<%b@a.test> RET=FULL ENVID=%b SMTPUTF8 REQUIRETLS" % (b"x" * 60, b"x" * 100)
    rcpt = b"RCPT TO:<%b@a.test> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%b" % (
        b"x" * 60,
        b"x" * 493,
    )
    assert parse_mail(split_command(mail)[1]).envid == "x" * 100
    assert len(parse_rcpt(split_command(rcpt)[1], smtputf8=False).orcpt) == 500


@pytest.mark.parametrize(
    ("argument", "expected"),
    [(b"0", (0, False)), (b"10", (10, False)), (b"10 LAST", (10, True)), (b"0  last", (0, True))],
)
def test_rfc_3030_section_2_bdat(argument, expected):
    assert parse_bdat(argument) == expected


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"1 FIRST", b"LAST", b"1" * 21, b"\xb2"])
def test_rfc_3030_section_2_bdat_that_cannot_be_understood(argument):
    assert refused(parse_bdat, argument) == (501, "5.5.4")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"PLAIN", ("PLAIN", None)),
        (b"plain AGEAYg==", ("PLAIN", b"AGEAYg==")),
        (b"LOGIN =", ("LOGIN", b"=")),
    ],
)
def test_rfc_4954_section_4_auth(argument, expected):
    assert parse_auth(argument) == expected


@pytest.mark.parametrize("argument", [b"", b"A" * 21, b"pl@in x"])
def test_rfc_4954_section_4_auth_that_cannot_be_understood(argument):
    assert refused(parse_auth, argument) == (501, "5.5.4")


PARSERS = (
    split_command,
    parse_greeting,
    parse_mail,
    lambda argument: parse_rcpt(argument, smtputf8=True),
    parse_bdat,
    parse_auth,
)


@pytest.mark.parametrize("parse", PARSERS)
@given(
    prefix=st.sampled_from([b"", b"FROM:", b"TO:<", b"FROM:<a@b.test> ", b"FROM:<> AUTH="]),
    rest=st.binary(max_size=80) | st.text('<>@.:,"\\[] abé-+=1\x00').map(str.encode),
)
def test_arbitrary_octets_are_a_command_or_an_error(parse, prefix, rest):
    with suppress(CommandError):
        parse(prefix + rest)
