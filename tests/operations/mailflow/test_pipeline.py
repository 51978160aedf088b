"""The pipeline: every recipient ends in exactly one place, and 250 means durable."""

from __future__ import annotations

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes import shell as mailboxes
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidParameter,
    MessageTooLarge,
    QuotaExceeded,
    SenderNotAllowed,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import bounces, pipeline, reports, senders, writing
from workpost.operations.mailflow.envelope import Envelope, Wish
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.recipients import check_recipient
from workpost.operations.mailflow.runner import deliver_one


async def test_what_people_submit_is_kept_byte_for_byte(house: Directory, ada: Grant) -> None:
    raw = message("Byte for byte", headers="X-Odd:  two  spaces \r\n\tfolded\r\n")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    (got,) = await received(house, "grace@demo.test")
    trace, _, _ = got.partition(raw)
    assert got.endswith(raw)
    assert trace.startswith(b"Return-Path: <ada@demo.test>\r\nReceived: from client.example")
    assert b"for <grace@demo.test>" in trace


async def test_nobody_reads_who_else_got_a_blind_copy_rfc5322_3_6_3(
    house: Directory, ada: Grant
) -> None:
    raw = message("Secret", headers="Bcc: grace@demo.test,\r\n eve@far.test\r\n")
    await pipeline.submit(house.core, ada, envelope("ada@demo.test", "grace@demo.test"), raw)
    for address in ("ada@demo.test", "grace@demo.test"):
        (got,) = await received(house, address)
        assert b"bcc" not in got.lower()
        assert got.endswith(message("Secret").partition(b"Subject")[2])


async def test_one_content_serves_all_recipients(house: Directory, ada: Grant) -> None:
    await house.group("team", "ada", "grace")
    await pipeline.submit(house.core, ada, envelope("team@demo.test", "grace@demo.test"), message())
    assert len(await received(house, "ada@demo.test")) == 1
    assert len(await received(house, "grace@demo.test")) == 1
    assert len(await house.run("SELECT id FROM content")) == 1
    await assert_numbers_are_true(house)


async def test_nested_groups_and_loops_reach_each_person_once(house: Directory, ada: Grant) -> None:
    await house.group("inner", "grace")
    await house.group("outer", "inner", "grace", "ada")
    await pipeline.submit(house.core, ada, envelope("outer@demo.test"), message())
    assert len(await received(house, "grace@demo.test")) == 1


async def test_a_hidden_recipient_list_leaves_no_name_in_received(
    house: Directory, ada: Grant
) -> None:
    await pipeline.submit(house.core, ada, envelope("ada@demo.test", "grace@demo.test"), message())
    (got,) = await received(house, "grace@demo.test")
    assert b"for <" not in got.split(b"\r\n\r\n")[0]


async def test_mail_for_outside_waits_in_the_queue_with_its_local_part_as_written(
    house: Directory, ada: Grant
) -> None:
    await pipeline.submit(
        house.core, ada, envelope("Bob.Smith@Elsewhere.example", "grace@demo.test"), message()
    )
    (waiting,) = await list_queue(house.core)
    assert waiting["recipient"] == "Bob.Smith@Elsewhere.example"
    assert (waiting["route"], waiting["state"]) == ("elsewhere.example", "waiting")
    assert len(await received(house, "grace@demo.test")) == 1


@pytest.mark.parametrize(
    "headers",
    ["From: grace@demo.test", "From: ada@demo.test, grace@demo.test", "X-No: From at all"],
)
async def test_from_must_be_the_logins_own_decision_17(
    house: Directory, ada: Grant, headers: str
) -> None:
    raw = f"{headers}\r\nSubject: x\r\n\r\nhello\r\n".encode()
    with pytest.raises(SenderNotAllowed):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    assert await house.run("SELECT id FROM item") == []


async def test_sender_must_be_the_logins_own_too(house: Directory, ada: Grant) -> None:
    raw = b"From: ada@demo.test\r\nSender: grace@demo.test\r\n\r\nhello\r\n"
    with pytest.raises(SenderNotAllowed):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)


