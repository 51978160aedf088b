"""What filters make of a message: the INBOX, Junk E-mail, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from tests.operations.filtering.conftest import Pupil, configure, pupil
from tests.operations.filtering.corpus import Corpus
from tests.operations.mailflow.mails import envelope, received, stories
from tests.support.directories import Directory, new_directory
from tests.support.filters import EICAR, JUNK_WORD, Clamd, Rspamd, Spamd
from tests.support.mailboxes import assert_numbers_are_true, log_in, message
from tests.support.processes import free_port
from workpost.domain.mailboxes import shell as mailboxes
from workpost.domain.messages import shell as messages
from workpost.integrations.dns.memory import MemoryResolver
from workpost.integrations.spam.base import Judged
from workpost.kernel.errors import MessageRefused, TryLater
from workpost.kernel.principal import Grant
from workpost.operations.filtering.scan import hits_of, scan
from workpost.operations.mailflow import pipeline
from workpost.operations.mailflow.envelope import Envelope
from workpost.operations.mailflow.listing import list_queue
from workpost.operations.mailflow.runner import deliver_one

__all__ = ["pupil"]

BAD = (
    b'From: "service@bank.example" <x@sender.example>\r\nSubject: YOUR ACCOUNT IS LOCKED\r\n'
    b"Content-Type: text/html\r\n\r\n<a href='http://192.0.2.7:81/'>https://www.bank.example</a>\r\n"
)


def outside(*recipients: str) -> Envelope:
    return Envelope(
        sender="x@sender.example",
        recipients=list(recipients),
        helo="mail.sender.example",
        peer="192.0.2.66",
    )


@pytest.fixture(autouse=True)
def _spoken_for(house: Directory) -> None:
    """SPF speaks for the stranger, so that a message is judged by what it is."""
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records["TXT", "sender.example"] = ["v=spf1 ip4:192.0.2.66 -all"]


async def in_folder(house: Directory, address: str, path: str) -> list[bytes]:
    grant = await log_in(house.core, address)
    folder = (await mailboxes.find_folder(house.core, grant, path)).id
    page = await messages.metadata_page(house.core, grant, folder, low=1, high=2**31)
    return [await messages.read_content(house.core, grant, meta) for meta in page]


async def where(house: Directory, address: str = "grace@demo.test") -> tuple[int, int]:
    """How many messages lie in INBOX and Junk E-mail."""
    return (
        len(await in_folder(house, address, "INBOX")),
        len(await in_folder(house, address, "Junk E-mail")),
    )


def fields_of(raw: bytes) -> str:
    head = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ")
    return next(line for line in head.splitlines() if line.startswith("X-Workpost-Scan:"))


# --- spam ---


async def test_junk_goes_to_junk_e_mail_and_says_why(house: Directory) -> None:
    await pipeline.receive(house.core, outside("grace@demo.test"), BAD)
    assert await where(house) == (0, 1)
    (raw,) = await in_folder(house, "grace@demo.test", "Junk E-mail")
    assert raw.endswith(BAD)
    field = fields_of(raw)
    assert "NAME_HOLDS_ADDRESS=2 " in field
    assert "LINK_LIES=1.2" in field
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["spamVerdict"] == "FAIL"
    assert story["spamScore"] > 5
    assert "LINK_TO_ADDRESS" in story["spamReasons"]
    await assert_numbers_are_true(house)


async def test_ordinary_mail_goes_to_the_inbox(house: Directory) -> None:
    await pipeline.receive(house.core, outside("grace@demo.test"), Corpus().wanted())
    assert await where(house) == (1, 0)
    (raw,) = await received(house, "grace@demo.test")
    assert fields_of(raw).startswith("X-Workpost-Scan: score=0.0/5")
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["spamVerdict"] == "PASS"
    assert "virusVerdict" not in story


async def test_undecided_mail_goes_to_the_inbox(house: Directory) -> None:
    configure(house.core, gray_score=0.0)
    await pipeline.receive(house.core, outside("grace@demo.test"), Corpus().wanted())
    assert await where(house) == (1, 0)
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["spamVerdict"] == "GRAY"


async def test_large_groups_get_junk_into_junk_from_the_queue(house: Directory) -> None:
    await house.group("team", "ada", "grace")
    configured = msgspec.structs.replace(house.core.settings.mailflow, direct_recipients=1)
    house.core.settings = msgspec.structs.replace(house.core.settings, mailflow=configured)
    await pipeline.receive(house.core, outside("team@demo.test"), BAD)
    assert await deliver_one(house.core)
    assert await list_queue(house.core) == []
    assert await where(house) == (0, 1)
    assert await where(house, "ada@demo.test") == (0, 1)


async def test_what_people_submit_is_not_scored(house: Directory, ada: Grant) -> None:
    raw = message("YOU HAVE WON IT", headers="Reply-To: a@b.example\r\n")
    configure(house.core, junk_score=1.0)
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    assert await where(house) == (1, 0)


async def test_scoring_may_be_off(house: Directory) -> None:
    configure(house.core, spam="off")
    await pipeline.receive(house.core, outside("grace@demo.test"), BAD)
    (raw,) = await received(house, "grace@demo.test")
    assert b"X-Workpost-Scan" not in raw
    assert "spamVerdict" not in (await stories(house, "ORGANIZATION_EMAIL_RECEIVED"))[0]


async def test_lists_of_the_operator_count(house: Directory) -> None:
    resolver = house.core.resolver
    assert isinstance(resolver, MemoryResolver)
    resolver.records["A", "66.2.0.192.bl.example"] = ["127.0.0.2"]
    resolver.records["A", "sender.example.names.example"] = ["127.0.0.2"]
    configure(house.core, address_lists=("bl.example=3.0",), domain_lists=("names.example=2.0",))
    await pipeline.receive(house.core, outside("grace@demo.test"), Corpus().wanted())
    assert await where(house) == (0, 1)


async def test_what_people_teach_moves_the_next_message(pupil: Pupil) -> None:
    corpus = Corpus(seed=3)
    configure(pupil.core, learn_minimum=8)
    for _ in range(8):
        await pupil.move("inbox", await pupil.put("inbox", corpus.unwanted()), "junk")
        await pupil.move("inbox", await pupil.put("inbox", corpus.wanted()), "projects")
    await pipeline.receive(pupil.core, outside("ada@demo.test"), corpus.unwanted())
    assert await where(pupil.house, "ada@demo.test") == (1, 0)
    assert await pupil.known() == (8, 8)
    await pipeline.receive(pupil.core, outside("ada@demo.test"), corpus.unwanted())
    assert await where(pupil.house, "ada@demo.test") == (1, 1)
    (raw,) = await in_folder(pupil.house, "ada@demo.test", "Junk E-mail")
    assert "LEARNED_SPAM_99=5" in fields_of(raw)
    await pipeline.receive(pupil.core, outside("ada@demo.test"), corpus.wanted())
    assert await where(pupil.house, "ada@demo.test") == (2, 1)


async def test_what_one_organization_teaches_is_nothing_to_another(pupil: Pupil) -> None:
    other = await new_directory(pupil.core, "other")
    await other.user("linus")
    corpus = Corpus(seed=4)
    configure(pupil.core, learn_minimum=12)
    for _ in range(12):
        await pupil.move("inbox", await pupil.put("inbox", corpus.unwanted()), "junk")
        await pupil.move("inbox", await pupil.put("inbox", corpus.wanted()), "projects")
    await pupil.known()
    both = outside("ada@demo.test", "linus@other.test")
    await pipeline.receive(pupil.core, both, corpus.unwanted())
    (raw,) = await in_folder(pupil.house, "ada@demo.test", "Junk E-mail")
    assert "LEARNED" not in fields_of(raw)
    assert await where(other, "linus@other.test") == (1, 0)
    (ours,) = await stories(pupil.house, "ORGANIZATION_EMAIL_RECEIVED")
    (theirs,) = await stories(other, "ORGANIZATION_EMAIL_RECEIVED")
    assert (ours["spamVerdict"], ours["spamScore"]) == ("FAIL", 5.0)
    assert ours["spamReasons"] == ["LEARNED_SPAM_99"]
    assert (theirs["spamVerdict"], theirs["spamScore"], theirs["spamReasons"]) == ("PASS", 0.0, [])


async def test_the_embedded_scorer_is_quick(pupil: Pupil) -> None:
    corpus = Corpus(seed=5)
    configure(pupil.core, learn_minimum=3)
    for _ in range(3):
        await pupil.move("inbox", await pupil.put("inbox", corpus.unwanted()), "junk")
        await pupil.move("inbox", await pupil.put("inbox", corpus.wanted()), "projects")
    await pupil.known()
    raw = corpus.wanted()
    raw += b"The minutes of our last meeting.\r\n" * ((4096 - len(raw)) // 34)
    came, organizations = outside("ada@demo.test"), [pupil.house.organization]
    best = 1.0
    for _ in range(50):
        started = time.perf_counter()
        await scan(pupil.core, came, raw, None, organizations, organizations)
        best = min(best, time.perf_counter() - started)
    # A twentieth of a delivery; PostgreSQL is asked twice over a socket.
    assert best < 0.02


# --- daemons ---


@pytest.fixture(scope="module", params=[Rspamd, Spamd])
def scorer(request: pytest.FixtureRequest) -> Iterator[Rspamd | Spamd]:
    daemon = request.param()
    yield daemon
    daemon.close()


def use(house: Directory, scorer: Rspamd | Spamd) -> None:
    engine = "rspamd" if scorer.program == "rspamd" else "spamassassin"
    configure(house.core, spam=engine, spam_daemon=scorer.address)


async def test_a_daemon_decides(house: Directory, scorer: Rspamd | Spamd) -> None:
    use(house, scorer)
    for subject in ("Minutes", JUNK_WORD):
        raw = message(subject)
        await pipeline.receive(house.core, outside("grace@demo.test"), raw)
    assert await where(house) == (1, 1)
    (raw,) = await in_folder(house, "grace@demo.test", "Junk E-mail")
    assert "JUNK_WORD=0" in fields_of(raw)
    if scorer.program == "spamd":
        # It was told of the client by a Received field of ours.
        assert "FROM_STRANGER" in fields_of(raw)


async def test_a_daemon_that_is_down_holds_no_mail_up(house: Directory) -> None:
    configure(house.core, spam="rspamd", spam_daemon=f"127.0.0.1:{free_port()}")
    await pipeline.receive(house.core, outside("grace@demo.test"), BAD)
    assert await where(house) == (1, 0)
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["spamVerdict"] == "PROCESSING_FAILED"


async def test_messages_too_large_for_the_daemon_pass(house: Directory) -> None:
    configure(house.core, spam="rspamd", spam_daemon=f"127.0.0.1:{free_port()}", spam_megabytes=1)
    await pipeline.receive(house.core, outside("grace@demo.test"), message(size=1 << 20))
    assert await where(house) == (1, 0)


@pytest.mark.parametrize(
    ("judged", "points"),
    [
        (Judged(8.0, 15.0, "junk"), 5.0),
        (Judged(30.0, 15.0, "junk"), 10.0),
        (Judged(1e9, 15.0, "junk"), 20.0),
        (Judged(4.5, 15.0, "gray"), 3.0),
        (Judged(0.0, 15.0, "pass"), 0.0),
        (Judged(20.0, 15.0, "pass"), 4.9),
        (Judged(-3.0, 15.0, "pass"), -1.0),
        (Judged(5.0, 0.0, "junk"), 5.0),
    ],
)
def test_a_daemons_score_is_put_on_our_scale(judged: Judged, points: float) -> None:
    assert hits_of(judged, "rspamd", 5.0, 3.0) == [("RSPAMD", points)]


# --- viruses ---


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    daemon = Clamd()
    yield daemon
    daemon.close()


async def test_a_virus_is_refused_from_outside_and_from_people(
    house: Directory, ada: Grant, clamd: Clamd
) -> None:
    configure(house.core, virus="clamav", virus_daemon=clamd.address)
    raw = message() + EICAR
    with pytest.raises(MessageRefused, match="Eicar-Test"):
        await pipeline.receive(house.core, outside("grace@demo.test"), raw)
    with pytest.raises(MessageRefused, match="Eicar-Test"):
        await pipeline.submit(
            house.core, ada, envelope("grace@demo.test", "x@elsewhere.example"), raw
        )
    assert await where(house) == (0, 0)
    assert await house.run("SELECT COUNT(*) FROM content") == [(0,)]
    refused = await stories(house, "EMAIL_VIRUS_REFUSED")
    assert [one["virusVerdict"] for one in refused] == ["FAIL", "FAIL"]
    assert [one["actor"] for one in refused] == ["", ada.entity]


async def test_clean_mail_passes(house: Directory, ada: Grant, clamd: Clamd) -> None:
    configure(house.core, virus="clamav", virus_daemon=clamd.address)
    await pipeline.receive(house.core, outside("grace@demo.test"), Corpus().wanted())
    await pipeline.submit(house.core, ada, envelope("grace@demo.test"), message())
    assert await where(house) == (2, 0)
    (raw, _) = await received(house, "grace@demo.test")
    assert "virus=PASS" in fields_of(raw)
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["virusVerdict"] == "PASS"


@pytest.mark.parametrize("reason", ["down", "large"])
async def test_mail_that_could_not_be_looked_at_is_delivered_or_put_off(
    house: Directory, ada: Grant, reason: str
) -> None:
    configure(
        house.core, virus="clamav", virus_daemon=f"127.0.0.1:{free_port()}", virus_megabytes=1
    )
    raw = message(size=(1 << 20) * (reason == "large"))
    await pipeline.receive(house.core, outside("grace@demo.test"), raw)
    (story,) = await stories(house, "ORGANIZATION_EMAIL_RECEIVED")
    assert story["virusVerdict"] == "PROCESSING_FAILED"
    configure(house.core, virus_fail="defer")
    with pytest.raises(TryLater):
        await pipeline.receive(house.core, outside("grace@demo.test"), raw)
    with pytest.raises(TryLater):
        await pipeline.submit(house.core, ada, envelope("grace@demo.test"), raw)
    assert await where(house) == (1, 0)
