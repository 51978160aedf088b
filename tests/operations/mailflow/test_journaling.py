"""Journaling: one report of each message in or out, for archives and for who audits them."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.message import Message as Mail
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.operations.mailflow.mails import envelope, received, stories
from tests.operations.mailflow.rulings import STRANGER, add_rule, by, counts, in_folder, outside
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import log_in, message
from workpost.domain.mailboxes import script_shell as scripts
from workpost.domain.organizations import journaling as settings
from workpost.domain.organizations.flow_rules import DROP, INBOUND
from workpost.domain.organizations.journaling import Journaling
from workpost.formats.mime.journal import compose_journal
from workpost.kernel.errors import MessageRefused
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import journal_marks, journaling, pipeline
from workpost.operations.mailflow.listing import list_queue

ARCHIVE = "journal@archive.example"


async def set_journaling(house: Directory, recipient: str, fallback: str) -> None:
    await settings.set_journaling(house.core, house.grant, Journaling(recipient, fallback))


async def the_report(house: Directory) -> Mail:
    """What lies in the mailbox of Grace, who keeps the journal here."""
    (raw,) = await received(house, "grace@demo.test")
    return message_from_bytes(raw)


def lines_of(report: Mail) -> list[str]:
    payload: Any = report.get_payload()
    text = payload[0].get_payload(decode=True)
    return [str(line) for line in text.decode().splitlines()]


def original_of(report: Mail) -> Mail:
    payload: Any = report.get_payload()
    assert payload[1].get_content_type() == "message/rfc822"
    original: Mail = payload[1].get_payload()[0]
    return original


async def test_a_message_sent_has_one_report_whatever_its_recipients(
    house: Directory, ada: Grant
) -> None:
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    raw = (
        b"From: ada@demo.test\r\nTo: Bob <bob@elsewhere.example>\r\nCc: eve@other.example\r\n"
        b"Message-ID: <one@demo.test>\r\nSubject: Plans\r\n\r\nGood morning.\r\n"
    )
    to = envelope("bob@elsewhere.example", "eve@other.example", "hidden@other.example")
    await pipeline.submit(house.core, ada, to, raw)
    report = await the_report(house)
    assert report["From"] == "amazonjournaling@demo.test"
    assert (report["To"], report["Subject"]) == ("grace@demo.test", "Plans")
    assert report["X-MS-Journal-Report"] == ""
    assert report.get_content_type() == "multipart/mixed"
    assert lines_of(report) == [
        "Sender: ada@demo.test",
        "Subject: Plans",
        "Message-Id: <one@demo.test>",
        "To: bob@elsewhere.example",
        "Cc: eve@other.example",
        "Bcc: hidden@other.example",
    ]
    assert original_of(report)["Message-ID"] == "<one@demo.test>"
    (told,) = await stories(house, journaling.INITIATED)
    assert told["journalingAddress"] == "grace@demo.test"
    assert told["recipients"] == to.recipients


async def test_a_message_received_has_one_report_though_a_rule_drops_it(
    house: Directory,
) -> None:
    await set_journaling(house, ARCHIVE, "ada@demo.test")
    await add_rule(house, INBOUND, DROP)
    await pipeline.receive(house.core, outside("grace@demo.test", "ada@demo.test"), by())
    assert await counts(house) == (0, 0)
    (waiting,) = await list_queue(house.core)
    assert (waiting["recipient"], waiting["sender"]) == (ARCHIVE, "ada@demo.test")
    (told,) = await stories(house, journaling.INITIATED)
    assert told["journalingAddress"] == ARCHIVE


async def test_each_organization_hears_of_its_own_people(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    await pipeline.receive(house.core, outside("ada@demo.test", "lin@other.test"), by())
    report = await the_report(house)
    assert lines_of(report)[-1] == "Recipient: ada@demo.test"
    assert not any("lin" in line for line in lines_of(report))
    assert await stories(other, journaling.INITIATED) == []


async def test_the_report_itself_is_neither_journaled_nor_ruled(
    house: Directory, ada: Grant
) -> None:
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    await add_rule(house, INBOUND, DROP)
    await pipeline.submit(house.core, ada, envelope(STRANGER), message())
    assert len(await received(house, "grace@demo.test")) == 1
    assert len(await stories(house, journaling.INITIATED)) == 1


async def test_who_is_named_for_that_hears_of_a_report_that_fails(
    house: Directory, ada: Grant
) -> None:
    await set_journaling(house, "nobody@demo.test", "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope(STRANGER), message())
    (notice,) = await in_folder(house, "grace@demo.test")
    assert b"nobody@demo.test" in notice
    assert b"Delivery Status Notification (Failure)" in notice


async def one_report(house: Directory, ada: Grant) -> bytes:
    """A report as it lies in the mailbox of Grace, who keeps the journal."""
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    await pipeline.submit(house.core, ada, envelope(STRANGER), message())
    (report,) = await received(house, "grace@demo.test")
    return report


async def test_a_report_that_an_archive_sends_back_makes_no_other(
    house: Directory, ada: Grant
) -> None:
    report = await one_report(house, ada)
    on_the_way = b"Received: from archive.example by mx.example;\r\n Mon, 1 Jan 2026 10:00:00 +0000"
    for sent_back in (report, on_the_way + b"\r\n" + report):
        await pipeline.receive(house.core, outside("ada@demo.test"), sent_back)
        assert len(await received(house, "grace@demo.test")) == 1


def with_the_id_of(report: bytes) -> bytes:
    return by(headers=f"Message-ID: {message_from_bytes(report)['Message-ID']}\r\n")


def after_its_id(report: bytes, more: bytes) -> bytes:
    before, field, rest = report.partition(b"Message-ID: <")
    own, end, rest = rest.partition(b">")
    return before + field + own + end + more + rest


NO_PROOF = f"Message-ID: <journal.{'0' * 10}.{'0' * 16}.0.{'0' * 24}.{'0' * 24}@demo.test>\r\n"
FORGERIES: list[Callable[[bytes], bytes]] = [
    with_the_id_of,
    lambda report: report.replace(b"Good morning", b"Good evening"),
    lambda report: report.replace(b"\r\nSubject: ", b"\r\nSubject: more, ", 1),
    lambda report: b"X-Note: the plans\r\n" + report,
    lambda report: b"Comments: the plans\r\n" + report,
    lambda report: b"Subject: the plans\r\n" + report,
    lambda report: b"Message-ID: <other@elsewhere.example>\r\n" + report,
    lambda report: b"the plans\r\n" + report,
    lambda report: b"X-Workpost-Scan: the\r\nX-Workpost-Scan: plans\r\n" + report,
    lambda report: b"Received: " + b"the plans\r\n " * 6_000 + b"\r\n" + report,
    lambda report: report + b"The plans.\r\n",
    # Many programs take LF alone, and CR alone, for the end of a line.
    lambda report: b"Received: by mx.example\nSubject: the plans\n\nhere\r\n" + report,
    lambda report: b"Received: by mx.example\rSubject: the plans\r\rhere\r\n" + report,
    lambda report: after_its_id(report, b"\nSubject: the plans\n\nhere"),
    lambda report: after_its_id(report, b" (" + b"the plans\r\n " * 6_000 + b")"),
    lambda report: by(headers=NO_PROOF),
]


async def test_who_has_seen_a_report_can_hide_nothing_behind_it(
    house: Directory, ada: Grant
) -> None:
    report = await one_report(house, ada)
    for count, forge in enumerate(FORGERIES, 2):
        await pipeline.receive(house.core, outside("ada@demo.test"), forge(report))
        assert len(await received(house, "grace@demo.test")) == count


async def test_a_report_says_nothing_to_another_organization(house: Directory, ada: Grant) -> None:
    report = await one_report(house, ada)
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await other.user("kim")
    await set_journaling(other, "kim@other.test", "lin@other.test")
    await pipeline.receive(house.core, outside("lin@other.test"), report)
    assert len(await received(other, "kim@other.test")) == 1


async def test_what_comes_of_reports_in_a_circle_comes_to_an_end(
    house: Directory, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that bounces all reports: each bounce is mail, which is journaled."""
    await house.user("lin")
    last = await one_report(house, ada)

    async def bounce(report: bytes) -> None:
        text = b"From: mailer@archive.example\r\nSubject: Undeliverable\r\n\r\n" + report
        await pipeline.receive(house.core, outside("lin@demo.test", sender=""), text)

    for count in range(2, journal_marks.MOST + 1):
        await bounce(last)
        *_, last = reports = await received(house, "grace@demo.test")
        assert len(reports) == count
    await bounce(last)
    (last,) = await received(house, "ada@demo.test")
    assert b"X-MS-Journal-Report" in last
    await bounce(last)
    assert len(await received(house, "grace@demo.test")) == journal_marks.MOST
    assert len(await received(house, "ada@demo.test")) == 1
    # Who quotes it later is no part of the circle.
    monkeypatch.setattr(journal_marks, "FRESH_SECONDS", -1)
    await bounce(last)
    assert len(await received(house, "grace@demo.test")) == journal_marks.MOST + 1


