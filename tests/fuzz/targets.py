"""What holds for any input: one function a parser, and seeds to begin from.

A target raises nothing but an AssertionError or what its parser should never raise; either is a
finding. `script/fuzz` runs them under a coverage-guided fuzzer, `test_smoke.py` for a moment each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.formats.imap_lists import check_body, check_envelope
from tests.fuzz import filters, senders, signatures
from tests.fuzz.ugly import UGLY
from workpost.formats import addresses, encoded_words, flow_functions
from workpost.formats import mta_sts as mta_sts_format
from workpost.formats.dates import parse_date
from workpost.formats.mime import SummaryError, decode_part, header_text, search_text, summarize
from workpost.formats.mime.blind import drop_blind_copies
from workpost.formats.mime.replacing import (
    LONGEST_LINE,
    ReplacementRefused,
    check_replacement,
    mend_line_ends,
)
from workpost.formats.sieve.actions import World
from workpost.formats.sieve.checker import compile_script
from workpost.formats.sieve.errors import SieveError
from workpost.formats.sieve.interpreter import run_script
from workpost.integrations.smtp.offers import parse_offer
from workpost.integrations.smtp.replies import BadReply, Reply, ReplyReader
from workpost.protocols.imap.wire.errors import WireError
from workpost.protocols.imap.wire.framing import Frame, Framer, Limits, Refused
from workpost.protocols.imap.wire.parser import parse
from workpost.protocols.managesieve.wire import framing as managesieve_framing
from workpost.protocols.managesieve.wire import parser as managesieve_parser
from workpost.protocols.smtp.wire import commands
from workpost.protocols.smtp.wire.bdat import ChunkReader
from workpost.protocols.smtp.wire.data import DataDecoder
from workpost.protocols.smtp.wire.errors import CommandError

BIGGEST = 64 * 1024
"""Octets of an input."""


class Target(NamedTuple):
    """One parser under fire."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def smtp_commands(data: bytes) -> None:
    """Every command line is read or refused with a reply of its own."""
    readers: list[Callable[[bytes], object]] = [
        commands.parse_greeting,
        commands.parse_mail,
        lambda line: commands.parse_rcpt(line, smtputf8=False),
        lambda line: commands.parse_rcpt(line, smtputf8=True),
        commands.parse_bdat,
        commands.parse_auth,
    ]
    try:
        verb, argument = commands.split_command(data)
    except CommandError:
        return
    assert verb == verb.upper()
    for read in readers:
        try:
            read(argument)
        except CommandError as error:
            assert 500 <= error.code <= 599
            assert error.text.isprintable()


def smtp_data(data: bytes) -> None:
    """Cut anywhere, the content is the same; nothing but CRLF.CRLF ends it."""
    size = 1 + (data[0] if data else 0) % 7
    whole, pieces = DataDecoder(1 << 20), DataDecoder(1 << 20)
    used = whole.feed(data)
    at = 0
    while at < len(data) and not pieces.done:
        piece = data[at : at + size]
        taken = pieces.feed(piece)
        at += taken
        assert taken == len(piece) or pieces.done
    assert whole.done == pieces.done == (b"\r\n.\r\n" in b"\r\n" + data)
    assert used == at
    # Of two faults the pieces tell which came first.
    assert (whole.fault is None) == (pieces.fault is None)
    if whole.done:
        content = whole.content()
        assert content == pieces.content()
        assert b"\r\n.\r\n" not in content or b"\r\n..\r\n" in data
        assert b"\n" not in content.replace(b"\r\n", b"")


def smtp_chunks(data: bytes) -> None:
    """A chunk takes as many octets as it was told, whatever they are."""
    reader = ChunkReader(1 << 20)
    half = len(data) // 2
    for piece in (data[:half], data[half:]):
        reader.begin(len(piece))
        assert reader.feed(piece + b"QUIT\r\n") == len(piece)
    reader.finish()
    assert reader.fault is not None or reader.content() == data


