"""Whole envelopes: groups of any size, read a page at a time so that no snapshot grows old."""

from __future__ import annotations

from collections.abc import Sequence

from workpost.domain.directory import walking
from workpost.domain.directory.return_path import open_return
from workpost.domain.directory.routing import Expansion
from workpost.domain.directory.walking import FEW, STRANGER, Origin
from workpost.formats.addresses import fold
from workpost.formats.srs import is_srs
from workpost.kernel.errors import UnknownRecipient
from workpost.store.core import Core


async def expand_envelope(
    core: Core, recipients: Sequence[str], origin: Origin = STRANGER
) -> Expansion:
    """Turn envelope recipients, as they are written, into mailboxes, each person once.

    `origin` is who sends. Small envelopes are seen in one snapshot. Of a group with more members
    than a page, one who joins or leaves meanwhile may be counted either way. Raises TryLater.
    """
    returns, forged = await _open_returns(core, recipients)
    folds = [folded for one in recipients if (folded := fold(one)) not in forged]
    routed = await _expand(core, folds, origin, returns)
    routed.unknown.extend(dict.fromkeys(forged))
    return routed


async def _open_returns(
    core: Core, recipients: Sequence[str]
) -> tuple[dict[str, walking.Return], list[str]]:
    """The recipients that stand for original senders, and (folded) those that only look so."""
    found: dict[str, walking.Return] = {}
    forged = []
    for address in filter(is_srs, recipients):
        try:
            back = await open_return(core, address)
        except UnknownRecipient:
            forged.append(fold(address))
        else:
            if back is not None:
                found[fold(address)] = back
    return found, forged


async def _expand(
    core: Core, folds: list[str], origin: Origin, returns: dict[str, walking.Return]
) -> Expansion:
    if len(folds) <= FEW:
        routed = await core.store.read(
            walking.expand_few, addr_folds=folds, origin=origin, returns=returns
        )
        if routed is not None:
            return routed
    steps = walking.walk(folds, origin, returns)
    try:
        question = next(steps)
        while True:
            question = steps.send(await core.store.read(walking.answer, question=question))
    except StopIteration as done:
        result: Expansion = done.value
        return result
