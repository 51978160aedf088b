"""Personal rules at delivery, directly and from the queue, on both engines."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest

from tests.operations.mailflow.mails import envelope, stories
from tests.support.directories import Directory
from tests.support.mailboxes import assert_numbers_are_true, log_in
from workpost.domain.mailboxes import script_shell as scripts
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.mailboxes.out_of_office import OutOfOffice, put_out_of_office
from workpost.domain.messages import shell as messages
from workpost.kernel.errors import MessageRefused
from workpost.kernel.principal import Grant
from workpost.operations.filtering import scan as filtering
from workpost.operations.filtering.verdicts import FAIL
from workpost.operations.mailflow import filing, pipeline, ruling
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one
from workpost.operations.upkeep.expiry import expire
from workpost.store.core import Core

BOB = "bob@elsewhere.example"
GRACE = "grace@demo.test"


def mail(subject: str = "Hello", *, to: str = GRACE, fields: str = "", sender: str = BOB) -> bytes:
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <1@elsewhere.example>\r\n"
        f"{fields}\r\nGood morning.\r\n"
    ).encode()


class House:
    """The house with Grace's rules; `bring` delivers to her, directly or through the queue."""

    def __init__(self, house: Directory, queued: bool) -> None:
        self.house = house
        flow = msgspec.structs.replace(
            house.core.settings.mailflow, direct_recipients=0 if queued else 20
        )
        settings = msgspec.structs.replace(house.core.settings, mailflow=flow)
        self.core: Core = msgspec.structs.replace(house.core, settings=settings)
        self.queued = queued

    async def rules(self, source: str, address: str = GRACE) -> None:
        grant = await log_in(self.core, address)
        await scripts.put_script(self.core, grant, "rules", source.encode())
        await scripts.activate_script(self.core, grant, "rules")

    async def bring(
        self, raw: bytes, *, sender: str = BOB, to: tuple[str, ...] = (GRACE,), peer: str = ""
    ) -> None:
        envelope = Envelope(sender=sender, recipients=list(to), peer=peer)
        await pipeline.receive(self.core, envelope, raw)
        await self.settle()

    async def settle(self) -> None:
        while await deliver_one(self.core):
            pass
        await assert_numbers_are_true(self.house)

    async def folder(self, path: str, address: str = GRACE) -> list[EmailMessage]:
        return [one for one, _, _ in await self.flagged(path, address)]

    async def flagged(
        self, path: str, address: str = GRACE
    ) -> list[tuple[EmailMessage, int, tuple[bytes, ...]]]:
        grant = await log_in(self.core, address)
        folder = await mailboxes.find_folder(self.core, grant, path)
        page = await messages.metadata_page(self.core, grant, folder.id, low=1, high=2**31)
        found = []
        for meta in page:
            raw = await messages.read_content(self.core, grant, meta)
            parsed = message_from_bytes(raw, policy=policy.SMTP)
            assert isinstance(parsed, EmailMessage)
            found.append((parsed, meta.flags, meta.keywords))
        return found

    async def leaving(self) -> list[dict[str, Any]]:
        """What waits for other servers."""
        return [one for one in await list_queue(self.core) if "demo.test" not in one["recipient"]]

    async def actions(self) -> list[dict[str, Any]]:
        return [
            action
            for story in await stories(self.house, ruling.APPLIED)
            for action in story["ruleActions"]
        ]


@pytest.fixture(params=["direct", "queued"])
def grace(house: Directory, request: pytest.FixtureRequest) -> House:
    return House(house, request.param == "queued")


async def test_who_has_no_rules_gets_mail_as_ever(grace: House) -> None:
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
    assert await grace.actions() == []


async def test_fileinto_finds_folders_by_imap_paths_and_sets_flags_rfc5232(grace: House) -> None:
    owner = await log_in(grace.core, GRACE)
    await mailboxes.create_folder(grace.core, owner, "Work/Büro")
    await grace.rules(
        'require ["fileinto", "imap4flags"];'
        'fileinto :flags ["\\\\Seen", "$Important", "bad{flag", "\\\\Recent"] "Work/Büro";'
    )
    await grace.bring(mail())
    [(_, flags, keywords)] = await grace.flagged("Work/Büro")
    assert (flags & 31, keywords) == (1, (b"$Important",))
    assert await grace.folder("INBOX") == []
    [action] = await grace.actions()
    assert action == {"action": "MOVE", "recipients": [GRACE], "targetFolder": "Work/Büro"}


