"""RUN_LAMBDA flow rules: what functions are told, and what becomes of the message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.asking import ADA, GRACE, actions, ask, function, waiting
from tests.operations.mailflow.mails import envelope, stories
from tests.operations.mailflow.rulings import (
    STRANGER,
    add_rule,
    by,
    counts,
    in_folder,
    outside,
)
from tests.operations.mailflow.test_forwarding import remote, senders
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from tests.support.rule_functions import (
    Event,
    HttpFunction,
    run_functions,
    say,
)
from workpost.domain.mailboxes import script_shell as scripts
from workpost.domain.organizations import journaling
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    INBOUND,
    JUNK,
    OUTBOUND,
)
from workpost.domain.organizations.journaling import Journaling
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.principal import Grant
from workpost.operations.filtering.verdicts import Scan
from workpost.operations.mailflow import counting, orders, pipeline, ruling, writing
from workpost.operations.mailflow.envelope import Wish
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one
from workpost.operations.outbound import leasing

__all__ = ["function"]

# --- inbound ---


async def test_a_message_waits_until_its_function_has_answered(
    house: Directory, function: HttpFunction
) -> None:
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE, ADA), by(f"Bob <{STRANGER}>"))
    assert await counts(house) == (0, 0)
    # It is nothing to those who deliver elsewhere.
    seen = await house.core.store.read(leasing.look, busy=[], only=None, after={})
    assert (seen.due, seen.rest_ms) == ([], None)
    (arrived,) = await stories(house, writing.RECEIVED)
    assert arrived["results"] == {GRACE: {"held": 1}, ADA: {"held": 1}}
    await run_functions(house)
    assert await counts(house) == await counts(house, ADA) == (1, 0)
    assert await list_queue(house.core) == []
    (event,) = function.events
    assert len(event.pop("invocationId")) == 32
    assert len(event.pop("messageId")) == 36
    assert event == {
        "summaryVersion": "2018-10-10",
        "envelope": {
            "mailFrom": {"address": STRANGER},
            "recipients": [{"address": GRACE}, {"address": ADA}],
        },
        "subject": "Offer",
        "flowDirection": "INBOUND",
        "truncated": False,
    }
    assert await actions(house) == [{"RUN_LAMBDA": [GRACE, ADA], "DEFAULT": [GRACE, ADA]}]
    (delivered,) = await stories(house, "MAILBOX_EMAIL_DELIVERED")
    assert sorted(one["recipient"] for one in delivered["delivered"]) == [ADA, GRACE]
    assert delivered["traceId"] == arrived["traceId"]
    await assert_numbers_are_true(house)


async def test_each_recipient_gets_what_the_function_says(
    house: Directory, function: HttpFunction
) -> None:
    people = [GRACE, ADA, *(f"{name}@demo.test" for name in ("barbara", "carl", "dora"))]
    for name in ("barbara", "carl", "dora", "eve"):
        await house.user(name)
    function.answer = lambda event: [
        say("DROP", GRACE),
        say("BOUNCE", ADA.upper(), reason="Against  our\npolicy."),
        say("MOVE_TO_JUNK", "barbara@demo.test"),
        say("BYPASS_SPAM_CHECK", "carl@demo.test"),
        say("DEFAULT"),
        say("DEFAULT", "eve@demo.test", "x@elsewhere.example", "no address"),
    ]
    await ask(house)
    await pipeline.receive(house.core, outside(*people), by())
    await run_functions(house)
    places = {one: await counts(house, one) for one in [*people, "eve@demo.test"]}
    assert places == {
        GRACE: (0, 0),
        ADA: (0, 0),
        "barbara@demo.test": (0, 1),
        "carl@demo.test": (1, 0),
        "dora@demo.test": (1, 0),
        # Added: delivered as BCC, the header is as it was.
        "eve@demo.test": (1, 0),
    }
    (applied,) = await stories(house, ruling.APPLIED)
    assert applied["added"] == ["eve@demo.test"]
    assert sorted(applied["ignored"]) == ["no address", "x@elsewhere.example"]
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["reason"] == "Against our policy."
    (report,) = await list_queue(house.core)
    assert (report["sender"], report["recipient"]) == ("", STRANGER)
    await assert_numbers_are_true(house)


async def test_spam_stays_spam_unless_the_function_says_otherwise(
    house: Directory, function: HttpFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spam(*args: object, **more: object) -> Any:
        return Scan(spam={house.organization: "FAIL"})

    monkeypatch.setattr(pipeline, "scan", spam)
    function.answer = lambda event: [say("BYPASS_SPAM_CHECK", GRACE), say("DEFAULT")]
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE, ADA), by())
    await run_functions(house)
    assert await counts(house) == (1, 0)
    assert await counts(house, ADA) == (0, 1)


async def test_groups_aliases_and_plus_addresses_are_what_they_are_when_it_goes_on(
    house: Directory, function: HttpFunction
) -> None:
    await house.group("team", "grace", "ada")
    await ask(house)
    await add_rule(house, INBOUND, DEFAULT, "*", "ada+x@demo.test".replace("+x", ""))
    await pipeline.receive(house.core, outside("team@demo.test", "ada+x@demo.test"), by())
    # Whoever is written to in another way has it at once, and not again.
    assert await counts(house, ADA) == (1, 0)
    await run_functions(house)
    assert function.events[0]["envelope"]["recipients"] == [{"address": "team@demo.test"}]
    assert await counts(house, ADA) == await counts(house) == (1, 0)


async def test_a_person_who_left_meanwhile_bounces_and_a_full_mailbox_waits(
    house: Directory, function: HttpFunction
) -> None:
    carl = await house.user("carl")
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE, "carl@demo.test"), by())
    grant = await log_in(house.core, GRACE)
    await house.change("UPDATE mailbox SET quota = 0 WHERE id = ?", grant.mailbox)
    await house.change("DELETE FROM address WHERE entity = ?", carl)
    await run_functions(house)
    assert sorted(await waiting(house)) == [STRANGER, GRACE]
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["emailAddress"] == "carl@demo.test"
    await house.change("UPDATE mailbox SET quota = 1000000")
    assert await deliver_one(house.core)
    assert await counts(house) == (1, 0)


async def test_no_bounce_goes_to_a_forged_sender(house: Directory, function: HttpFunction) -> None:
    await ask(house)
    function.answer = lambda event: [say("BOUNCE")]
    forged = msgspec.structs.replace(outside(GRACE), forged=True)
    await pipeline.receive(house.core, forged, by())
    await run_functions(house)
    assert await list_queue(house.core) == []
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["report"].startswith("none")
    assert bounced["bouncedRecipient"]["reason"] == ruling.REASONS[INBOUND]


async def test_two_organizations_on_one_message(house: Directory, function: HttpFunction) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await ask(house)
    function.answer = lambda event: [say("DEFAULT", "lin@other.test"), say("DROP", GRACE)]
    await pipeline.receive(house.core, outside(GRACE, "lin@other.test"), by())
    assert len(await in_folder(other, "lin@other.test")) == 1
    await run_functions(house)
    (event,) = function.events
    assert event["envelope"]["recipients"] == [{"address": GRACE}]
    assert await counts(house) == (0, 0)
    assert len(await in_folder(other, "lin@other.test")) == 1
    assert await stories(other, ruling.APPLIED) == []


async def test_personal_rules_and_confirmations_come_after_the_function(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    for grant, source in (
        (await log_in(house.core, GRACE), b'require "copy"; redirect :copy "g@home.example";'),
        (ada, b'require "reject"; reject "Not me.";'),
    ):
        await scripts.put_script(house.core, grant, "rules", source)
        await scripts.activate_script(house.core, grant, "rules")
    await ask(house)
    wish = Wish(("SUCCESS",), "rfc822;grace@demo.test")
    people = GRACE, ADA
    asked = msgspec.structs.replace(outside(*people), wishes=dict.fromkeys(people, wish))
    await pipeline.receive(house.core, asked, by())
    assert await waiting(house) == [GRACE, ADA]
    await run_functions(house)
    # On to grace's other address, ada's refusal, and the confirmation of grace's alone.
    assert sorted(await waiting(house)) == [STRANGER, STRANGER, "g@home.example"]
    assert await counts(house) == (1, 0)
    assert await counts(house, ADA) == (0, 0)
    assert await house.run("SELECT recipients FROM sent_by_user") == [(1,)]


async def test_who_has_sent_enough_today_keeps_what_a_rule_would_send_on(
    house: Directory, function: HttpFunction
) -> None:
    limits = msgspec.structs.replace(house.core.settings.limits, external_recipients_per_day=1)
    house.core.settings = msgspec.structs.replace(house.core.settings, limits=limits)
    grace = await log_in(house.core, GRACE)
    script = b'redirect "a@home.example"; redirect "b@home.example";'
    await scripts.put_script(house.core, grace, "rules", script)
    await scripts.activate_script(house.core, grace, "rules")
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE), by())
    await run_functions(house)
    assert await waiting(house) == []
    assert await counts(house) == (1, 0)


async def test_what_dmarc_doubts_stays_junk_and_nobody_is_told(
    house: Directory, function: HttpFunction
) -> None:
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records["TXT", "_dmarc.elsewhere.example"] = ["v=DMARC1; p=quarantine"]
    resolver.records["TXT", "elsewhere.example"] = ["v=spf1 -all"]
    function.answer = lambda event: [say("BOUNCE", ADA), say("BYPASS_SPAM_CHECK")]
    await ask(house)
    await pipeline.receive(house.core, outside(GRACE, ADA, peer="192.0.2.66"), by())
    await run_functions(house)
    assert await counts(house) == (0, 1)
    assert await waiting(house) == []
    (bounced,) = await stories(house, "INCOMING_EMAIL_BOUNCED")
    assert bounced["report"] == ruling.UNPROVEN


# --- outbound, and both ---


async def test_outbound_then_inbound(house: Directory, ada: Grant, function: HttpFunction) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    await ask(house, OUTBOUND)
    await ask(house, INBOUND)
    await add_rule(other, INBOUND, JUNK)
    added = "added@elsewhere.example"

    def answer(event: Event) -> list[Any]:
        if event["flowDirection"] == "OUTBOUND":
            return [say("DROP", "x@away.example"), say("DEFAULT"), say("DEFAULT", added)]
        return [say("MOVE_TO_JUNK")]

    function.answer = answer
    to = ["Bob@Away.example", "x@away.example", GRACE, "lin@other.test"]
    await pipeline.submit(house.core, ada, envelope(*to), message())
    assert await counts(house) == (0, 0)
    assert await stories(other) == []
    await run_functions(house)
    outbound, inbound = function.events
    assert [one["address"] for one in outbound["envelope"]["recipients"]] == to
    assert [one["address"] for one in inbound["envelope"]["recipients"]] == [GRACE]
    assert outbound["invocationId"] != inbound["invocationId"]
    assert outbound["messageId"] != inbound["messageId"]
    assert await counts(house) == (0, 1)
    assert len(await in_folder(other, "lin@other.test", "Junk E-mail")) == 1
    assert sorted(await waiting(house)) == ["Bob@Away.example", added]
    # People elsewhere count when it is taken (three), and whoever is added when that happens.
    assert await house.run("SELECT recipients FROM sent_by_user") == [(3,)]
    (arrived,) = await stories(other, writing.RECEIVED)
    assert [one["folder"] for one in arrived["delivered"]] == ["Junk E-mail"]
    (delivered,) = await stories(house, "MAILBOX_EMAIL_DELIVERED")
    assert delivered["arrived"] == [GRACE]
    # As received once, delivered once and sent once.
    assert counting.tally_of("MAILBOX_EMAIL_DELIVERED", delivered) == (1, 1, 0, 0, 1)
    await assert_numbers_are_true(house)


async def test_each_organization_has_one_journal_report(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    other = await new_directory(house.core, "other")
    await other.user("lin")
    for each in (house, other):
        to = Journaling("archive@vault.example", f"postmaster@{each.domain}")
        await journaling.set_journaling(each.core, each.grant, to)
    await ask(house, OUTBOUND)
    function.answer = lambda event: [say("DEFAULT"), say("DEFAULT", "lin@other.test")]
    await pipeline.submit(house.core, ada, envelope(GRACE), message())
    assert sorted(await waiting(house)) == ["archive@vault.example", GRACE]
    await run_functions(house)
    assert await waiting(house) == ["archive@vault.example"] * 2
    for each in (house, other):
        assert len(await stories(each, "JOURNALING_INITIATED")) == 1
    assert len(await in_folder(other, "lin@other.test")) == 1


async def test_two_functions_of_one_message_ask_for_their_own_recipients(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    other = await new_directory(house.core, "other", house.account)
    await other.user("lin")
    await ask(house)
    await ask(other)
    await pipeline.submit(house.core, ada, envelope(GRACE, "lin@other.test"), message())
    await run_functions(house)
    told = [
        [one["address"] for one in event["envelope"]["recipients"]] for event in function.events
    ]
    assert sorted(told) == [[GRACE], ["lin@other.test"]]
    assert await counts(house) == (1, 0)
    assert len(await in_folder(other, "lin@other.test")) == 1
    assert len(await stories(other, writing.RECEIVED)) == 1
    (sent,) = await stories(house, writing.SUBMITTED)
    # A sender does not hear of another organization's rules.
    assert sent["results"] == {GRACE: {"held": 1}, "lin@other.test": {"local": 1}}


async def test_a_bounce_outbound_reaches_the_sender(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    await ask(house, OUTBOUND)
    function.answer = lambda event: [say("BOUNCE", reason="Not outside,\0 please." + "!" * 2000)]
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await run_functions(house)
    (report,) = await in_folder(house, ADA)
    assert b"Not outside, please.!!!" in report
    assert b"\0" not in report
    assert max(map(len, report.split(b"\r\n"))) <= 998
    (bounced,) = await stories(house, "OUTGOING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["emailAddress"] == "bob@away.example"


async def test_on_behalf_is_told(house: Directory, ada: Grant, function: HttpFunction) -> None:
    await ask(house)
    raw = by("Boss <boss@elsewhere.example>", f"Sender: {STRANGER}\r\n")
    await pipeline.receive(house.core, outside(GRACE), raw)
    await run_functions(house)
    (event,) = function.events
    assert event["envelope"]["mailFrom"] == {"address": "boss@elsewhere.example"}
    assert event["sender"] == {"address": STRANGER}


async def test_added_recipients_do_not_pass_the_limit_of_the_day(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    limits = msgspec.structs.replace(house.core.settings.limits, external_recipients_per_day=1)
    house.core.settings = msgspec.structs.replace(house.core.settings, limits=limits)
    await ask(house, OUTBOUND)
    function.answer = lambda event: [say("DEFAULT"), say("DEFAULT", "added@away.example", GRACE)]
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await run_functions(house)
    assert await waiting(house) == ["bob@away.example"]
    assert await counts(house) == (1, 0)
    (bounced,) = await stories(house, "OUTGOING_EMAIL_BOUNCED")
    assert bounced["bouncedRecipient"]["emailAddress"] == "added@away.example"
    assert await in_folder(house, ADA) == []


async def test_an_added_group_that_only_some_of_take_mail_is_somebody(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    limits = msgspec.structs.replace(house.core.settings.limits, external_recipients_per_day=1)
    house.core.settings = msgspec.structs.replace(house.core.settings, limits=limits)
    await remote(house, "rob", "Rob@third.example")
    await house.group("board", "grace")
    await senders(house, "board", "members")
    await house.user("lin")
    await house.group("all", "board", "lin", "rob")
    await house.group("staff", "board", "lin")
    await ask(house, OUTBOUND)
    function.answer = lambda event: [say("DEFAULT"), say("DEFAULT", "all@demo.test")]
    await pipeline.submit(house.core, ada, envelope("bob@away.example"), message())
    await run_functions(house)
    assert await counts(house, "lin@demo.test") == (1, 0)
    assert await waiting(house) == ["bob@away.example"]
    function.answer = lambda event: [say("DEFAULT"), say("DEFAULT", "staff@demo.test")]
    await pipeline.submit(house.core, ada, envelope(ADA), message())
    await run_functions(house)
    assert await counts(house, "lin@demo.test") == (2, 0)
    assert await counts(house) == (0, 0)
    told = (await stories(house, ruling.APPLIED))[-1]
    assert (told["added"], told.get("ignored")) == (["staff@demo.test"], None)


async def test_undo_send_holds_the_function_back(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    await ask(house, OUTBOUND)
    until = house.core.env.now() + 3_600_000
    to = envelope("bob@away.example")
    first = await pipeline.submit(house.core, ada, to, message(), hold_until=until)
    second = await pipeline.submit(house.core, ada, to, message(), hold_until=until)
    await run_functions(house)
    assert function.events == []
    assert await orders.take_back(house.core, ada, first)
    await house.change("UPDATE queue_rcpt SET due = 0")
    await house.change("UPDATE queue SET hold_until = 0")
    await run_functions(house)
    assert len(function.events) == 1
    assert await waiting(house) == ["bob@away.example"]
    assert not await orders.take_back(house.core, ada, second)


async def test_mail_that_was_held_is_of_the_moment_when_it_went(
    house: Directory, ada: Grant, function: HttpFunction
) -> None:
    """Retention counts from there, and so do mail programs that sort by date."""
    await ask(house, OUTBOUND)
    until = house.core.env.now() + 3_600_000
    week = 7 * 86_400_000
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message(), hold_until=until)
    await house.change("UPDATE queue_rcpt SET due = 0")
    await house.change("UPDATE queue SET created = created - ?", week)
    await run_functions(house)
    [(received,)] = await house.run("SELECT received FROM item")
    assert received == until
