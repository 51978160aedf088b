"""People teach by moving mail: each message counts once, as what was said of it last."""

from __future__ import annotations

import pytest

from tests.operations.filtering.conftest import Pupil, configure
from tests.operations.filtering.corpus import Corpus
from tests.operations.jobs.conftest import MovedClock
from tests.support.directories import Directory, new_directory
from tests.support.mailboxes import log_in
from workpost.domain.messages import across, lessons, removing
from workpost.domain.messages.lessons import TRAIN, lesson_of
from workpost.kernel.errors import Conflict
from workpost.operations.filtering import model, status, training
from workpost.operations.filtering.looking import Looked
from workpost.operations.filtering.words import words_of
from workpost.operations.jobs.build import build_jobs
from workpost.operations.jobs.runner import lease_due
from workpost.store.tables import spam

CORPUS = Corpus()
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("source", "target", "lesson"),
    [
        ("inbox", "junk", "spam"),
        (None, "junk", "spam"),
        ("trash", "junk", "spam"),
        ("junk", "inbox", "ham"),
        ("junk", None, "ham"),
        ("junk", "archive", "ham"),
        ("inbox", "archive", "filed"),
        ("inbox", None, "filed"),
        ("junk", "trash", None),
        ("inbox", "trash", None),
        ("sent", "junk", None),
        ("junk", "drafts", None),
        ("junk", "junk", None),
        (None, None, None),
        ("trash", "inbox", None),
        (None, "inbox", None),
    ],
)
def test_what_a_move_says(source: str | None, target: str | None, lesson: str | None) -> None:
    assert lesson_of(source, target) == lesson


async def test_moving_to_junk_and_back_counts_as_what_was_said_last(pupil: Pupil) -> None:
    uid = await pupil.put("inbox", CORPUS.unwanted())
    uid = await pupil.move("inbox", uid, "junk")
    assert await pupil.known() == (1, 0)
    spam_words = await pupil.house.run("SELECT SUM(spam), SUM(ham) FROM spam_word")
    uid = await pupil.move("junk", uid, "inbox")
    assert await pupil.known() == (0, 1)
    ham_words = await pupil.house.run("SELECT SUM(spam), SUM(ham) FROM spam_word")
    assert ham_words == [(spam_words[0][1], spam_words[0][0])]


async def test_saying_it_again_counts_nothing(pupil: Pupil) -> None:
    uid = await pupil.put("inbox", CORPUS.unwanted())
    uid = await pupil.move("inbox", uid, "junk")
    await pupil.known()
    uid = await pupil.move("junk", uid, "trash")
    await pupil.move("trash", uid, "junk")
    assert await pupil.known() == (1, 0)
    assert await pupil.house.run("SELECT MAX(spam), MAX(ham) FROM spam_word") == [(1, 0)]


async def test_moves_that_were_not_learned_yet_are_learned_in_their_order(pupil: Pupil) -> None:
    uid = await pupil.put("inbox", CORPUS.unwanted())
    uid = await pupil.move("inbox", uid, "junk")
    uid = await pupil.move("junk", uid, "inbox")
    await pupil.move("inbox", uid, "junk")
    assert await pupil.known() == (1, 0)


async def test_copying_and_removing_is_moving(pupil: Pupil) -> None:
    uid = await pupil.put("inbox", CORPUS.unwanted())
    await pupil.copy("inbox", uid, "junk")
    await removing.withdraw(pupil.core, pupil.grant, pupil.folders["inbox"], [uid])
    assert await pupil.known() == (1, 0)


async def test_a_message_that_many_people_have_counts_once(pupil: Pupil, house: Directory) -> None:
    ada = await log_in(house.core, "ada@demo.test")
    uid = await pupil.put("inbox", CORPUS.unwanted())
    # A copy in another's mailbox has the same content, as delivery to several has.
    junk = dict(await house.run("SELECT role, id FROM folder WHERE mailbox = ?", ada.mailbox))
    await across.copy(house.core, pupil.grant, ada, pupil.folders["inbox"], [uid], junk["junk"])
    await pupil.move("inbox", uid, "junk")
    assert await pupil.known() == (1, 0)


async def test_moving_into_anothers_junk_teaches_as_well(pupil: Pupil, house: Directory) -> None:
    ada = await log_in(house.core, "ada@demo.test")
    uid = await pupil.put("inbox", CORPUS.unwanted())
    roles = dict(await house.run("SELECT role, id FROM folder WHERE mailbox = ?", ada.mailbox))
    where = (pupil.folders["inbox"], [uid], roles["junk"])
    async for _ in across.move(house.core, pupil.grant, ada, *where):
        pass
    assert await pupil.known() == (1, 0)


async def test_filing_counts_as_wanted_while_too_little_is_known(
    pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "FILED_AHEAD", 1)
    for _ in range(3):
        uid = await pupil.put("inbox", CORPUS.wanted())
        await pupil.move("inbox", uid, "projects")
        await pupil.house.work()
    assert await pupil.known() == (0, 1)