def smtp_replies(data: bytes) -> None:
    """What servers answer is replies with printable text, whatever the cut, or refused."""
    size = 1 + (data[0] if data else 0) % 13
    found: list[list[Reply]] = []
    errors: list[BadReply | None] = []
    for step in (len(data) or 1, size):
        reader = ReplyReader()
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        found.append([reply for piece in pieces for reply in reader.feed(piece)])
        errors.append(reader.error)
    assert found[0] == found[1]
    assert (errors[0] is None) == (errors[1] is None)
    assert all(str(error).isprintable() for error in errors)
    for reply in found[1]:
        assert 200 <= reply.code <= 599
        assert reply.text.isprintable()
        assert reply.status[0] in "245"
        assert parse_offer(reply).size >= 0


def mta_sts(data: bytes) -> None:
    """A policy is read, or refused with its own error; what is read is written as it is read."""
    mta_sts_format.parse_record([data.decode("latin-1")])
    try:
        policy = mta_sts_format.parse_policy(data)
    except mta_sts_format.PolicyError:
        return
    if policy.mode != "none":
        assert mta_sts_format.parse_policy("\r\n".join(policy.lines).encode()) == policy


def smtp_addresses(data: bytes) -> None:
    """An address that is taken comes out as one that is taken again, as the same."""
    text = data.decode("utf-8", "replace")
    for smtputf8 in (False, True):
        try:
            once = addresses.parse_mailbox(text, smtputf8=smtputf8)
        except addresses.AddressError:
            continue
        assert addresses.parse_mailbox(once, smtputf8=smtputf8) == once
        assert addresses.fold(addresses.fold(once)) == addresses.fold(once)


def address_lists(data: bytes) -> None:
    """A list of addresses never fails, and never makes more of its input than it holds."""
    for name, address in addresses.parse_address_list(data):
        assert "\r" not in name + address
        assert "\n" not in name + address


def header_words(data: bytes) -> None:
    """Encoded words, dates and whole headers are read without an error."""
    text = encoded_words.decode_words(data)
    assert "\r" not in text
    parse_date(data.decode("latin-1"))
    header_text(data)


def function_responses(data: bytes) -> None:
    """What a function answers is a response, with an action that exists for each, or none."""
    for direction, actions in flow_functions.ACTIONS.items():
        try:
            found = flow_functions.read_response(data, direction)
        except flow_functions.ResponseInvalid:
            continue
        verdicts = [*found.named.values(), *([found.others] if found.others else [])]
        assert all(one.action in actions and "\n" not in one.reason for one in verdicts)
        assert set(found.named) <= set(found.written)


def mime_structure(data: bytes) -> None:
    """A summary can always be made, its lists parse, its parts lie within the message."""
    try:
        summary = summarize(data)
    except SummaryError:
        return
    check_envelope(summary.envelope)
    check_body(summary.body, extended=False)
    check_body(summary.bodystructure, extended=True)
    for part in summary.parts:
        assert 0 <= part.body_start <= part.body_end <= len(data)
        decode_part(data, part)
    search_text(data, summary)
    assert type(summary).unpack(summary.pack()) == summary


def replacements(data: bytes) -> None:
    """What takes a message's place is refused with a reason, or is what the original was."""
    first, _, second = data.partition(b"\0\0")
    try:
        original, content = mend_line_ends(first), mend_line_ends(second)
    except ReplacementRefused:
        return
    check_replacement(original, original, outgoing=True)
    try:
        check_replacement(original, content, outgoing=True)
    except ReplacementRefused as refused:
        assert str(refused).isprintable()
        return
    if content != original:
        assert max(map(len, content.split(b"\r\n"))) <= LONGEST_LINE


def blind_copies(data: bytes) -> None:
    """Fields of blind copies go once and for all; nothing else of a message does."""
    left = drop_blind_copies(data)
    assert drop_blind_copies(left) is left
    rest = iter(data.splitlines(keepends=True))
    assert all(line in rest for line in left.splitlines(keepends=True))
    assert len(left) == len(data) or b"bcc" in data.lower()