async def test_an_unknown_folder_is_the_inbox_with_an_event(grace: House) -> None:
    await grace.rules('require "fileinto"; fileinto "Nowhere"; fileinto "a//b";')
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
    assert (await grace.actions())[0]["missingFolder"] == "Nowhere"


async def test_create_makes_the_folder_with_its_parents_rfc5490(grace: House) -> None:
    await grace.rules(
        'require ["fileinto", "mailbox", "copy"];'
        'if mailboxexists "Lists/Sieve" { fileinto :copy "Archive"; }'
        'fileinto :create "Lists/Sieve";'
    )
    await grace.bring(mail())
    await grace.bring(mail())
    assert len(await grace.folder("Lists/Sieve")) == 2
    assert len(await grace.folder("Archive")) == 1
    assert await grace.folder("INBOX") == []


async def test_special_use_comes_before_the_name_rfc8579(grace: House) -> None:
    await grace.rules(
        'require ["fileinto", "special-use"];'
        'if specialuse_exists "\\\\Archive" { fileinto :specialuse "\\\\Archive" "None"; }'
    )
    await grace.bring(mail())
    assert len(await grace.folder("Archive")) == 1


async def test_keep_and_fileinto_of_one_folder_are_one_item(grace: House) -> None:
    await grace.rules('require "fileinto"; keep; fileinto "inbox"; fileinto "Archive";')
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
    assert len(await grace.folder("Archive")) == 1


async def test_copies_without_room_are_left_out(grace: House) -> None:
    await grace.rules('require "fileinto"; fileinto "Archive"; keep;')
    owner = await log_in(grace.core, GRACE)
    await grace.house.change("UPDATE mailbox SET quota = 600 WHERE id = ?", owner.mailbox)
    await grace.bring(mail())
    assert len(await grace.folder("Archive")) == 1
    assert await grace.folder("INBOX") == []


async def test_discard_leaves_an_event_only(grace: House) -> None:
    await grace.rules("discard;")
    await grace.bring(mail(), to=(GRACE, "ada@demo.test"))
    assert await grace.folder("INBOX") == []
    assert len(await grace.folder("INBOX", "ada@demo.test")) == 1
    assert await grace.actions() == [{"action": "DISCARD", "recipients": [GRACE]}]


async def test_editheader_gives_this_mailbox_its_own_content_rfc5293(grace: House) -> None:
    await grace.rules(
        'require "editheader"; addheader "X-Seen-By" "grace"; deleteheader "Subject";'
    )
    await grace.bring(mail(), to=(GRACE, "ada@demo.test"))
    [mine] = await grace.folder("INBOX")
    [hers] = await grace.folder("INBOX", "ada@demo.test")
    assert (mine["X-Seen-By"], mine["Subject"]) == ("grace", None)
    assert (hers["X-Seen-By"], hers["Subject"]) == (None, "Hello")
    told = [one for story in await stories(grace.house) for one in story.get("delivered", ())]
    assert sorted(one["recipient"] for one in told) == ["ada@demo.test", GRACE]


async def test_the_envelope_is_that_of_the_message_rfc5233(grace: House) -> None:
    await grace.rules(
        'require ["envelope", "subaddress", "fileinto"];'
        'if envelope :detail "to" "lists" { fileinto "Archive"; }'
    )
    await grace.bring(mail(), to=("grace+lists@demo.test",))
    assert len(await grace.folder("Archive")) == 1


async def test_duplicates_are_known_by_their_id_rfc7352(grace: House) -> None:
    await grace.rules('require "duplicate"; if duplicate { discard; }')
    for _ in range(3):
        await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
    await grace.house.change("UPDATE sieve_memory SET expires = 1")
    await expire(grace.core)
    assert await grace.house.run("SELECT kind FROM sieve_memory") == []
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 2


async def test_an_error_keeps_the_message_and_is_told_once_a_day(grace: House) -> None:
    await grace.rules('require ["variables", "fileinto"]; set "a" ""; fileinto "${a}";')
    await grace.bring(mail())
    await grace.bring(mail())
    kept = await grace.folder("INBOX")
    told = [one for one in kept if "filter" in str(one["Subject"])]
    assert (len(kept), len(told)) == (3, 1)
    assert str(told[0]["Auto-Submitted"]).startswith("auto-notified")


