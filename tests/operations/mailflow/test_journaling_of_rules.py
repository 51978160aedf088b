"""What people's rules send by themselves is journaled: it is mail of the organization, too."""

from __future__ import annotations

import pytest

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.rulings import add_rule
from tests.operations.mailflow.test_journaling import ARCHIVE, set_journaling
from tests.operations.mailflow.test_personal import BOB, GRACE, House, grace, mail
from tests.support.directories import new_directory
from workpost.domain.organizations import journaling as settings
from workpost.domain.organizations.flow_rules import DROP, INBOUND, OUTBOUND
from workpost.domain.organizations.journaling import Journaling
from workpost.operations.mailflow import journal_marks, journaling

__all__ = ["grace"]


async def journaled(grace: House) -> list[list[str]]:
    """The recipients of each message that a report was made of, in any order."""
    return sorted(one["recipients"] for one in await stories(grace.house, journaling.INITIATED))


async def reports(grace: House) -> int:
    return sum(1 for one in await grace.leaving() if one["recipient"] == ARCHIVE)


@pytest.mark.parametrize(
    ("script", "recipients", "count"),
    [
        ('require "vacation"; vacation "Away.";', [BOB], 1),
        ('require "enotify"; notify "mailto:pager@far.example";', ["pager@far.example"], 2),
    ],
)
async def test_answers_once_and_each_notice(
    grace: House, script: str, recipients: list[str], count: int
) -> None:
    await set_journaling(grace.house, ARCHIVE, "ada@demo.test")
    await grace.rules(script)
    for _ in range(2):
        await grace.bring(mail())
    assert await journaled(grace) == sorted([[GRACE]] * 2 + [recipients] * count)
    assert await reports(grace) == 2 + count


async def test_a_refusal_that_goes_by_mail(grace: House) -> None:
    await set_journaling(grace.house, ARCHIVE, "ada@demo.test")
    await grace.rules('require "reject"; reject "Not today";')
    await grace.bring(mail(), to=(GRACE, "ada@demo.test"))
    assert sorted(await journaled(grace)) == sorted([[GRACE, "ada@demo.test"], [BOB]])


async def test_what_is_sent_on_was_journaled_when_it_came(grace: House) -> None:
    await set_journaling(grace.house, ARCHIVE, "ada@demo.test")
    await grace.rules('redirect "x@home.example";')
    await grace.bring(mail())
    assert await journaled(grace) == [[GRACE]]


async def test_no_flow_rule_stops_what_rules_of_people_send(grace: House) -> None:
    await add_rule(grace.house, OUTBOUND, DROP)
    await add_rule(grace.house, INBOUND, DROP, senders="demo.test")
    await grace.rules('require "vacation"; vacation "Away.";')
    await grace.bring(mail())
    await grace.bring(mail(sender="lin@other.example"), sender="ada@demo.test")
    assert [one["recipient"] for one in await grace.leaving()] == [BOB]
    assert len(await grace.folder("INBOX", "ada@demo.test")) == 1


async def test_the_organization_of_who_is_answered_journals_it_as_well(grace: House) -> None:
    other = await new_directory(grace.core, "other")
    await other.user("lin")
    await settings.set_journaling(
        grace.core, other.grant, Journaling("journal@far.example", "lin@other.test")
    )
    await grace.rules('require "vacation"; vacation "Away.";')
    await grace.bring(mail(sender="lin@other.test"), sender="lin@other.test")
    (told,) = await stories(other, journaling.INITIATED)
    assert told["recipients"] == ["lin@other.test"]


async def test_notices_of_what_an_archive_answers_come_to_an_end(grace: House) -> None:
    """The notice does not quote the answer that it tells of, which quotes the report."""
    await set_journaling(grace.house, "ada@demo.test", GRACE)
    await grace.rules('require "enotify"; notify "mailto:pager@far.example";')
    counts, quoted = [], ""
    for _ in range(journal_marks.MOST + 3):
        await grace.bring(mail(fields=f"References: {quoted}\r\n" if quoted else ""))
        kept = await grace.folder("INBOX", "ada@demo.test")
        about = [one for one in kept if one["Subject"].startswith("New message")]
        counts.append(len(kept))
        quoted = about[-1]["Message-ID"]
    assert counts[0] == 2
    assert counts[-1] == counts[-2]