def imap_commands(data: bytes) -> None:
    """Whatever the cut, the framer gives frames; each is a command or a WireError."""
    framer = Framer(Limits(message=BIGGEST))
    for start in range(0, len(data), 97):
        framer.feed(data[start : start + 97])
        while (found := framer.next_event()) is not None:
            if isinstance(found, Refused) and found.fatal:
                return
            if isinstance(found, Frame):
                try:
                    parse(found.parts)
                except WireError:
                    pass


def managesieve_commands(data: bytes) -> None:
    """As for IMAP: frames, and a command or a WireError of each."""
    framer = managesieve_framing.Framer()
    for start in range(0, len(data), 97):
        framer.feed(data[start : start + 97])
        while (found := framer.next_event()) is not None:
            if isinstance(found, managesieve_framing.Frame):
                for read in (managesieve_parser.parse, managesieve_parser.parse_string):
                    try:
                        read(found.parts)
                    except managesieve_parser.WireError:
                        pass


def sieve_scripts(data: bytes) -> None:
    """A script is read or refused; one that is read runs to an end and loses no message silently."""
    try:
        script = compile_script(data, new=True)
    except SieveError:
        return
    result = run_script(
        script, UGLY["text around the parts"], World(sender="", recipient="", now=0)
    )
    assert not result.error or len(result.actions) == 1
    if result.message is not None:
        summarize(result.message)


_MAIL = [raw for raw in UGLY.values() if len(raw) <= BIGGEST]

