"""The job `spam.train`: learns from the moves that people made, one organization at a time.

A message counts once, as what was said of it last: said again it changes nothing, said otherwise
what it counted as is undone first. Each lesson is one transaction under the job's lease, with the
row that asked for it: a process that dies costs no lesson and counts none twice.
"""

from __future__ import annotations

import asyncio

from workpost.domain.messages.lessons import begin_training
from workpost.kernel import metrics
from workpost.kernel.errors import Fault, KeyDestroyed
from workpost.operations.filtering import model
from workpost.operations.filtering.looking import Looked
from workpost.operations.filtering.words import hash_words, words_of
from workpost.operations.jobs.runner import LEASE_MS
from workpost.store.core import Core
from workpost.store.database.unit import Row, Tx, command
from workpost.store.keys import sealing
from workpost.store.tables import jobs, spam
from workpost.store.tables.jobs import Lease
from workpost.store.tables.spam import FILED, HAM, SPAM, LessonRow, ModelRow

TURN_SECONDS = 5.0
"""How long one organization is learned for before other jobs have their turn."""
PAGE = 20
READ_BYTES = 256 * 1024
"""Of a message, how much is read to learn from it."""
FORGET = 500
"""Words or judgements forgotten in one slice."""
ROOM = 0.95
"""What is left of the limit when words were forgotten."""
DAY_MS = 86_400_000
JUDGED_DAYS = 400
"""How long it is remembered what a message counts as."""
PUPILS = 500

_LEARNED = metrics.counter("workpost_spam_lessons_total", "Moves learned from.", "outcome")


async def schedule_training(core: Core) -> None:
    """Make a job for each organization with lessons: a job may end while one is being noted."""
    after = ""
    while page := await core.store.read(spam.pupils, after=after, limit=PUPILS):
        await core.store.write_background(begin_all, organizations=page)
        after = page[-1]


@command
def begin_all(tx: Tx, *, organizations: list[str]) -> None:
    """Make the jobs of these organizations."""
    for organization in organizations:
        begin_training(tx, organization)


async def train(core: Core, lease: Lease) -> None:
    """Handle `spam.train`. Raises Conflict when the lease is lost, TryLater."""
    until = core.env.monotonic() + TURN_SECONDS
    try:
        row = await core.store.read(spam.get_model, org=lease.org)
        if row is None:
            gen, sealed = await model.new_key(core, lease.org)
            row = await core.store.write_background(begin, lease=lease, gen=gen, sealed=sealed)
        key = await model.open_key(core, lease.org, row)
    except KeyDestroyed:
        await core.store.write_background(give_up, lease=lease)
        return
    while page := await core.store.read(spam.list_lessons, org=lease.org, limit=PAGE):
        for lesson, wrapped in page:
            await _learn_one(core, lease, lesson, wrapped, key)
            if core.env.monotonic() >= until:
                await core.store.write_background(pause, lease=lease)
                return
    words = core.settings.filter.learn_words
    while await core.store.write_background(forget, lease=lease, limit=words):
        words = int(core.settings.filter.learn_words * ROOM)
    await core.store.write_background(finish, lease=lease)


async def _learn_one(
    core: Core, lease: Lease, lesson: LessonRow, wrapped: Row | None, key: bytes
) -> None:
    raw = await _read(core, lease.org, lesson, wrapped) if wrapped is not None else b""
    words: list[int] = []
    if raw:
        words = await asyncio.to_thread(lambda: hash_words(words_of(Looked(raw)), key))
    outcome = await core.store.write_background(
        learn, lease=lease, lease_ms=LEASE_MS, lesson=lesson, words=words
    )
    _LEARNED.labels(outcome).inc()


async def _read(core: Core, organization: str, lesson: LessonRow, wrapped: Row) -> bytes:
    """The beginning of the message; b"" when it cannot be read any more. Raises TryLater."""
    gen, sealed = wrapped
    try:
        key = await core.keys.mailbox(organization, lesson.mailbox, gen)
        content_key = sealing.unwrap_content_keys(
            {gen: key.key}, organization, lesson.mailbox, [(lesson.item, gen, sealed)]
        )[0]
        return await core.contents.get(lesson.content, content_key, start=0, end=READ_BYTES)
    except (KeyDestroyed, Fault):
        return b""


@command
def begin(tx: Tx, *, lease: Lease, gen: int, sealed: bytes) -> ModelRow:
    """Begin a model, unless there is one. Raises Conflict when the lease is lost."""
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    spam.insert_model(tx, org=lease.org, gen=gen, sealed=sealed)
    row = spam.get_model(tx, org=lease.org)
    assert row is not None
    return row


@command
def learn(tx: Tx, *, lease: Lease, lease_ms: int, lesson: LessonRow, words: list[int]) -> str:
    """Count one message; `words` is empty when it cannot be read. Tells what came of it.

    Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    if not spam.delete_lesson(tx, org=lease.org, id=lesson.id):
        return "gone"
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=lease_ms)
    if not words:
        return "unreadable"
    org, content = lease.org, lesson.content
    before = spam.get_judgement(tx, org=org, content=content)
    verdict = SPAM if lesson.verdict == SPAM else HAM
    if before == verdict or (before is not None and lesson.verdict == FILED):
        return "known"
    today = tx.env.now() // DAY_MS
    spam_more, ham_more = int(verdict == SPAM), int(verdict == HAM)
    spam.add_words(tx, org=org, words=words, spam=spam_more, ham=ham_more, today=today)
    if before is not None:
        spam.take_words(tx, org=org, words=words, verdict=before)
        spam_more, ham_more = spam_more or -1, ham_more or -1
    spam.add_messages(tx, org=org, spam=spam_more, ham=ham_more)
    spam.put_judgement(tx, org=org, content=content, verdict=verdict, at=tx.env.now())
    return verdict


@command
def forget(tx: Tx, *, lease: Lease, limit: int) -> bool:
    """Forget a slice of what is too much or too old; True when there may be more.

    Raises Conflict when the lease is lost.
    """
    jobs.check_lease(tx, id=lease.id, fence=lease.fence)
    jobs.extend_lease(tx, id=lease.id, fence=lease.fence, lease_ms=LEASE_MS)
    before = tx.env.now() - JUDGED_DAYS * DAY_MS
    old = spam.delete_old_judgements(tx, org=lease.org, before=before, limit=FORGET)
    over = spam.count_words(tx, org=lease.org) - limit
    if over > 0:
        spam.delete_oldest_words(tx, org=lease.org, limit=min(over, FORGET))
    return old == FORGET or over > 0


@command
def pause(tx: Tx, *, lease: Lease) -> None:
    """Let other jobs go first. Raises Conflict when the lease is lost."""
    jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=tx.env.now())


@command
def finish(tx: Tx, *, lease: Lease) -> None:
    """End the job unless more was noted meanwhile. Raises Conflict when the lease is lost."""
    if spam.has_lessons(tx, org=lease.org):
        jobs.put_back_job(tx, id=lease.id, fence=lease.fence, due=tx.env.now())
    else:
        jobs.finish_job(tx, id=lease.id, fence=lease.fence)


@command
def give_up(tx: Tx, *, lease: Lease) -> None:
    """End the job of an organization that is being erased. Raises Conflict."""
    jobs.finish_job(tx, id=lease.id, fence=lease.fence)