async def test_vacation_answers_each_sender_once_rfc5230(grace: House) -> None:
    await grace.rules('require "vacation"; vacation :days 2 :subject "Away" "I am away; Grüße.";')
    await grace.bring(mail(), sender="ada@demo.test")
    await grace.bring(mail(), sender="ada@demo.test")
    [answer] = await grace.folder("INBOX", "ada@demo.test")
    assert answer["Subject"] == "Away"
    assert answer["To"] == "ada@demo.test"
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer["In-Reply-To"] == "<1@elsewhere.example>"
    assert answer["Return-Path"] == "<>"
    assert "I am away; Grüße." in answer.get_content()
    assert len(await grace.folder("INBOX")) == 2
    await grace.house.change("UPDATE sieve_memory SET expires = 1")
    await grace.bring(mail(), sender="ada@demo.test")
    assert len(await grace.folder("INBOX", "ada@demo.test")) == 2


@pytest.mark.parametrize("queued", [False, True])
async def test_forged_senders_hear_nothing(
    house: Directory, monkeypatch: pytest.MonkeyPatch, queued: bool
) -> None:
    grace = House(house, queued)
    source = 'require ["vacation", "reject", "ereject"]; if header "Subject" "{}" {{ {} }}'
    answers = (("Hello", 'vacation "Away.";'), ("No", 'reject "No";'), ("Never", 'ereject "No";'))
    monkeypatch.setattr(pipeline, "is_forged", lambda _: True)
    monkeypatch.setattr(pipeline, "is_from_outside", lambda *_: True)
    for subject, action in answers:
        await grace.rules(source.format(subject, action))
        await grace.bring(mail(subject), to=(GRACE, "ada@demo.test"))
    assert await grace.leaving() == []


async def test_vacation_to_other_servers_leaves_from_the_null_sender(grace: House) -> None:
    await grace.rules('require "vacation"; vacation "Away.";')
    await grace.bring(mail())
    [answer] = await grace.leaving()
    assert (answer["recipient"], answer["sender"]) == (BOB, "")


async def test_vacation_may_be_mime_and_in_the_name_of_an_alias(grace: House) -> None:
    await grace.rules(
        'require "vacation"; vacation :mime :from "Elsewhere <mallory@demo.test>" text:\r\n'
        "Content-Type: text/html; charset=utf-8\r\nBcc: x@y.test\r\n\r\n<b>Away</b>\r\n.\r\n;"
    )
    await grace.bring(mail(), sender="ada@demo.test")
    [answer] = await grace.folder("INBOX", "ada@demo.test")
    assert answer.get_content_type() == "text/html"
    assert "grace@demo.test" in str(answer["From"])
    assert answer["Bcc"] is None
    assert answer["Subject"] == "Auto: Hello"


UNANSWERED: list[tuple[str, bytes]] = [
    ("", mail()),
    (BOB, mail(fields="Auto-Submitted: auto-replied\r\n")),
    (BOB, mail(fields="List-Id: <x.example>\r\n")),
    (BOB, mail(fields="Precedence: bulk\r\n")),
    (BOB, mail(fields="X-Auto-Response-Suppress: DR, OOF\r\n")),
    (BOB, mail(to="undisclosed@elsewhere.example")),
    ("owner-list@elsewhere.example", mail()),
    ("no-reply@elsewhere.example", mail()),
    ("MAILER-DAEMON@elsewhere.example", mail()),
    (GRACE, mail()),
]


async def test_who_never_gets_an_answer_rfc5230_4_6(house: Directory) -> None:
    grace = House(house, queued=False)
    await grace.rules('require "vacation"; vacation "Away.";')
    await put_out_of_office(
        grace.core,
        await log_in(grace.core, GRACE),
        OutOfOffice(state="ENABLED", internal="In.", external="Out.", audience="EVERYONE"),
    )
    for number, (sender, raw) in enumerate(UNANSWERED):
        await grace.bring(raw, sender=sender)
        assert await grace.leaving() == [], (sender, raw)
        assert len(await grace.folder("INBOX")) == number + 1, (sender, raw)
    assert await grace.actions() == []