async def test_filing_says_nothing_against_what_was_said(pupil: Pupil) -> None:
    uid = await pupil.put("inbox", CORPUS.unwanted())
    uid = await pupil.move("inbox", uid, "junk")
    await pupil.copy("junk", uid, "junk")
    await pupil.known()
    again = await pupil.copy("junk", uid, "trash")
    again = await pupil.move("trash", again, "inbox")
    await pupil.move("inbox", again, "projects")
    assert await pupil.known() == (1, 0)


async def test_a_message_that_is_gone_teaches_nothing_and_holds_nobody_up(pupil: Pupil) -> None:
    first = await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await removing.withdraw(pupil.core, pupil.grant, pupil.folders["junk"], [first])
    assert await pupil.known() == (1, 0)


async def test_lessons_without_a_job_are_found(pupil: Pupil) -> None:
    await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.house.change("DELETE FROM job")
    assert await pupil.known() == (1, 0)


async def test_who_dies_while_learning_costs_no_lesson_and_counts_none_twice(
    pupil: Pupil, env: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    core = pupil.core
    (lease,) = await core.store.write_background(lease_due, kinds=[TRAIN], lease_ms=20_000)
    died = RuntimeError("died")
    learn_one = training._learn_one
    count = 0

    async def dying(*args: object) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise died
        await learn_one(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_learn_one", dying)
    with pytest.raises(RuntimeError):
        await training.train(core, lease)
    monkeypatch.undo()
    await pupil.house.change("UPDATE job SET lease_until = 0")
    assert await pupil.known() == (3, 0)
    with pytest.raises(Conflict):
        await training.train(core, lease)


async def test_an_organization_forgets_the_words_that_it_has_not_seen_for_the_longest(
    pupil: Pupil, env: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "FORGET", 7)
    await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.known()
    env.moved = 3 * DAY_MS
    fresh = CORPUS.unwanted()
    count = len(words_of(Looked(fresh)))
    configure(pupil.core, learn_words=count + 10)
    await pupil.move("inbox", await pupil.put("inbox", fresh), "junk")
    await pupil.known()
    kept = await pupil.house.run("SELECT seen, COUNT(*) FROM spam_word GROUP BY seen ORDER BY seen")
    assert sum(words for _, words in kept) == int((count + 10) * training.ROOM)
    assert kept[-1][1] == count
    assert await pupil.house.run("SELECT COUNT(*) FROM spam_judgement") == [(2,)]
    env.moved = 500 * DAY_MS
    await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.known()
    assert await pupil.house.run("SELECT COUNT(*) FROM spam_judgement") == [(1,)]


async def test_words_are_kept_as_numbers_of_each_organizations_own(pupil: Pupil) -> None:
    other = await new_directory(pupil.core, "other")
    raw = CORPUS.unwanted()
    await pupil.move("inbox", await pupil.put("inbox", raw), "junk")
    await pupil.known()
    assert await pupil.house.run(
        "SELECT COUNT(*) FROM spam_word WHERE org <> ?", pupil.house.organization
    ) == [(0,)]
    ours = await pupil.core.store.read(spam.get_model, org=pupil.house.organization)
    assert ours is not None
    gen, sealed = await model.new_key(pupil.core, other.organization)
    theirs = spam.ModelRow(gen, sealed, 0, 0)
    keys = [
        await model.open_key(pupil.core, pupil.house.organization, ours),
        await model.open_key(pupil.core, other.organization, theirs),
    ]
    assert keys[0] != keys[1]


async def test_forgetting_begins_anew_under_another_key(
    pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "SLICE", 20)
    uid = await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.known()
    before = await pupil.house.run("SELECT sealed FROM spam_model")
    await status.forget(pupil.core, pupil.house.organization)
    for table in ("spam_model", "spam_word", "spam_judgement"):
        assert await pupil.house.run(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    await pupil.move("junk", uid, "inbox")
    assert await pupil.known() == (0, 1)
    assert await pupil.house.run("SELECT sealed FROM spam_model") != before


async def test_nothing_is_learned_for_an_organization_whose_key_is_gone(pupil: Pupil) -> None:
    await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    await pupil.core.keys.shred_organization(pupil.house.organization)
    runner = build_jobs(pupil.core)
    assert await runner.work_one()
    assert await pupil.house.run("SELECT COUNT(*) FROM job WHERE kind = ?", TRAIN) == [(0,)]


async def test_an_organization_that_takes_long_lets_others_have_their_turn(
    pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await pupil.move("inbox", await pupil.put("inbox", CORPUS.unwanted()), "junk")
    monkeypatch.setattr(training, "TURN_SECONDS", 0.0)
    runner = build_jobs(pupil.core)
    assert await runner.work_one()
    assert (await status.knowledge(pupil.core, pupil.house.organization)).waiting == 2
    assert await pupil.known() == (3, 0)
