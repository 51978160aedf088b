"""What flow rules do to messages, recipient by recipient."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.organizations.test_flow_rules import naive
from tests.operations.mailflow.mails import envelope, stories
from tests.operations.mailflow.rulings import (
    STRANGER,
    add_rule,
    by,
    counts,
    in_folder,
    outside,
)
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from tests.support.stores import Run
from workpost.domain.directory import mail_routing
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DEFAULT,
    DROP,
    INBOUND,
    JUNK,
    NEVER_JUNK,
    OUTBOUND,
    FlowAction,
    FlowRule,
)
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.principal import Grant
from workpost.operations.mailflow import pipeline, ruling, writing
from workpost.operations.mailflow.listing import list_queue
from workpost.store.database.unit import Tx, command
from workpost.store.tables import flow_rules as table

SPAM = (
    b'From: "service@bank.example" <x@sender.example>\r\nSubject: YOUR ACCOUNT IS LOCKED\r\n'
    b"Content-Type: text/html\r\n\r\n<a href='http://192.0.2.7:81/'>https://www.bank.example</a>\r\n"
)


async def test_a_dropped_message_is_gone_without_a_word(house: Directory) -> None:
    await add_rule(house, INBOUND, DROP, "*.example", "grace@demo.test")
    await pipeline.receive(house.core, outside("grace@demo.test", "ada@demo.test"), by())
    assert await counts(house) == (0, 0)
    assert await counts(house, "ada@demo.test") == (1, 0)
    assert await list_queue(house.core) == []
    (applied,) = await stories(house, ruling.APPLIED)
    (arrived,) = await stories(house, writing.RECEIVED)
    assert applied["traceId"] == arrived["traceId"]
    assert (applied["ruleName"], applied["ruleType"]) == (
        "DROP *.example grace@demo.test",
        "INBOUND_RULE",
    )
    assert applied["ruleActions"] == [{"action": "DROP", "recipients": ["grace@demo.test"]}]
    assert arrived["results"] == {
        "grace@demo.test": {"dropped": 1},
        "ada@demo.test": {"local": 1},
    }


async def test_leaving_the_author_out_leads_around_no_rule(house: Directory) -> None:
    await add_rule(house, INBOUND, DROP, "*", "grace@demo.test")
    for header in (b"", b"From: undisclosed:;\r\n", b"From: \r\n", b"Sender: \r\n"):
        raw = header + b"Subject: Offer\r\n\r\nGood morning.\r\n"
        await pipeline.receive(house.core, outside("grace@demo.test"), raw)
    assert await counts(house) == (0, 0)


async def test_nothing_is_left_of_a_message_that_is_dropped_for_everyone(house: Directory) -> None:
    await add_rule(house, INBOUND, DROP)
    assert await pipeline.receive(house.core, outside("grace@demo.test"), by())
    assert await house.run("SELECT id FROM content") == []
    assert await house.run("SELECT id FROM item") == []


async def test_a_bounce_tells_the_sender(house: Directory) -> None:
    await add_rule(house, INBOUND, BOUNCE, "elsewhere.example")
    await pipeline.receive(house.core, outside("grace@demo.test"), by())
    assert await counts(house) == (0, 0)
    (report,) = await list_queue(house.core)
    assert (report["sender"], report["recipient"]) == ("", STRANGER)
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["emailAddress"] == "grace@demo.test"
    assert bounced["bouncedRecipient"]["status"] == "5.7.1"
    assert bounced["report"] == "sent"


async def test_no_bounce_goes_to_whom_a_message_only_pretends_to_be_of(house: Directory) -> None:
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records["TXT", "_dmarc.elsewhere.example"] = ["v=DMARC1; p=quarantine"]
    resolver.records["TXT", "elsewhere.example"] = ["v=spf1 -all"]
    await add_rule(house, INBOUND, BOUNCE, "elsewhere.example")
    await pipeline.receive(house.core, outside("grace@demo.test", peer="192.0.2.66"), by())
    assert await list_queue(house.core) == []
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["report"] == ruling.UNPROVEN


async def test_junk_and_never_junk(house: Directory) -> None:
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records["TXT", "sender.example"] = ["v=spf1 ip4:192.0.2.66 -all"]
    spam = outside(*PEOPLE, sender="x@sender.example", peer="192.0.2.66")
    await add_rule(house, INBOUND, NEVER_JUNK, "x@sender.example", "grace@demo.test")
    await pipeline.receive(house.core, spam, SPAM)
    assert await counts(house) == (1, 0)
    assert await counts(house, "ada@demo.test") == (0, 1)
    await add_rule(house, INBOUND, JUNK, "elsewhere.example", "grace@demo.test")
    await pipeline.receive(house.core, outside("grace@demo.test", "ada@demo.test"), by())
    assert await counts(house) == (1, 1)
    assert await counts(house, "ada@demo.test") == (1, 1)


async def test_default_for_a_nearer_sender_is_an_exception(house: Directory) -> None:
    await add_rule(house, INBOUND, DROP, "*.example")
    await add_rule(house, INBOUND, DEFAULT, STRANGER)
    await pipeline.receive(house.core, outside("grace@demo.test"), by())
    await pipeline.receive(house.core, outside("grace@demo.test"), by("eve@elsewhere.example"))
    assert await counts(house) == (1, 0)


async def test_sender_is_asked_before_from(house: Directory) -> None:
    await add_rule(house, INBOUND, DROP, "list.example")
    await add_rule(house, INBOUND, JUNK, "elsewhere.example")
    headers = "Sender: owner@{}\r\n"
    await pipeline.receive(
        house.core, outside("grace@demo.test"), by(headers=headers.format("list.example"))
    )
    assert await counts(house) == (0, 0)
    await pipeline.receive(
        house.core, outside("grace@demo.test"), by(headers=headers.format("other.example"))
    )
    assert await counts(house) == (0, 1)


async def test_who_is_written_to_in_another_way_still_gets_the_message(house: Directory) -> None:
    await house.group("team", "grace", "ada")
    await add_rule(house, INBOUND, DROP, "*", "team@demo.test")
    await pipeline.receive(house.core, outside("team@demo.test", "grace@demo.test"), by())
    assert await counts(house) == (1, 0)
    assert await counts(house, "ada@demo.test") == (0, 0)


async def test_junk_is_not_forwarded(house: Directory, ada: Grant) -> None:
    await house.core.store.write(
        mail_routing.set_forwarding,
        grant=house.grant,
        identifier=ada.entity,
        address="ada@home.example",
        keep_copy=False,
    )
    await add_rule(house, INBOUND, JUNK, "elsewhere.example")
    await pipeline.receive(house.core, outside("ada@demo.test"), by())
    assert await counts(house, "ada@demo.test") == (0, 1)
    assert await list_queue(house.core) == []


async def test_organizations_have_rules_of_their_own(house: Directory) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await add_rule(house, INBOUND, DROP)
    await pipeline.receive(house.core, outside("grace@demo.test", "lin@other.test"), by())
    assert await counts(house) == (0, 0)
    assert len(await in_folder(other, "lin@other.test")) == 1
    assert await stories(other, ruling.APPLIED) == []
    # What people here send to another organization meets its rules; nobody tells them.
    await add_rule(other, INBOUND, DROP, "demo.test")
    grant = await log_in(house.core, "ada@demo.test")
    await pipeline.submit(house.core, grant, envelope("lin@other.test"), message())
    assert len(await in_folder(other, "lin@other.test")) == 1
    (sent,) = await stories(house, writing.SUBMITTED)
    assert sent["results"] == {"lin@other.test": {"local": 1}}
    (applied,) = await stories(other, ruling.APPLIED)
    assert applied["ruleType"] == "INBOUND_RULE"


async def test_mail_between_people_here_meets_both_directions(house: Directory, ada: Grant) -> None:
    await add_rule(house, INBOUND, JUNK, "ada@demo.test", "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await counts(house) == (0, 1)
    await add_rule(house, OUTBOUND, DROP, "ada@demo.test", "grace@demo.test")
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await counts(house) == (0, 1)
    await assert_numbers_are_true(house)


async def test_outbound_a_drop_is_silent_and_a_bounce_is_told(house: Directory, ada: Grant) -> None:
    await add_rule(house, OUTBOUND, DROP, "*", "dropped.example")
    await add_rule(house, OUTBOUND, BOUNCE, "*", "bounced.example")
    to = envelope("a@dropped.example", "B@bounced.example", "c@free.example")
    await pipeline.submit(house.core, ada, to, message())
    (waiting,) = await list_queue(house.core)
    assert waiting["recipient"] == "c@free.example"
    (report,) = await in_folder(house, "ada@demo.test")
    assert b"A rule of your organization does not let the message out." in report
    assert b"b@bounced.example" in report
    assert b"dropped.example: " not in report
    assert b"From: Mail delivery <postmaster@demo.test>" in report
    (sent,) = await stories(house, writing.SUBMITTED)
    assert sent["results"] == {
        "a@dropped.example": {"dropped": 1},
        "b@bounced.example": {"bounced": 1},
        "c@free.example": {"outside": 1},
    }
    (bounced,) = await stories(house, "OUTGOING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["emailAddress"] == "b@bounced.example"


async def test_what_is_not_sent_is_not_counted(house: Directory, ada: Grant) -> None:
    await add_rule(house, OUTBOUND, DROP, "*", "dropped.example")
    to = envelope("a@dropped.example", "c@free.example")
    await pipeline.submit(house.core, ada, to, message())
    assert await house.run("SELECT recipients FROM sent_by_user") == [(1,)]


async def test_a_rule_counts_from_the_next_message_on(house: Directory) -> None:
    rule = await add_rule(house, INBOUND, DROP)
    await pipeline.receive(house.core, outside("grace@demo.test"), by())
    await rules.delete(house.core, house.grant, INBOUND, rule)
    await pipeline.receive(house.core, outside("grace@demo.test"), by())
    assert await counts(house) == (1, 0)


# --- against the evaluator that only does what the words say ---

PEOPLE = ["ada@demo.test", "grace@demo.test"]
AUTHORS = ["bob@elsewhere.example", "eve@sub.elsewhere.example", "x@other.example"]
PATTERNS = [*AUTHORS, "elsewhere.example", "*.elsewhere.example", "*.example", "*"]
random_rules = st.lists(
    st.tuples(
        st.sampled_from([DROP, BOUNCE, JUNK, DEFAULT, NEVER_JUNK]),
        st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True),
        st.lists(st.sampled_from([*PEOPLE, "demo.test", "*"]), min_size=1, max_size=2, unique=True),
    ),
    max_size=5,
)


@command
def forget(tx: Tx) -> None:
    """Take all mail and all rules away."""
    for name in ("item", "summary", "event", "queue", "queue_rcpt", "content", "flow_rule"):
        tx.run(f"DELETE FROM {name}")


async def one_message(house: Directory, made: list[Any], author: str) -> None:
    await house.core.store.write(forget)
    written = []
    for number, (action, senders, destinations) in enumerate(made):
        rule = FlowRule(
            name=f"rule {number}",
            action=FlowAction(type=action),
            senders=tuple(senders),
            destinations=tuple(destinations),
        )
        written.append((await rules.create(house.core, house.grant, INBOUND, rule), rule))
    await house.core.store.write(_raise, org=house.organization)
    await pipeline.receive(house.core, outside(*PEOPLE, sender=author), by(author))
    bounced = {
        one["bouncedRecipient"]["emailAddress"]
        for one in await stories(house, "INCOMING_EMAIL_BOUNCED")
    }
    applied = {
        recipient: one["ruleName"]
        for one in await stories(house, ruling.APPLIED)
        for recipient in one["ruleActions"][0]["recipients"]
    }
    for person in PEOPLE:
        expected = naive(INBOUND, written, [author], person)
        action = expected.rule.action.type if expected is not None else DEFAULT
        place = {DROP: (0, 0), BOUNCE: (0, 0), JUNK: (0, 1)}.get(action, (1, 0))
        assert await counts(house, person) == place
        assert (person in bounced) == (action == BOUNCE)
        assert applied.get(person) == (expected.rule.name if expected is not None else None)


@command
def _raise(tx: Tx, *, org: str) -> None:
    """The rules of before went without a word."""
    table.raise_version(tx, org=org)


def test_every_recipient_ends_where_the_words_say(run: Run[Any], house: Directory) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(random_rules, st.sampled_from(AUTHORS))
    def check(made: list[Any], author: str) -> None:
        run(one_message(house, made, author))

    check()
