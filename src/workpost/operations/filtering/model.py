"""An organization's model: the key of its words, and what they say of a message."""

from __future__ import annotations

from workpost.operations.filtering import bayes
from workpost.operations.filtering.verdicts import Hit
from workpost.operations.filtering.words import KEY_BYTES, hash_words
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables import spam
from workpost.store.tables.spam import ModelRow


def place(organization: str) -> bytes:
    """Where the sealed key of an organization's words belongs."""
    return sealing.place("spam_model", "sealed", organization, "spam_model", organization)


async def open_key(core: Core, organization: str, row: ModelRow) -> bytes:
    """The key of an organization's words. Raises KeyDestroyed, TryLater."""
    return await core.keys.unseal(organization, row.gen, row.sealed, place(organization))


async def new_key(core: Core, organization: str) -> tuple[int, bytes]:
    """A key for an organization's words, (gen, sealed). Raises KeyDestroyed, TryLater."""
    fresh = core.env.random_bytes(KEY_BYTES)
    sealed, gen = await core.keys.seal(organization, fresh, place(organization))
    return gen, sealed


async def ready_model(core: Core, organization: str) -> ModelRow | None:
    """The model of an organization whose people have taught enough, else None."""
    row = await core.store.read(spam.get_model, org=organization)
    if row is None or min(row.spam, row.ham) < core.settings.filter.learn_minimum:
        return None
    return row


async def ask_model(core: Core, organization: str, row: ModelRow, words: list[str]) -> Hit | None:
    """What the words of a message say to an organization. Raises KeyDestroyed, TryLater."""
    if not words:
        return None
    hashed = hash_words(words, await open_key(core, organization, row))
    counts = await core.store.read(spam.counts_of, org=organization, words=hashed)
    return bayes.judge(counts, row.spam, row.ham)
