"""What events tell of personal rules, and the zone in which rules tell dates."""

from __future__ import annotations

import msgspec

from tests.operations.mailflow.mails import stories
from tests.operations.mailflow.test_personal import GRACE, House, grace, mail

__all__ = ["grace"]


async def test_the_event_of_a_delivery_tells_the_folder_that_a_rule_has_named(grace: House) -> None:
    await grace.rules(
        'require ["fileinto", "mailbox", "special-use", "editheader"];'
        'if header "subject" "new" { fileinto :create "Lists/Sieve"; stop; }'
        'if header "subject" "edited" { addheader "X-Seen" "yes"; fileinto "Archive"; stop; }'
        'if header "subject" "use" { fileinto :specialuse "\\\\Junk" "None"; stop; }'
        'if header "subject" "nowhere" { fileinto "Nowhere"; stop; }'
        'if header "subject" "both" { keep; fileinto "Archive"; stop; }'
        'fileinto "inbox";'
    )
    for subject in ("new", "edited", "use", "nowhere", "both", "else"):
        await grace.bring(mail(subject))
    told = [one for story in await stories(grace.house) for one in story.get("delivered", ())]
    assert {one["recipient"] for one in told} == {GRACE}
    assert [one["folder"] for one in told] == [
        "Lists/Sieve", "Archive", "Junk E-mail", "INBOX", "INBOX", "Archive", "INBOX",
    ]  # fmt: skip


async def test_dates_are_told_in_the_zone_of_the_settings_rfc5260(grace: House) -> None:
    await grace.rules(
        'require ["date", "fileinto", "mailbox", "variables"];'
        'if date :matches "date" "iso8601" "*" { set "there" "${1}"; }'
        'if currentdate :matches "zone" "*" { fileinto :create "${there} now ${1}"; }'
    )
    zones = msgspec.structs.replace(grace.core.settings.sieve, time_zone="Asia/Kolkata")
    grace.core.settings = msgspec.structs.replace(grace.core.settings, sieve=zones)
    await grace.bring(mail(fields="Date: Thu, 01 Jan 2026 12:00:00 +0000\r\n"))
    assert len(await grace.folder("2026-01-01T17:30:00+05:30 now +0530")) == 1
