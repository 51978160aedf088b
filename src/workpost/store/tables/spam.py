"""Rows of `spam_model`, `spam_word`, `spam_judgement`, `spam_lesson`: what people teach.

Words are keyed hashes; the key is in the model, sealed by the organization's. One holder of the
job `spam.train` at a time writes the first three of an organization; lessons come with moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workpost.store.database.unit import Reader, Row, Tx, command, quick

SPAM = "spam"
HAM = "ham"
FILED = "filed"
"""Of a lesson only: put away from the INBOX, which is ham where nothing else is known."""


class ModelRow(msgspec.Struct, frozen=True):
    """An organization's model: the sealed key of its words, and how many messages it knows."""

    gen: int
    sealed: bytes
    spam: int
    ham: int


class LessonRow(msgspec.Struct, frozen=True, array_like=True):
    """A move to learn from: where the message is, and what it was said to be."""

    id: int
    mailbox: int
    item: int
    content: bytes
    verdict: str


@quick
def get_model(tx: Reader, *, org: str) -> ModelRow | None:
    """The model of an organization, None before anything was learned."""
    row = tx.row("SELECT gen, sealed, spam, ham FROM spam_model WHERE org = ?", org)
    return ModelRow(row[0], bytes(row[1]), row[2], row[3]) if row is not None else None


def insert_model(tx: Tx, *, org: str, gen: int, sealed: bytes) -> None:
    """Begin a model; the first one stays."""
    tx.run(
        "INSERT INTO spam_model (org, gen, sealed, spam, ham) VALUES (?, ?, ?, 0, 0)"
        " ON CONFLICT DO NOTHING",
        org,
        gen,
        sealed,
    )


@command
def rewrap_model(tx: Tx, *, org: str, gen: int, old: bytes, new: bytes) -> None:
    """Replace the sealed key of the words."""
    tx.run(
        "UPDATE spam_model SET sealed = ?, gen = ? WHERE org = ? AND sealed = ?", new, gen, org, old
    )


def delete_model(tx: Tx, *, org: str) -> None:
    """Remove the model of an organization, and so the key of its words."""
    tx.run("DELETE FROM spam_model WHERE org = ?", org)


def add_messages(tx: Tx, *, org: str, spam: int, ham: int) -> None:
    """Count messages more, or fewer; never fewer than none."""
    tx.run(
        "UPDATE spam_model SET spam = CASE WHEN spam + ? < 0 THEN 0 ELSE spam + ? END,"
        " ham = CASE WHEN ham + ? < 0 THEN 0 ELSE ham + ? END WHERE org = ?",
        spam,
        spam,
        ham,
        ham,
        org,
    )


def add_words(tx: Tx, *, org: str, words: Sequence[int], spam: int, ham: int, today: int) -> None:
    """Count one message with these words more as spam, as ham, or both."""
    tx.many(
        "INSERT INTO spam_word (org, word, spam, ham, seen) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (org, word) DO UPDATE SET spam = spam_word.spam + excluded.spam,"
        " ham = spam_word.ham + excluded.ham, seen = excluded.seen",
        [(org, word, spam, ham, today) for word in words],
    )


def take_words(tx: Tx, *, org: str, words: Sequence[int], verdict: str) -> None:
    """Undo what a message with these words was counted as."""
    column = "spam" if verdict == SPAM else "ham"
    tx.many(
        f"UPDATE spam_word SET {column} = {column} - 1 WHERE org = ? AND word = ? AND {column} > 0",
        [(org, word) for word in words],
    )


LOOKED_UP = 150
"""Words asked for in one statement; fewer are padded, so that few statements exist."""
_COUNTS = (
    f"SELECT spam, ham FROM spam_word WHERE org = ? AND word IN ({', '.join('?' * LOOKED_UP)})"
)


@quick
def counts_of(tx: Reader, *, org: str, words: Sequence[int]) -> list[tuple[int, int]]:
    """(spam, ham) of those of the words that are known, in no order."""
    found: list[Row] = []
    for start in range(0, len(words), LOOKED_UP):
        some = tuple(words[start : start + LOOKED_UP])
        some += (some[-1],) * (LOOKED_UP - len(some))
        found += tx.rows(_COUNTS, org, *some)
    return [(row[0], row[1]) for row in found]