async def test_aliases_and_plus_addresses_are_ones_own(house: Directory, ada: Grant) -> None:
    await directory.create_alias(house.core, house.grant, ada.entity, "countess@demo.test")
    fresh = await log_in(house.core, "ada@demo.test")
    for address in ("countess@demo.test", "ada+lists@demo.test", "ADA@Demo.test"):
        await senders.check_sender(house.core, fresh, address)
    for address in ("", "grace@demo.test", "ada@elsewhere.example"):
        with pytest.raises(SenderNotAllowed):
            await senders.check_sender(house.core, fresh, address)


async def test_a_header_too_long_to_be_checked_is_refused(house: Directory, ada: Grant) -> None:
    padding = "X-Pad: " + "y" * 900 + "\r\n"
    raw = ("From: ada@demo.test\r\n" + padding * 300 + "From: grace@demo.test\r\n\r\nhi").encode()
    with pytest.raises(InvalidParameter):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)


async def test_unknown_recipients_of_ours_are_refused(house: Directory, ada: Grant) -> None:
    with pytest.raises(UnknownRecipient):
        await pipeline.submit(house.core, ada, envelope("nobody@demo.test"), message())
    with pytest.raises(UnknownRecipient):
        await check_recipient(house.core, "nobody@demo.test", inside=False)


async def test_other_servers_may_not_relay(house: Directory) -> None:
    with pytest.raises(AccessDenied):
        await check_recipient(house.core, "bob@elsewhere.example", inside=False)
    await check_recipient(house.core, "bob@elsewhere.example", inside=True)


async def test_a_message_over_the_limit_is_refused(house: Directory, ada: Grant) -> None:
    limits = msgspec.structs.replace(house.core.settings.limits, message_bytes=65536)
    core = msgspec.structs.replace(
        house.core, settings=msgspec.structs.replace(house.core.settings, limits=limits)
    )
    with pytest.raises(MessageTooLarge):
        await pipeline.submit(core, ada, envelope("grace@demo.test"), message(size=70_000))


async def test_large_mail_arrives_whole(house: Directory, ada: Grant) -> None:
    raw = message(size=700_000)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    (got,) = await received(house, "grace@demo.test")
    assert got.endswith(raw)


async def test_a_full_mailbox_is_452_from_outside_and_waits_from_inside_decision_19(
    house: Directory, ada: Grant
) -> None:
    grace = await log_in(house.core, "grace@demo.test")
    await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", grace.mailbox)
    with pytest.raises(QuotaExceeded):
        await check_recipient(house.core, "grace@demo.test", inside=False)
    await check_recipient(house.core, "grace@demo.test", inside=True)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test", "ada@demo.test"), message())
    assert len(await received(house, "ada@demo.test")) == 1
    (waiting,) = await list_queue(house.core)
    assert (waiting["route"], waiting["recipient"]) == ("local", "grace@demo.test")
    assert await deliver_one(house.core)
    (waiting,) = await list_queue(house.core)
    assert waiting["state"] == "waiting"
    await house.change("UPDATE mailbox SET quota = 100000 WHERE id = ?", grace.mailbox)
    await house.change("UPDATE queue_rcpt SET due = ?", 0)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    assert len(await received(house, "grace@demo.test")) == 1
    await assert_numbers_are_true(house)


async def test_a_large_group_is_delivered_in_batches_each_person_once_invariant_3(
    house: Directory, ada: Grant
) -> None:
    people = [await house.user(f"user{n:03}", password=None) for n in range(125)]
    await house.group("all", *people)
    fresh = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, fresh, envelope("all@demo.test"), message())
    direct = house.core.settings.mailflow.direct_recipients
    assert len(await house.run("SELECT id FROM item")) == direct
    assert len(await list_queue(house.core)) == len(people) - direct
    assert await house.run("SELECT COUNT(*) FROM queue_rcpt") == [(2,)]
    rounds = 0
    while await deliver_one(house.core):
        rounds += 1
    assert rounds == 2
    assert await house.run("SELECT id FROM queue") == []
    counts = await house.run("SELECT mailbox, COUNT(*) FROM item GROUP BY mailbox")
    assert len(counts) == len(people)
    assert {count for _, count in counts} == {1}
    await assert_numbers_are_true(house)


