"""Mail that goes on: what leaves, under which sender, and what comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from workpost.domain.directory import mail_routing
from workpost.domain.directory import shell as directory
from workpost.domain.directory.entities import Props
from workpost.domain.organizations import inbound_dmarc
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.errors import (
    AccessDenied,
    MailLoop,
    SenderNotAllowed,
    UnknownRecipient,
)
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import bounces, forwarding, pipeline, recipients, writing
from workpost.operations.mailflow import envelope as stored
from workpost.operations.mailflow.envelope import Envelope, Forwarded, StoredEnvelope, Wish
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.recipients import check_recipient, remembered
from workpost.store.keys import sealing

AL = "Al@far.example"
BOB = "Bob@Elsewhere.example"


async def forward(house: Directory, user: str, to: str, **more: Any) -> None:
    await house.core.store.write(
        mail_routing.set_forwarding, grant=house.grant, identifier=user, address=to, **more
    )


async def senders(house: Directory, group: str, who: str) -> None:
    await house.core.store.write(
        mail_routing.set_group_senders, grant=house.grant, identifier=group, senders=who
    )


async def remote(house: Directory, name: str, address: str = BOB) -> None:
    user = await house.user(
        name, enabled=False, password=None, props=Props(user_role="REMOTE_USER")
    )
    await house.register(user, address)
    await directory.create_alias(house.core, house.grant, user, f"{name}@demo.test")


def outside(*rcpts: str, sender: str = AL, **more: Any) -> Envelope:
    return Envelope(sender=sender, recipients=list(rcpts), helo="far.example", **more)


async def entries(house: Directory) -> list[tuple[StoredEnvelope, list[Any]]]:
    """What the queue holds, opened: the envelope and the recipients of each entry."""
    found = []
    for queue, org, gen, sealed in await house.run(
        "SELECT id, org, gen, sealed_envelope FROM queue ORDER BY id"
    ):
        key = (await house.core.keys.organization(org, gen)).key
        place = sealing.place("queue", "sealed_envelope", org, "queue", queue)
        people: list[Any] = []
        for number, row in await house.run(
            "SELECT n, sealed FROM queue_rcpt WHERE queue = ? ORDER BY n", queue
        ):
            there = sealing.place("queue_rcpt", "sealed", org, queue, number)
            people += stored.decode_recipients(sealing.unseal(key, row, there))
        found.append((stored.decode_envelope(sealing.unseal(key, sealed, place)), people))
    return found


async def test_forwarded_mail_leaves_under_a_sender_of_ours_and_is_marked(
    house: Directory,
) -> None:
    await forward(house, "grace", BOB)
    await pipeline.receive(house.core, outside("grace@demo.test"), message())
    assert len(await received(house, "grace@demo.test")) == 1
    ((mail, (recipient,)),) = await entries(house)
    assert recipient.address == BOB
    assert mail.sender.startswith("SRS0=")
    assert mail.sender.endswith("=far.example=Al@demo.test")
    assert mail.forwarded == Forwarded("demo.test", "grace@demo.test")
    (story,) = await stories(house, writing.RECEIVED)
    assert story["results"] == {"grace@demo.test": {"local": 1, "forwarded": 1}}
    (waiting,) = await list_queue(house.core)
    assert (waiting["route"], waiting["recipient"]) == ("elsewhere.example", BOB)


async def test_what_goes_out_names_the_forwarder_and_not_our_return_path(
    house: Directory,
) -> None:
    mail = StoredEnvelope(trace="1", sender="", smtputf8=False, size=9, skip=5)
    assert forwarding.as_sent(mail, b"R: x\nSubject: y\n") == b"Subject: y\n"
    by = msgspec.structs.replace(mail, forwarded=Forwarded("demo.test", "grace@demo.test"))
    sent = forwarding.as_sent(by, b"R: x\nSubject: y\n")
    assert sent == b"Delivered-To: grace@demo.test\r\nSubject: y\n"
    passing = msgspec.structs.replace(mail, forwarded=Forwarded("demo.test"))
    assert forwarding.as_sent(passing, b"R: x\nSubject: y\n") == b"Subject: y\n"


def test_delivered_to_is_ascii_and_known_when_it_comes_back() -> None:
    by = "grace@bücher.example"
    forwarded = StoredEnvelope(
        trace="", sender="", smtputf8=False, size=0, skip=0, forwarded=Forwarded("", by)
    )
    sent = forwarding.as_sent(forwarded, message("Lunch?"))
    assert sent.isascii()
    assert forwarding.passed(forwarding.lower_header(sent)) == {by}


async def test_a_sender_of_ours_is_not_rewritten(house: Directory, ada: Grant) -> None:
    await forward(house, "grace", BOB)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    ((mail, _),) = await entries(house)
    assert mail.sender == "ada@demo.test"
    assert mail.forwarded == Forwarded("demo.test", "grace@demo.test", authored=True)


async def test_a_bounce_of_forwarded_mail_goes_back_to_its_sender(house: Directory) -> None:
    await forward(house, "grace", BOB, keep_copy=False)
    await pipeline.receive(house.core, outside("grace@demo.test"), message())
    ((mail, _),) = await entries(house)
    returned = outside(mail.sender, sender="")
    accepted = await check_recipient(house.core, mail.sender, inside=False)
    assert remembered(house.core, [accepted]) is None
    await pipeline.receive(house.core, returned, message("Undelivered"))
    _, (back, (recipient,)) = await entries(house)
    assert (back.sender, recipient.address) == ("", AL)
    assert back.forwarded == Forwarded("demo.test")
    assert await received(house, "grace@demo.test") == []


async def test_forged_returns_are_refused_at_rcpt_and_are_no_relay(house: Directory) -> None:
    await house.core.store.write(
        mail_routing.set_catch_all, grant=house.grant, domain="demo.test", identifier="ada"
    )
    for forged in ("SRS0=aaaaaaaa=bb=far.example=al@demo.test", "srs1=x=y=z@demo.test"):
        with pytest.raises(UnknownRecipient):
            await check_recipient(house.core, forged, inside=False)
        with pytest.raises(UnknownRecipient):
            await pipeline.receive(house.core, outside(forged), message())
    with pytest.raises(AccessDenied):
        await check_recipient(house.core, "SRS0=a=b=c=d@elsewhere.example", inside=False)


@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("", ""),
        (AL, "Auto-Submitted: auto-replied\r\n"),
        (AL, "Auto-submitted:\r\n auto-replied (vacation)\r\n"),
        (AL, "Delivered-To: Grace@demo.test\r\n"),
    ],
    ids=["bounce", "answer", "folded", "loop"],
)
async def test_bounces_answers_and_loops_stay_here(
    house: Directory, sender: str, headers: str
) -> None:
    await forward(house, "grace", BOB, keep_copy=False)
    mail = outside("grace@demo.test", sender=sender)
    await pipeline.receive(house.core, mail, message(headers=headers))
    assert len(await received(house, "grace@demo.test")) == 1
    assert await entries(house) == []


async def test_notices_of_machines_and_of_other_forwarders_go_on(house: Directory) -> None:
    await forward(house, "grace", BOB, keep_copy=False)
    for headers in ("Auto-Submitted: auto-generated\r\n", "Delivered-To: al@far.example\r\n"):
        await pipeline.receive(house.core, outside("grace@demo.test"), message(headers=headers))
    assert len(await entries(house)) == 2


async def test_too_many_hops_are_a_loop_5_4_6(house: Directory, ada: Grant) -> None:
    hop = "Received: from a.example by b.example; Fri, 27 Nov 2026 19:00:00 +0000\r\n"
    most = house.core.settings.limits.hops
    await pipeline.receive(house.core, outside("grace@demo.test"), message(headers=hop * most))
    for text in (hop * (most + 1), hop.upper() * 30 + hop * (most - 29)):
        with pytest.raises(MailLoop):
            await pipeline.receive(house.core, outside("grace@demo.test"), message(headers=text))
    with pytest.raises(MailLoop):
        await pipeline.submit(
            house.core, ada, envelope("grace@demo.test"), message(headers=hop * (most + 1))
        )
    # What a body quotes is no way that the message itself went.
    quoted = message().replace(b"Good", hop.encode() * (most + 9) + b"Good")
    await pipeline.receive(house.core, outside("grace@demo.test"), quoted)
    assert len(await received(house, "grace@demo.test")) == 2


async def test_remote_users_share_an_entry_and_the_senders_wishes(house: Directory) -> None:
    await remote(house, "bob")
    await remote(house, "rob", "Rob@third.example")
    await house.group("team", "bob", "rob", "grace")
    wish = Wish(("SUCCESS",), "rfc822;bob@demo.test")
    mail = outside("Bob@demo.test", "team@demo.test", wishes={"Bob@demo.test": wish})
    await pipeline.receive(house.core, mail, message())
    ((entry, people),) = await entries(house)
    assert {one.address: one.wish.notify for one in people} == {
        BOB: ("SUCCESS",),
        "Rob@third.example": (),
    }
    assert entry.forwarded == Forwarded("demo.test")
    assert entry.sender.startswith("SRS0=")
    (story,) = await stories(house, writing.RECEIVED)
    assert story["results"] == {
        "bob@demo.test": {"forwarded": 1},
        "team@demo.test": {"local": 1, "forwarded": 1},
    }


async def test_a_bounce_to_a_remote_user_goes_on_as_a_bounce(house: Directory) -> None:
    await remote(house, "bob")
    await pipeline.receive(house.core, outside("bob@demo.test", sender=""), message())
    ((entry, (recipient,)),) = await entries(house)
    assert (entry.sender, recipient.address) == ("", BOB)


async def test_each_organization_forwards_for_its_own(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    await forward(house, "grace", BOB)
    await forward(other, "eve", BOB.replace("Bob", "Rob"))
    mail = outside("grace@demo.test", "eve@other.test")
    await pipeline.receive(house.core, mail, message())
    owners = await house.run("SELECT org FROM queue ORDER BY org")
    assert owners == sorted([(house.organization,), (other.organization,)])
    assert {entry.forwarded.domain for entry, _ in await entries(house) if entry.forwarded} == {
        "demo.test",
        "other.test",
    }
    (ours,) = await stories(house, writing.RECEIVED)
    (theirs,) = await stories(other, writing.RECEIVED)
    assert list(ours["results"]) == ["grace@demo.test"]
    assert list(theirs["results"]) == ["eve@other.test"]
    assert len(await house.run("SELECT id FROM content")) == 1
    await assert_numbers_are_true(house)


async def test_a_full_mailbox_forwards_all_the_same_and_its_copy_waits(
    house: Directory,
) -> None:
    await forward(house, "grace", BOB)
    await house.change("UPDATE mailbox SET quota = 0")
    await pipeline.receive(house.core, outside("grace@demo.test"), message())
    (kept, (copy,)), (gone, (onward,)) = sorted(
        await entries(house), key=lambda one: one[0].forwarded is not None
    )
    assert (kept.forwarded, copy.mailbox != 0) == (None, True)
    assert (gone.forwarded is not None, onward.address) == (True, BOB)


# --- what was remembered is not believed when it has changed ---


async def test_a_new_forward_is_heard_of_in_the_transaction(house: Directory, ada: Grant) -> None:
    accepted = await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    route = remembered(house.core, [accepted])
    assert route is not None
    await forward(house, "grace", BOB, keep_copy=False)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message(), route)
    assert await received(house, "grace@demo.test") == []
    assert len(await entries(house)) == 1
    ada = await log_in(house.core, "ada@demo.test")
    accepted = await check_recipient(house.core, "grace@demo.test", inside=True, grant=ada)
    assert accepted.holder is None


async def test_who_may_write_to_a_group_is_asked_for_each_person(
    house: Directory, ada: Grant
) -> None:
    await house.group("team", "ada")
    await senders(house, "team", "members")
    ada, grace = (
        await log_in(house.core, "ada@demo.test"),
        await log_in(house.core, "grace@demo.test"),
    )
    for _ in range(2):
        await check_recipient(house.core, "team@demo.test", inside=True, grant=ada)
        with pytest.raises(SenderNotAllowed):
            await check_recipient(house.core, "team@demo.test", inside=True, grant=grace)
    for _ in range(2):
        with pytest.raises(SenderNotAllowed):
            await check_recipient(house.core, "team@demo.test", inside=False)
    refused = await stories(house, recipients.REFUSED)
    assert [one["actor"] for one in refused] == [grace.entity, ""]
    assert {one["group"] for one in refused} == {"team@demo.test"}


async def test_who_leaves_a_group_before_the_message_is_refused_by_it(
    house: Directory, ada: Grant
) -> None:
    await house.group("team", "ada", "grace")
    await senders(house, "team", "members")
    ada = await log_in(house.core, "ada@demo.test")
    await check_recipient(house.core, "team@demo.test", inside=True, grant=ada)
    await directory.remove_member(house.core, house.grant, group="team", member="ada")
    with pytest.raises(SenderNotAllowed):
        await pipeline.submit(house.core, ada, envelope("team@demo.test"), message())
    assert await house.run("SELECT id FROM item") == []


async def test_of_a_closed_group_within_a_group_the_sender_hears(
    house: Directory, ada: Grant
) -> None:
    await house.user("barbara")
    await house.group("board", "barbara")
    await house.group("all", "grace", "board")
    await senders(house, "board", "members")
    ada = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, ada, envelope("all@demo.test"), message())
    assert len(await received(house, "grace@demo.test")) == 1
    assert await received(house, "barbara@demo.test") == []
    (report,) = await received(house, "ada@demo.test")
    assert b"board@demo.test" in report
    assert b"5.7.1" in report
    (story,) = await stories(house, writing.SUBMITTED)
    assert story["results"] == {"all@demo.test": {"local": 1, "refused": 1}}
    (event,) = await stories(house, bounces.BOUNCED)
    assert event["bouncedRecipient"]["emailAddress"] == "board@demo.test"
    # A stranger, whoever that is, hears nothing of it.
    await pipeline.receive(house.core, outside("all@demo.test"), message())
    assert len(await stories(house, bounces.BOUNCED)) == 1


async def test_a_group_of_closed_groups_alone_is_refused(house: Directory, ada: Grant) -> None:
    await house.group("board", "grace")
    await house.group("all", "board")
    await senders(house, "board", "organization")
    with pytest.raises(SenderNotAllowed):
        await pipeline.receive(house.core, outside("all@demo.test"), message())
    ada = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, ada, envelope("all@demo.test"), message())
    assert len(await received(house, "grace@demo.test")) == 1


async def test_of_groups_within_another_organizations_group_nobody_hears(
    house: Directory, ada: Grant
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    await other.group("board", "eve")
    await other.group("all", "eve", "board")
    await other.group("shell", "board")
    await senders(other, "board", "members")
    mail = envelope("all@other.test", "shell@other.test")
    await pipeline.submit(house.core, ada, mail, message())
    assert len(await received(other, "eve@other.test")) == 1
    # Of the recipient whom nobody is behind for this sender, the sender does hear.
    (report,) = await received(house, "ada@demo.test")
    assert b"shell@other.test" in report
    assert b"board@other.test" not in report


async def test_a_stranger_hears_of_a_group_that_closed_since_rcpt(house: Directory) -> None:
    await house.group("board", "ada")
    await senders(house, "board", "members")
    mail = outside("grace@demo.test", "board@demo.test")
    await pipeline.receive(house.core, mail, message())
    (event,) = await stories(house, bounces.BOUNCED)
    assert event["bouncedRecipient"]["emailAddress"] == "board@demo.test"


async def test_an_empty_group_is_nothing_to_another_organization(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.group("nobody")
    mail = outside("grace@demo.test", "nobody@other.test", "gone@other.test")
    await pipeline.receive(house.core, mail, message())
    (ours,) = await stories(house, writing.RECEIVED)
    (theirs,) = await stories(other, writing.RECEIVED)
    assert ours["results"] == {"grace@demo.test": {"local": 1}}
    assert theirs["results"] == {"nobody@other.test": {"empty": 1}}


async def test_a_domain_that_went_away_since_rcpt_makes_no_relay(house: Directory) -> None:
    mail = outside("grace@demo.test", "x@was-here.example", sender="")
    await pipeline.receive(house.core, mail, message())
    assert len(await received(house, "grace@demo.test")) == 1
    assert await entries(house) == []
    (event,) = await stories(house, bounces.BOUNCED)
    assert event["bouncedRecipient"]["emailAddress"] == "x@was-here.example"


async def test_what_is_junk_to_one_organization_another_forwards(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.user("eve")
    await inbound_dmarc.put_inbound_dmarc_settings(house.core, other.grant, enforced=False)
    zone = {("TXT", "_dmarc.far.example"): ["v=DMARC1; p=quarantine"]}
    core = msgspec.structs.replace(house.core, resolver=MemoryResolver(zone))
    await forward(house, "grace", BOB, keep_copy=False)
    await forward(other, "eve", "Rob@elsewhere.example", keep_copy=False)
    raw = message().replace(b"From: ada@demo.test", b"From: al@far.example")
    wishes = {"grace@demo.test": Wish(("SUCCESS",))}
    mail = outside("grace@demo.test", "eve@other.test", peer="203.0.113.9", wishes=wishes)
    await pipeline.receive(core, mail, raw)
    # And nobody tells the forged sender where its message is.
    assert [
        (one.forwarded.domain, [each.address for each in people])
        for one, people in await entries(house)
        if one.forwarded
    ] == [("other.test", ["Rob@elsewhere.example"])]
    assert len(await entries(house)) == 1
    assert await received(house, "grace@demo.test") == []


async def test_whoever_sends_for_an_author_hears_what_is_lost_though_it_is_junk(
    house: Directory,
) -> None:
    zone = {("TXT", "_dmarc.far.example"): ["v=DMARC1; p=quarantine"]}
    core = msgspec.structs.replace(house.core, resolver=MemoryResolver(zone))
    raw = message().replace(b"From: ada@demo.test", b"From: al@far.example")
    recipients = ("grace@demo.test", "gone@demo.test")
    mail = outside(*recipients, sender="bounces@lists.example", peer="203.0.113.9")
    await pipeline.receive(core, mail, raw)
    (event,) = await stories(house, bounces.BOUNCED)
    assert event["bouncedRecipient"]["emailAddress"] == "gone@demo.test"
    ((entry, (recipient,)),) = await entries(house)
    assert (entry.sender, recipient.address) == ("", "bounces@lists.example")


async def test_junk_is_not_forwarded(house: Directory) -> None:
    zone = {("TXT", "_dmarc.far.example"): ["v=DMARC1; p=quarantine"]}
    core = msgspec.structs.replace(house.core, resolver=MemoryResolver(zone))
    await forward(house, "grace", BOB, keep_copy=False)
    await forward(house, "ada", BOB)
    raw = message().replace(b"From: ada@demo.test", b"From: al@far.example")
    mail = outside("grace@demo.test", "ada@demo.test", peer="203.0.113.9")
    await pipeline.receive(core, mail, raw)
    assert await entries(house) == []
    junk = await house.run("SELECT f.total FROM folder f WHERE f.role = 'junk' AND f.total > 0")
    assert junk == [(1,), (1,)]