async def test_what_somebodys_script_refuses_is_not_journaled(house: Directory) -> None:
    await set_journaling(house, ARCHIVE, "ada@demo.test")
    grace = await log_in(house.core, "grace@demo.test")
    source = b'require "reject"; reject "Not today";'
    await scripts.put_script(house.core, grace, "rules", source)
    await scripts.activate_script(house.core, grace, "rules")
    with pytest.raises(MessageRefused):
        await pipeline.receive(house.core, outside("grace@demo.test"), by())
    assert await list_queue(house.core) == []
    assert await stories(house, journaling.INITIATED) == []


async def test_changes_count_at_once(house: Directory, ada: Grant) -> None:
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    await pipeline.submit(house.core, ada, envelope(STRANGER), message())
    await set_journaling(house, "", "")
    await pipeline.submit(house.core, ada, envelope(STRANGER), message())
    assert len(await received(house, "grace@demo.test")) == 1


async def test_a_report_of_any_message_is_known_when_it_comes_back(house: Directory) -> None:
    await set_journaling(house, "grace@demo.test", "ada@demo.test")
    strange = "Subject: <journal@mail.demo.test> \udce9\r\nX: é\r\n"
    raw = f"From: {STRANGER}\r\n{strange}\r\nGood morning.\r\n".encode("utf-8", "surrogateescape")
    await pipeline.receive(house.core, outside("ada@demo.test"), raw + b"x" * 100_000 + b"\r\n")
    (report,) = await received(house, "grace@demo.test")
    await pipeline.receive(house.core, outside("ada@demo.test"), report)
    assert len(await received(house, "grace@demo.test")) == 1


