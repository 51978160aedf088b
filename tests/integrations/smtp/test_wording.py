"""Commands and content as they are sent: RFC 5321, 1870, 3461, 6152, 6531, 8689."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.smtp.base import Mail, MailRecipient
from workpost.integrations.smtp.offers import Offer
from workpost.integrations.smtp.wording import Wording, header_of, stuff, word, xtext

EVERYTHING = Offer(
    {
        "SIZE": ("5000",),
        "8BITMIME": (),
        "SMTPUTF8": (),
        "DSN": (),
        "REQUIRETLS": (),
    }
)
NOTHING = Offer()
PLAIN = b"Subject: Hello\r\n\r\nGood morning.\r\n"


def mail(*recipients: str | MailRecipient, **more: object) -> Mail:
    listed = [
        each if isinstance(each, MailRecipient) else MailRecipient(number, each)
        for number, each in enumerate(recipients or ("grace@example.test",))
    ]
    return Mail(**{"sender": "ada@demo.test", "recipients": listed, "content": PLAIN, **more})


def commands(wording: Wording) -> list[bytes]:
    return [wording.mail, *(line for _, line in wording.recipients)]


def test_plain_mail_has_plain_commands() -> None:
    assert commands(word(mail(), NOTHING)) == [
        b"MAIL FROM:<ada@demo.test>\r\n",
        b"RCPT TO:<grace@example.test>\r\n",
    ]


def test_the_null_sender() -> None:
    assert word(mail(sender=""), NOTHING).mail == b"MAIL FROM:<>\r\n"


def test_size_is_said_and_kept_to() -> None:
    assert b" SIZE=%d" % len(PLAIN) in word(mail(), EVERYTHING).mail
    wording = word(mail(content=PLAIN + b"x" * 5000), EVERYTHING)
    assert wording.recipients == []
    assert wording.refused[0].status == "5.3.4"


def test_8bitmime_is_asked_for_where_the_content_needs_it() -> None:
    eight = mail(content=PLAIN + b"caf\xc3\xa9\r\n", body="8BITMIME")
    assert b" BODY=8BITMIME" in word(eight, EVERYTHING).mail
    assert word(eight, NOTHING).refused[0].status == "5.6.3"
    assert b"BODY" not in word(mail(body="8BITMIME"), EVERYTHING).mail


def test_smtputf8_is_asked_for_where_an_address_or_the_header_needs_it() -> None:
    wording = word(mail("zoë@example.test"), EVERYTHING)
    assert wording.mail.endswith(b" SMTPUTF8\r\n")
    assert wording.recipients[0][1] == "RCPT TO:<zoë@example.test>\r\n".encode()
    header = mail(content="Subject: é\r\n\r\n".encode(), smtputf8=True)
    assert b" SMTPUTF8" in word(header, EVERYTHING).mail
    assert word(header, Offer({"8BITMIME": ()})).refused[0].status == "5.6.7"
    assert b"SMTPUTF8" not in word(mail(smtputf8=True), EVERYTHING).mail


def test_without_smtputf8_only_those_who_need_it_are_refused() -> None:
    wording = word(mail("zoë@example.test", "grace@bücher.test", "eve@example.test"), NOTHING)
    assert {place: each.status for place, each in wording.refused.items()} == {0: "5.6.7"}
    assert [line for _, line in wording.recipients] == [
        b"RCPT TO:<grace@xn--bcher-kva.test>\r\n",
        b"RCPT TO:<eve@example.test>\r\n",
    ]
    assert word(mail(sender="zoë@demo.test"), NOTHING).refused[0].status == "5.6.7"
    assert word(mail(sender="ada@bücher.test"), NOTHING).mail == (
        b"MAIL FROM:<ada@xn--bcher-kva.test>\r\n"
    )


def test_dsn_parameters_go_where_dsn_is_offered() -> None:
    wish = MailRecipient(7, "grace@example.test", ("SUCCESS", "DELAY"), "rfc822;g+2Bx@old.test")
    asked = mail(wish, ret="HDRS", envid="QQ+3D314159")
    wording = word(asked, EVERYTHING)
    assert wording.mail.endswith(b" RET=HDRS ENVID=QQ+3D314159\r\n")
    assert wording.recipients[0][1].endswith(
        b"> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;g+2Bx@old.test\r\n"
    )
    assert commands(word(asked, NOTHING)) == commands(word(mail(), NOTHING))


def test_requiretls_is_passed_on_or_not_sent() -> None:
    assert b" REQUIRETLS" in word(mail(requiretls=True), EVERYTHING).mail
    assert word(mail(requiretls=True), NOTHING).refused[0].status == "5.7.30"


def test_xtext() -> None:
    assert xtext("a+2Bb") == b"a+2Bb"
    assert xtext("a+b=c d") == b"a+2Bb+3Dc+20d"
    assert xtext("é") == b"+C3+A9"


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_nothing_ends_a_command_before_its_end(
    sender: str, recipient: str, envid: str, orcpt: str
) -> None:
    given_ = MailRecipient(0, recipient, ("SUCCESS",), f"rfc822;{orcpt}")
    for offer in (EVERYTHING, NOTHING):
        wording = word(mail(given_, sender=sender, envid=envid), offer)
        assert set(wording.refused) ^ {place for place, _ in wording.recipients} == {0}
        for line in commands(wording):
            assert line == b"" or (line.endswith(b"\r\n") and line.count(b"\n") == 1)
            assert line.count(b"\r") in {0, 1}
            assert b"\0" not in line


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"..", b"\xff"]), max_size=12))
def test_the_dot_ends_nothing_but_the_message(pieces: list[bytes]) -> None:
    sent = stuff(b"".join(pieces)) + b".\r\n"
    assert sent.find(b"\r\n.\r\n") in {-1, len(sent) - 5}
    assert sent.startswith(b".\r\n") == (sent == b".\r\n")
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    assert sent.endswith(b"\r\n.\r\n") or sent == b".\r\n"


@given(st.lists(st.sampled_from([b".", b"\r\n", b"a", b".."]), max_size=12))
def test_what_is_stuffed_comes_out_as_it_was(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    lines = stuff(content).split(b"\r\n")
    plain = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    assert plain == content + (b"" if content.endswith(b"\r\n") or not content else b"\r\n")


def test_the_header_ends_at_the_first_empty_line() -> None:
    assert header_of(b"A: 1\r\nB: 2\r\n\r\nC: 3\r\n") == b"A: 1\r\nB: 2\r\n"
    assert header_of(b"\r\nbody") == b""
    assert header_of(b"A: 1") == b"A: 1"
