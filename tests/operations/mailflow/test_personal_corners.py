"""What events tell of personal rules, and what redirects take along."""

from __future__ import annotations

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.test_personal import GRACE, House, grace, mail

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