async def test_reject_alone_is_said_in_smtp_rfc5429(house: Directory) -> None:
    grace = House(house, queued=False)
    await grace.rules('require "reject"; reject "Not today";')
    with pytest.raises(MessageRefused, match="Not today"):
        await grace.bring(mail())
    assert await house.run("SELECT id FROM item") == []
    assert (await grace.actions())[0]["action"] == "REJECT"


@pytest.mark.parametrize(
    ("command", "kind"),
    [("ereject", "delivery-status"), ("reject", "disposition-notification")],
)
async def test_reject_beside_others_is_told_by_mail(grace: House, command: str, kind: str) -> None:
    await grace.rules(f'require "{command}"; {command} "Not today,\r\nGrace";')
    await grace.bring(mail(), sender="ada@demo.test", to=(GRACE, "ada@demo.test"))
    assert await grace.folder("INBOX") == []
    found = await grace.folder("INBOX", "ada@demo.test")
    [report] = [one for one in found if one.get_content_type() == "multipart/report"]
    assert report.get_param("report-type") == kind
    assert "Not today" in report.as_string()
    assert report["Return-Path"] == "<>"


async def test_the_null_sender_is_not_refused(grace: House) -> None:
    await grace.rules('require "reject"; reject "Not today";')
    await grace.bring(mail(), sender="")
    assert len(await grace.folder("INBOX")) == 1


async def test_redirect_to_other_servers_is_forwarding(grace: House) -> None:
    await grace.rules('require "copy"; redirect :copy "grace@home.example";')
    await grace.bring(mail())
    [row] = await grace.leaving()
    assert row["recipient"] == "grace@home.example"
    assert str(row["sender"]).upper().startswith("SRS0=")
    assert len(await grace.folder("INBOX")) == 1
    [story] = await stories(grace.house, ruling.APPLIED)
    assert story["targetRecipient"] == ["grace@home.example"]
    assert (story["ruleType"], story["recipient"]) == ("MAILBOX_RULE", GRACE)


async def test_redirect_sends_the_header_as_it_was_edited_rfc5293_6(grace: House) -> None:
    await grace.rules(
        'require ["editheader", "copy"]; addheader "X-By" "grace"; redirect "ada@demo.test";'
        'redirect :copy "grace@home.example";'
    )
    await grace.bring(mail())
    [sent] = await grace.folder("INBOX", "ada@demo.test")
    assert (sent["X-By"], sent["Delivered-To"]) == ("grace", GRACE)
    assert sent.keys()[0] == "Return-Path"
    assert len(await grace.leaving()) == 1
    assert await grace.folder("INBOX") == []


async def test_redirect_within_the_house_knows_its_circle(grace: House) -> None:
    await grace.rules('redirect "ada@demo.test";')
    await grace.rules('redirect "grace@demo.test";', "ada@demo.test")
    await grace.bring(mail())
    # Ada's rule would send it back, which Grace's mailbox would know: it stays where it came last.
    [kept] = await grace.folder("INBOX") + await grace.folder("INBOX", "ada@demo.test")
    assert GRACE in str(kept.get_all("Delivered-To"))


async def test_redirect_to_a_group_of_the_owner_keeps_a_copy(grace: House) -> None:
    await grace.house.group("both", "ada", "grace")
    await grace.rules('redirect "both@demo.test";')
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
    assert len(await grace.folder("INBOX", "ada@demo.test")) == 1


UNMOVED: list[tuple[str, bytes, str]] = [
    ("", mail(), 'redirect "x@home.example";'),
    (BOB, mail(fields="Auto-Submitted: auto-replied\r\n"), 'redirect "x@home.example";'),
    (BOB, mail(fields=f"Delivered-To: {GRACE}\r\n"), 'redirect "x@home.example";'),
    (BOB, mail(), 'redirect "nobody@demo.test";'),
    (BOB, mail(), f'redirect "{GRACE}";'),
]


async def test_what_is_not_redirected_stays(house: Directory) -> None:
    grace = House(house, queued=False)
    for number, (sender, raw, rule) in enumerate(UNMOVED):
        await grace.rules(rule)
        await grace.bring(raw, sender=sender)
        assert await grace.leaving() == [], (sender, raw, rule)
        assert len(await grace.folder("INBOX")) == number + 1, (sender, raw, rule)