@given(st.text(max_size=300), st.binary(max_size=300))
def test_what_claims_to_be_a_report_is_read_without_an_error(claimed: str, raw: bytes) -> None:
    own = f"journal.{'0' * 10}.{'0' * 16}.9.{'0' * 24}.{'0' * 24}@"
    for message_id in (claimed, own + claimed):
        text = b"Message-ID: <" + message_id.encode("utf-8", "replace") + b">\r\n" + raw
        found = journal_marks._read(
            b"k" * 32, "m-1", text, message_id.encode("utf-8", "replace"), 0
        )
        assert found == journal_marks.Cause()


anything = st.text(st.characters(), max_size=60) | st.just("x" * 2_000)


@given(anything, anything, anything, st.binary(max_size=200))
@example("\ud800", "\ud800", "\ud800", b"")
def test_a_report_holds_whatever_a_message_says(
    subject: str, sender: str, message_id: str, original: bytes
) -> None:
    raw = compose_journal(
        from_="amazonjournaling@demo.test",
        to='"journal of all"@archive.example',
        epoch=1_767_225_600,
        message_id="one@demo.test",
        sender=sender,
        on_behalf="grace@demo.test",
        subject=subject,
        original_id=message_id,
        recipients=[("To", "bob@elsewhere.example")],
        original=original,
    )
    report = message_from_bytes(raw)
    assert set(report.keys()) <= {
        "Date", "From", "To", "Subject", "Message-ID", "X-MS-Journal-Report", "Auto-Submitted",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip
    assert report["To"] == '"journal of all"@archive.example'
    assert original in raw
    told = lines_of(report)
    assert [line.partition(":")[0] for line in told] == [
        "Sender", "On-Behalf-Of", "Subject", "Message-Id", "To",
    ]  # fmt: skip


def test_a_report_tells_subjects_in_any_script() -> None:
    report = message_from_bytes(
        compose_journal(
            from_="amazonjournaling@demo.test",
            to=ARCHIVE,
            epoch=1_767_225_600,
            message_id="one@demo.test",
            sender="ada@demo.test",
            on_behalf="",
            subject="Grüße\r\nBcc: eve@other.example",
            original_id="two@demo.test",
            recipients=[("To", "bob@elsewhere.example")],
            original="Subject: é\r\n\r\nGrüße\r\n".encode(),
        )
    )
    assert report["Bcc"] is None
    assert lines_of(report)[1] == "Subject: Grüße Bcc: eve@other.example"