async def test_an_empty_group_accepts_and_records_it_decision_19(
    house: Directory, ada: Grant
) -> None:
    await house.group("nobodies")
    fresh = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, fresh, envelope("nobodies@demo.test"), message())
    await pipeline.receive(
        house.core, envelope("nobodies@demo.test", sender="bob@elsewhere.example"), message()
    )
    assert await house.run("SELECT id FROM content") == []
    kinds = [row[0] for row in await house.run("SELECT kind FROM event ORDER BY at, id")]
    assert kinds == ["OUTGOING_EMAIL_SUBMITTED", "ORGANIZATION_EMAIL_RECEIVED"]


async def test_mail_from_outside_reaches_several_organizations(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await pipeline.receive(
        house.core,
        envelope("grace@demo.test", "lin@other.test", sender="bob@elsewhere.example"),
        message(),
    )
    assert len(await received(house, "grace@demo.test")) == 1
    assert len(await received(house, "lin@other.test")) == 1
    events = await house.run("SELECT org FROM event")
    assert {row[0] for row in events} == {house.organization, other.organization}


async def test_a_submission_survives_a_change_of_policy_and_ends_with_the_person(
    house: Directory, ada: Grant
) -> None:
    await directory.create_alias(house.core, house.grant, ada.entity, "countess@demo.test")
    await house.group("team", "grace")
    await pipeline.submit(house.core, ada, envelope("team@demo.test"), message())
    await directory.reset_password(house.core, house.grant, ada.entity, "Another-Horse8")
    with pytest.raises(AuthenticationFailed):
        await pipeline.submit(house.core, ada, envelope("team@demo.test"), message())


async def test_a_message_to_oneself_is_unread_in_the_inbox(house: Directory, ada: Grant) -> None:
    await pipeline.submit(house.core, ada, envelope("ada@demo.test"), message())
    folder = await mailboxes.find_folder(house.core, ada, "INBOX")
    assert (folder.total, folder.unread) == (1, 1)


async def test_of_a_recipient_who_goes_between_rcpt_and_data_the_sender_hears(
    house: Directory, ada: Grant
) -> None:
    gone = envelope("gone@demo.test", "grace@demo.test")
    await pipeline.submit(house.core, ada, gone, message())
    outside = Envelope(sender="bob@elsewhere.example", recipients=gone.recipients)
    await pipeline.receive(house.core, outside, message())
    assert len(await received(house, "grace@demo.test")) == 2
    for kind in (writing.SUBMITTED, writing.RECEIVED):
        (story,) = await stories(house, kind)
        assert story["recipients"] == gone.recipients
        assert story["results"] == {
            "gone@demo.test": {"unknown": 1},
            "grace@demo.test": {"local": 1},
        }
    (report,) = await received(house, "ada@demo.test")
    assert b"gone@demo.test" in report
    (known, unheard) = await stories(house, bounces.BOUNCED)
    assert (known["report"], unheard["report"]) == (reports.SENT, reports.SENT)
    assert "bob@elsewhere.example" in [one["recipient"] for one in await list_queue(house.core)]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("v=spf1 -all", reports.FORGED),
        ("v=spf1 ~all", reports.FORGED),
        ("v=spf1 ?all", reports.SENT),
        ("v=spf1 ip4:198.51.100.7 -all", reports.SENT),
    ],
)
async def test_a_forged_sender_hears_neither_of_failure_nor_of_success(
    house: Directory, record: str, told: str
) -> None:
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records[("TXT", "elsewhere.example")] = [record]
    mail = Envelope(
        sender="bob@elsewhere.example",
        recipients=["gone@demo.test", "grace@demo.test"],
        peer="198.51.100.7",
        wishes={"grace@demo.test": Wish(("SUCCESS",))},
    )
    await pipeline.receive(house.core, mail, message())
    (story,) = await stories(house, bounces.BOUNCED)
    assert story["report"] == told
    waiting = [one["recipient"] for one in await list_queue(house.core)]
    assert waiting == ["bob@elsewhere.example"] * (2 if told == reports.SENT else 0)


async def test_postmaster_without_a_domain_is_accepted_rfc5321_4_5_1(
    house: Directory,
) -> None:
    with pytest.raises(UnknownRecipient):
        await check_recipient(house.core, "Postmaster", inside=False)
    await house.user("postmaster")
    await check_recipient(house.core, "Postmaster", inside=False)
    outside = Envelope(sender="bob@elsewhere.example", recipients=["Postmaster"])
    await pipeline.receive(house.core, outside, message())
    assert len(await received(house, "postmaster@demo.test")) == 1