async def test_who_has_redirected_enough_today_keeps_the_message(grace: House) -> None:
    await grace.rules('redirect "grace@home.example";')
    limits = msgspec.structs.replace(grace.core.settings.limits, external_recipients_per_day=1)
    settings = msgspec.structs.replace(grace.core.settings, limits=limits)
    grace.core = msgspec.structs.replace(grace.core, settings=settings)
    for _ in range(2):
        await grace.bring(mail())
    assert len(await grace.leaving()) == 1
    assert len(await grace.folder("INBOX")) == 1


async def test_notify_by_mail_rfc5436(grace: House) -> None:
    await grace.rules(
        'require "enotify"; notify :importance "1" :message "New mail"'
        ' "mailto:ada@demo.test?body=Look%20here&to=nobody%40demo.test";'
    )
    await grace.bring(mail())
    await grace.bring(mail(fields="Auto-Submitted: auto-notified\r\n"))
    [notice] = await grace.folder("INBOX", "ada@demo.test")
    assert (notice["Subject"], notice["Importance"]) == ("New mail", "high")
    assert str(notice["Auto-Submitted"]).startswith("auto-notified; owner-email=")
    assert notice.get_content().strip() == "Look here"


async def test_out_of_office_tells_people_here_and_elsewhere_what_they_may_know(
    grace: House,
) -> None:
    owner = await log_in(grace.core, GRACE)
    setting = OutOfOffice(
        state="ENABLED", internal="In Oslo.", external="Away.", audience="EVERYONE"
    )
    await put_out_of_office(grace.core, owner, setting)
    await grace.bring(mail(), sender="ada@demo.test")
    await grace.bring(mail())
    [answer] = await grace.folder("INBOX", "ada@demo.test")
    assert answer.get_content().strip() == "In Oslo."
    assert [one["recipient"] for one in await grace.leaving()] == [BOB]
    await put_out_of_office(grace.core, owner, msgspec.structs.replace(setting, audience="INSIDE"))
    await grace.bring(mail(), sender="ada@demo.test")
    await grace.bring(mail(), sender="eve@elsewhere.example")
    # Another absence answers anew; people elsewhere are told nothing.
    assert len(await grace.folder("INBOX", "ada@demo.test")) == 2
    assert len(await grace.leaving()) == 1


async def test_out_of_office_does_not_answer_what_a_script_answered_or_threw_away(
    house: Directory,
) -> None:
    grace = House(house, queued=False)
    owner = await log_in(grace.core, GRACE)
    await put_out_of_office(grace.core, owner, OutOfOffice(state="ENABLED", internal="In Oslo."))
    await grace.rules("discard;")
    await grace.bring(mail(), sender="ada@demo.test")
    assert await grace.folder("INBOX", "ada@demo.test") == []
    await grace.rules('require "vacation"; vacation "By script.";')
    await grace.bring(mail(), sender="ada@demo.test")
    [answer] = await grace.folder("INBOX", "ada@demo.test")
    assert answer.get_content().strip() == "By script."


async def test_rules_apply_to_mail_of_people_here(grace: House, ada: Grant) -> None:
    await grace.rules('require "fileinto"; fileinto "Archive";')
    raw = mail(sender="ada@demo.test")
    await pipeline.submit(grace.core, ada, envelope(GRACE), raw)
    await grace.settle()
    assert len(await grace.folder("Archive")) == 1


async def test_junk_is_left_to_the_filter(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = House(house, queued=False)
    await grace.rules('require "fileinto"; fileinto "Archive";')

    scan = filtering.scan

    async def all_junk(*arguments: Any) -> Any:
        found = await scan(*arguments)
        return msgspec.structs.replace(found, spam={house.organization: FAIL})

    monkeypatch.setattr(pipeline, "scan", all_junk)
    await grace.bring(mail())
    assert len(await grace.folder("Junk E-mail")) == 1


async def test_a_bug_of_ours_delivers_all_the_same(
    house: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = House(house, queued=False)
    await grace.rules('require ["fileinto", "copy"]; fileinto :copy "Archive";')

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(filing, "file", broken)
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1


async def test_rules_that_do_not_open_deliver_all_the_same(grace: House) -> None:
    await grace.rules("discard;")
    await grace.house.change("UPDATE sieve_script SET sealed = sealed_name")
    await grace.bring(mail())
    assert len(await grace.folder("INBOX")) == 1
