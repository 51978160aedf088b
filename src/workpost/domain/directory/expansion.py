"""Whole envelopes: groups of any size, read a page at a time so that no snapshot grows old."""

from __future__ import annotations

from workpost.domain.directory import routing
from workpost.domain.directory.routing import FEW, Expansion
from workpost.store.core import Core


async def expand_envelope(core: Core, addr_folds: list[str]) -> Expansion:
    """Turn folded envelope recipients into mailboxes, each person once.

    Small envelopes are seen in one snapshot. Of a group with more members than a page, one who
    joins or leaves meanwhile may be counted either way.
    """
    if len(addr_folds) <= FEW:
        routed = await core.store.read(routing.expand_few, addr_folds=addr_folds)
        if routed is not None:
            return routed
    steps = routing.walk(addr_folds)
    try:
        question = next(steps)
        while True:
            question = steps.send(await core.store.read(routing.answer, question=question))
    except StopIteration as done:
        result: Expansion = done.value
        return result
