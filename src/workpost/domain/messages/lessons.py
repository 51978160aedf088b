"""What a move teaches: called where people move and copy items, in the same transaction.

A row in `spam_lesson` for each message and one job for the organization are all that it costs
there; `operations/filtering/training` learns later. What system actors move teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from workpost.store.database.unit import Tx
from workpost.store.tables import folders, jobs, spam
from workpost.store.tables.folders import INBOX, JUNK, TRASH
from workpost.store.tables.spam import FILED, HAM, SPAM

TRAIN = "spam.train"
"""The job, one an organization."""
FILED_AT_ONCE = 10
"""Of the messages that one command files, how many are lessons."""
FILED_AHEAD = 50
"""How many more wanted messages than unwanted ones filing may bring about."""

OWN = ("sent", "drafts")
"""Roles of folders with what people write themselves."""


def lesson_of(source: str | None, target: str | None) -> str | None:
    """What a move from a folder with one role to one with another says of a message.

    Into Junk: SPAM. Out of it, but not to be thrown away: HAM. From the INBOX to where it is
    kept: FILED.
    """
    if source == target or source in OWN or target in OWN:
        return None
    if target == JUNK:
        return SPAM
    if target == TRASH:
        return None
    if source == JUNK:
        return HAM
    return FILED if source == INBOX else None


def note_move(
    tx: Tx,
    *,
    org: str,
    source: tuple[int, int],
    target: tuple[int, int],
    items: Sequence[tuple[int, bytes]],
) -> None:
    """Note what the move of `items`, (id in the target, content), teaches.

    `source` and `target` are (mailbox, folder).
    """
    verdict = lesson_of(_role(tx, source), _role(tx, target))
    if verdict is None or not items:
        return
    if verdict == FILED:
        if not _needs_ham(tx, org):
            return
        items = items[:FILED_AT_ONCE]
    spam.insert_lessons(tx, org=org, mailbox=target[0], verdict=verdict, items=items)
    begin_training(tx, org)


def begin_training(tx: Tx, org: str) -> None:
    """Make the job that learns what is noted, unless there is one."""
    due = tx.env.now()
    jobs.insert_job(tx, id=tx.env.new_id(), org=org, kind=TRAIN, dedupe=f"{TRAIN}/{org}", due=due)


def _role(tx: Tx, folder: tuple[int, int]) -> str | None:
    return folders.role_of(tx, mailbox=folder[0], folder=folder[1])


def _needs_ham(tx: Tx, org: str) -> bool:
    """Ham is what people seldom tell of: filing is asked only where too little of it is known."""
    model = spam.get_model(tx, org=org)
    return model is None or model.ham < model.spam + FILED_AHEAD