TARGETS: dict[str, Target] = {
    "smtp_commands": Target(
        smtp_commands,
        [
            b"EHLO mail.example.test",
            b"EHLO [IPv6:2001:db8::1]",
            b"MAIL FROM:<ada@example.test> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=<>",
            b'MAIL FROM:<"a b\\""@example.test> RET=HDRS ENVID=QQ+2B314159 REQUIRETLS',
            b"RCPT TO:<@a.test,@b.test:grace@[192.0.2.1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b.test",
            b"BDAT 100 LAST",
            b"AUTH PLAIN AGFkYQBzZWNyZXQ=",
        ],
    ),
    "smtp_data": Target(
        smtp_data,
        [
            b"a\r\n.\r\n",
            b"\r\n..\r\n.\r\n",
            b".\r\n",
            b"a\n.\nb\r.\rc\r\n.\r\n",
            b"a\r\n.b\r\n...\r\n.\r\nQUIT\r\n",
        ],
    ),
    "smtp_chunks": Target(smtp_chunks, [b"hello\r\n", b"\r\n.\r\n", b"a\nb\r\0"]),
    "smtp_replies": Target(
        smtp_replies,
        [
            b"250-mx.example.test\r\n250-SIZE 1000\r\n250-AUTH=PLAIN LOGIN\r\n250 DSN\r\n",
            b"550-5.1.1 No such\r\n550 5.1.1 user\r\n354\r\n",
            b"421 4.3.2 \xff\x1b[2J\n",
        ],
    ),
    "mta_sts": Target(
        mta_sts,
        [
            b"version: STSv1\r\nmode: enforce\r\nmx: *.example.test\r\nmax_age: 604800\r\n",
            b"v=STSv1; id=20160831085700Z;",
        ],
    ),
    "smtp_addresses": Target(
        smtp_addresses,
        [
            b"ada@example.test",
            b'"a b"@example.test',
            b"ada@[192.0.2.1]",
            "jörg@bücher.example".encode(),
            b"ada+x@xn--bcher-kva.example",
        ],
    ),
    "address_lists": Target(
        address_lists,
        [
            b'Ada <ada@example.test>, "G, H" <g@example.test>',
            b"group: a@b.test, c@d.test;",
            b"=?utf-8?Q?J=C3=B6rg?= <j@example.test> (comment)",
            b"<@a.test:b@c.test>, a (x (y)) @ b . test",
        ],
    ),
    "replacements": Target(
        replacements,
        [
            b"From: a@b.test\r\nDate: x\r\nMessage-ID: <1@b.test>\r\n\r\nx\0\0"
            b"From: a@b.test\nDate: x\nMessage-ID:\n <1@b.test>\nSubject: y\n\nx\n",
            b"From: a@b.test\r\n\r\n\0\0From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n"
            b"\r\n--b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\n--b--\r\n",
        ],
    ),
    "header_words": Target(
        header_words,
        [
            b"=?utf-8?B?4pyT?= =?iso-8859-1?Q?=E4_x?=",
            b"Fri, 27 Nov 2026 10:00:00 +0000 (UTC)",
            b"Subject: a\r\n b\r\nTo: c",
        ],
    ),
    "sender_policies": Target(senders.sender_policies, senders.SEEDS),
    "function_responses": Target(
        function_responses,
        [
            b'{"actions":[{"action":{"type":"DEFAULT"},"allRecipients":true}]}',
            b'{"actions":[{"action":{"type":"BOUNCE","parameters":{"bounceMessage":"No"}},'
            b'"recipients":["a@b.test"],"allRecipients":"false"}]}',
        ],
    ),
    "mime_structure": Target(mime_structure, _MAIL),
    "sieve_scripts": Target(
        sieve_scripts,
        [
            b'require ["fileinto", "variables", "regex", "body"];\r\n'
            b'if anyof (header :matches "subject" "*u?ly*", not body :regex "(o|n)+e") {\r\n'
            b'  set :upper "a" "${1}${2}"; fileinto "x/${a}"; stop;\r\n} else { discard; }\r\n',
            b'require ["editheader", "date", "index", "relational", "imap4flags"];\n'
            b'addheader :last "X" text:\n.a\n..b\n.\n;\n'
            b'if date :index 1 :value "ge" :zone "+0100" "date" "julian" "5" { addflag "a b"; }',
            b'require ["vacation", "enotify", "duplicate", "ereject", "encoded-character"];'
            b'if duplicate :seconds 5 :uniqueid "${hex: 41 42}" { vacation :days 3 :mime "x"; }'
            b'notify :importance "1" "mailto:a@b.test?body=%41";',
        ],
    ),
    "blind_copies": Target(
        blind_copies,
        [
            b"To: a@b.test\r\nBcc: eve@far.test,\r\n\tdora@far.test\r\nResent-bcc :\n x\r\n\r\nBcc: body",
            *_MAIL,
        ],
    ),
    "imap_commands": Target(
        imap_commands,
        [
            b"a LOGIN ada {3+}\r\nabc\r\n",
            b"b UID FETCH 1:*,7 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From)]<0.10>)\r\n",
            b'c SEARCH CHARSET utf-8 OR (FROM "x" NOT SEEN) MODSEQ 5 UID 1:3\r\n',
            b'd APPEND "Sent Items" (\\Seen $Forwarded) "27-Nov-2026 10:00:00 +0000" {5+}\r\nhello\r\n',
        ],
    ),
    "managesieve_commands": Target(
        managesieve_commands,
        [
            b'PUTSCRIPT "a \\"b\\"" {5+}\r\nkeep;\r\nLISTSCRIPTS\r\n',
            b'HAVESPACE {1+}\r\na 1000\r\nAUTHENTICATE "PLAIN" "AGFkYQBzZWNyZXQ="\r\n',
        ],
    ),
    "dkim_messages": Target(signatures.dkim_messages, [*signatures.MESSAGES, *_MAIL]),
    "scored_messages": Target(filters.scored_messages, _MAIL),
    "daemon_answers": Target(filters.daemon_answers, filters.ANSWERS),
    "arc_chains": Target(signatures.arc_chains, signatures.CHAINS),
    "key_records": Target(signatures.key_records, signatures.RECORDS),
}
"""By the name that `script/fuzz` takes."""