def count_words(tx: Reader, *, org: str) -> int:
    """How many words an organization's model has."""
    row = tx.row("SELECT COUNT(*) FROM spam_word WHERE org = ?", org)
    assert row is not None
    return int(row[0])


def delete_oldest_words(tx: Tx, *, org: str, limit: int) -> int:
    """Forget up to `limit` of the words that were not seen for the longest."""
    return tx.run(
        "DELETE FROM spam_word WHERE (org, word) IN"
        " (SELECT org, word FROM spam_word WHERE org = ? ORDER BY seen, word LIMIT ?)",
        org,
        limit,
    )


def get_judgement(tx: Reader, *, org: str, content: bytes) -> str | None:
    """What a content counts as, None when it does not count."""
    row = tx.row("SELECT verdict FROM spam_judgement WHERE org = ? AND content = ?", org, content)
    return str(row[0]) if row is not None else None


def put_judgement(tx: Tx, *, org: str, content: bytes, verdict: str, at: int) -> None:
    """Note what a content counts as."""
    tx.run(
        "INSERT INTO spam_judgement (org, content, verdict, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (org, content) DO UPDATE SET verdict = excluded.verdict, at = excluded.at",
        org,
        content,
        verdict,
        at,
    )


def delete_old_judgements(tx: Tx, *, org: str, before: int, limit: int) -> int:
    """Forget up to `limit` judgements of before a time; their words keep counting."""
    return tx.run(
        "DELETE FROM spam_judgement WHERE (org, content) IN"
        " (SELECT org, content FROM spam_judgement WHERE org = ? AND at < ? LIMIT ?)",
        org,
        before,
        limit,
    )


def insert_lessons(
    tx: Tx, *, org: str, mailbox: int, verdict: str, items: Sequence[tuple[int, bytes]]
) -> None:
    """Note moves: (item, content)."""
    tx.many(
        "INSERT INTO spam_lesson (org, id, mailbox, item, content, verdict)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(org, tx.env.new_id(), mailbox, item, content, verdict) for item, content in items],
    )


def list_lessons(tx: Reader, *, org: str, limit: int) -> list[tuple[LessonRow, Row | None]]:
    """The oldest lessons with (gen, wrapped content key) where the message is still there."""
    rows = tx.rows(
        "SELECT l.id, l.mailbox, l.item, l.content, l.verdict, s.gen, s.wrapped_content_key"
        " FROM spam_lesson l LEFT JOIN summary s ON s.mailbox = l.mailbox AND s.item = l.item"
        " WHERE l.org = ? ORDER BY l.id LIMIT ?",
        org,
        limit,
    )
    return [
        (
            LessonRow(row[0], row[1], row[2], bytes(row[3]), row[4]),
            (row[5], bytes(row[6])) if row[6] is not None else None,
        )
        for row in rows
    ]


def delete_lesson(tx: Tx, *, org: str, id: int) -> bool:
    """Remove a lesson; False when it is gone already."""
    return tx.run("DELETE FROM spam_lesson WHERE org = ? AND id = ?", org, id) == 1


def count_lessons(tx: Reader, *, org: str) -> int:
    """How many moves are still to be learned from."""
    row = tx.row("SELECT COUNT(*) FROM spam_lesson WHERE org = ?", org)
    assert row is not None
    return int(row[0])


def has_lessons(tx: Reader, *, org: str) -> bool:
    """True when something is still to be learned."""
    return tx.row("SELECT 1 FROM spam_lesson WHERE org = ? LIMIT 1", org) is not None


def pupils(tx: Reader, *, after: str, limit: int) -> list[str]:
    """Organizations with lessons, in order, after one."""
    found: list[str] = []
    while len(found) < limit:
        # One step in the index for each organization, however many lessons it has.
        row = tx.row("SELECT MIN(org) FROM spam_lesson WHERE org > ?", after)
        if row is None or row[0] is None:
            break
        after = str(row[0])
        found.append(after)
    return found
