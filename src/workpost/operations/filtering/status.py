"""What an organization's people have taught, for the operator; and beginning anew."""

from __future__ import annotations

import msgspec

from workpost.domain.messages.lessons import TRAIN
from workpost.kernel.errors import OrganizationNotFound
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import jobs, organizations, spam

SLICE = 500


class Knowledge(msgspec.Struct, frozen=True):
    """Messages of each kind, words, and moves that are not learned from yet."""

    spam: int
    ham: int
    words: int
    waiting: int


async def knowledge(core: Core, organization: str) -> Knowledge:
    """What an organization knows. Raises OrganizationNotFound."""
    return await core.store.read(_know, organization=organization)


def _know(tx: Reader, *, organization: str) -> Knowledge:
    _check(tx, organization)
    row = spam.get_model(tx, org=organization)
    return Knowledge(
        row.spam if row is not None else 0,
        row.ham if row is not None else 0,
        spam.count_words(tx, org=organization),
        spam.count_lessons(tx, org=organization),
    )


async def forget(core: Core, organization: str) -> None:
    """Begin anew, with another key for the words. Raises OrganizationNotFound."""
    while not await core.store.write_background(forget_slice, organization=organization):
        pass


@command
def forget_slice(tx: Tx, *, organization: str) -> bool:
    """Forget a slice of what an organization knows; True when all is forgotten.

    Whoever is learning loses the lease. What waits is learned by the next job.
    """
    _check(tx, organization)
    jobs.cancel_job(tx, kind=TRAIN, dedupe=f"{TRAIN}/{organization}")
    words = spam.delete_oldest_words(tx, org=organization, limit=SLICE)
    later = tx.env.now() + 1
    judged = spam.delete_old_judgements(tx, org=organization, before=later, limit=SLICE)
    if SLICE in (words, judged):
        return False
    spam.delete_model(tx, org=organization)
    return True


def _check(tx: Reader, organization: str) -> None:
    if organizations.get_state(tx, organization=organization) is None:
        raise OrganizationNotFound(f"There is no organization {organization}.")
