"""The five metrics of WorkMail that count mail, by organization."""

from __future__ import annotations

from tests.operations.audit.test_trail import count_of
from tests.operations.mailflow.mails import envelope
from tests.support.directories import Directory
from tests.support.mailboxes import message
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.counting import tally_of
from workpost.operations.mailflow.runner import deliver_one


def counts(house: Directory) -> list[float]:
    names = (
        "organization_email_received",
        "mailbox_email_delivered",
        "incoming_email_bounced",
        "outgoing_email_bounced",
        "outgoing_email_sent",
    )
    return [count_of(f"workpost_{name}_total", house.organization) for name in names]


async def test_messages_mailboxes_and_recipients_are_counted(house: Directory, ada: Grant) -> None:
    await house.group("team", "ada", "grace")
    people = envelope("team@demo.test", "bob@elsewhere.example")
    await pipeline.submit(house.core, ada, people, message())
    assert counts(house) == [1, 2, 0, 0, 1]
    stranger = envelope("grace@demo.test", sender="x@elsewhere.example")
    await pipeline.receive(house.core, stranger, message())
    assert counts(house) == [2, 3, 0, 0, 1]


async def test_a_full_mailbox_counts_when_it_is_given_up(house: Directory, ada: Grant) -> None:
    await house.change("UPDATE mailbox SET quota = 1")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert counts(house) == [1, 0, 0, 0, 1]
    await house.change("UPDATE mailbox SET quota = 10000000")
    await house.change("UPDATE queue_rcpt SET due = 0")
    assert await deliver_one(house.core)
    assert counts(house) == [1, 1, 0, 0, 1]
    await house.change("UPDATE mailbox SET quota = 1")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    await house.change("UPDATE queue SET created = 0")
    await house.change("UPDATE queue_rcpt SET due = 0")
    assert await deliver_one(house.core)
    assert counts(house)[:4] == [2, 1, 1, 0]


def test_what_happens_elsewhere_counts_by_recipient() -> None:
    assert tally_of("OUTGOING_EMAIL_SENT", {}) == (0, 0, 0, 0, 1)
    assert tally_of("OUTGOING_EMAIL_BOUNCED", {}) == (0, 0, 0, 1, 0)
    assert tally_of("OUTGOING_EMAIL_DELAYED", {}) == ()
