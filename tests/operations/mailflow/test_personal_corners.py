"""What events tell of personal rules; what redirects take along, and whom answers know."""

from __future__ import annotations

import pytest

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.test_personal import GRACE, House, grace, mail
from tests.support.directories import Directory
from tests.support.mailboxes import log_in
from workpost.domain.mailboxes import shell as mailboxes
from workpost.operations.mailflow import scripted

__all__ = ["grace"]


async def test_events_name_each_folder_that_takes_the_message(grace: House) -> None:
    await grace.rules(
        'require ["fileinto", "mailbox", "copy", "special-use"];'
        'fileinto :copy :create "Lists/Sieve"; fileinto "inbox";'
        'fileinto :specialuse "\\\\Junk" "None";'
    )
    await grace.bring(mail())
    told = [one for story in await stories(grace.house) for one in story.get("delivered", ())]
    folders = ["INBOX", "Junk E-mail", "Lists/Sieve"]
    assert sorted(one["folder"] for one in told) == folders
    actions = await grace.actions()
    assert sorted(one["targetFolder"] for one in actions) == folders
    assert {one["action"] for one in actions} == {"MOVE"}


async def test_what_stays_in_the_inbox_is_copied_elsewhere(grace: House) -> None:
    await grace.rules('require ["fileinto", "copy"]; fileinto :copy "Archive";')
    await grace.bring(mail())
    [action] = await grace.actions()
    assert action == {"action": "COPY", "recipients": [GRACE], "targetFolder": "Archive"}


async def test_what_a_machine_wrote_of_its_own_accord_is_redirected(grace: House) -> None:
    await grace.rules('redirect "x@home.example";')
    await grace.bring(mail(fields="Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"))
    assert len(await grace.leaving()) == 1
    assert await grace.folder("INBOX") == []


@pytest.mark.parametrize(
    ("addresses", "answers"),
    [("grace@old.example", 1), ("Grace <Grace@Old.example>", 1), ("other@old.example", 0)],
)
async def test_vacation_answers_mail_to_addresses_that_the_script_names_rfc5230_4_5(
    house: Directory, addresses: str, answers: int
) -> None:
    grace = House(house, queued=False)
    await grace.rules(
        f'require "vacation"; vacation :addresses ["x@x.test", "{addresses}"] "Away.";'
    )
    await grace.bring(mail(to="grace@old.example"), sender="ada@demo.test")
    assert len(await grace.folder("INBOX", "ada@demo.test")) == answers


async def test_vacation_with_another_handle_or_text_is_another_answer_rfc5230_4_2(
    house: Directory,
) -> None:
    grace = House(house, queued=False)
    for rule in ('"Away."', '"Still away."', ':handle "h" "A"', ':handle "h" "B"', '"Away."'):
        await grace.rules(f'require "vacation"; vacation {rule};')
        await grace.bring(mail(), sender="ada@demo.test")
    answers = await grace.folder("INBOX", "ada@demo.test")
    assert [one.get_content().strip() for one in answers] == ["Away.", "Still away.", "A"]


async def test_vacation_seconds_are_a_minute_at_least_rfc6131(house: Directory) -> None:
    grace = House(house, queued=False)
    await grace.rules('require "vacation-seconds"; vacation :seconds 0 "Away.";')
    before = grace.core.env.now()
    await grace.bring(mail(), sender="ada@demo.test")
    [[expires]] = await house.run("SELECT expires FROM sieve_memory")
    assert 60_000 <= expires - before <= 120_000


@pytest.mark.parametrize("taken", [False, True])
async def test_a_folder_that_is_made_for_a_special_use_has_it_rfc8579_3_2(
    grace: House, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    await grace.rules(
        'require ["fileinto", "mailbox", "special-use"];'
        'fileinto :create :specialuse "\\\\Archive" "Kept/Papers";'
    )
    owner = await log_in(grace.core, GRACE)
    if taken:
        # Another delivery makes one between the look and this one.
        monkeypatch.setattr(scripted.Tree, "of_use", lambda *_: None)
    else:
        await grace.house.change(
            "DELETE FROM folder WHERE mailbox = ? AND role = 'archive'", owner.mailbox
        )
    for _ in range(2):
        await grace.bring(mail())
    assert len(await grace.folder("Kept/Papers")) == 2
    made = await mailboxes.find_folder(grace.core, owner, "Kept/Papers")
    assert made.role == ("" if taken else "archive")
