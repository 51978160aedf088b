"""Which of those whom a function adds to a message may have it, and what they count.

Those elsewhere count against the sender's limits of the day, remote users among them. What an
inbound function adds is not the sender's doing, who may belong to another organization. What people
send on counts against their own limits, unless that was done when the message came.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workpost.domain.directory.routing import Expansion
from workpost.domain.messages.delivery import Charge
from workpost.domain.organizations.flow_rules import OUTBOUND
from workpost.operations.mailflow import charging
from workpost.operations.mailflow.answered import Waiting
from workpost.store.core import Core


class Admission(msgspec.Struct):
    """The route without whom it is not for, and who of the added remains, by folded address.

    `nobody` are no one here or may not be written to, `over` are more than a day allows; both as
    they are written.
    """

    routed: Expansion
    added: dict[str, str]
    nobody: list[str] = []
    over: list[str] = []
    charges: list[Charge] = []


async def admit(
    core: Core, waiting: Waiting, routed: Expansion, added: Mapping[str, str], *, elsewhere: bool
) -> Admission:
    """Sort the added; without `elsewhere` none of those has it who would count for the sender."""
    found = Admission(routed, dict(added))
    if added:
        _sort(found, elsewhere=elsewhere)
    found.charges = await _charges(core, waiting, found.routed, found.added)
    return found


def _sort(found: Admission, *, elsewhere: bool) -> None:
    routed, mine = found.routed, set(found.added)
    # A group that is reached is somebody, whoever within it takes no mail from the sender.
    reached = {*routed.external, *routed.empty}
    reached |= {one.rcpt for one in routed.local} | {one.rcpt for one in routed.forwards}
    for one in dict.fromkeys((*routed.unknown, *(each.rcpt for each in routed.refused))):
        if one in mine and one not in reached:
            found.nobody.append(found.added.pop(one))
    if not elsewhere:
        over = set(_elsewhere(routed, found.added))
        found.over = [found.added.pop(one) for one in sorted(over)]
        routed = msgspec.structs.replace(
            routed,
            external=[one for one in routed.external if one not in over],
            forwards=[one for one in routed.forwards if one.by or one.rcpt not in over],
        )
    found.routed = msgspec.structs.replace(
        routed,
        unknown=[one for one in routed.unknown if one not in mine],
        refused=[one for one in routed.refused if one.rcpt not in mine],
    )


async def _charges(
    core: Core, waiting: Waiting, routed: Expansion, added: Mapping[str, str]
) -> list[Charge]:
    charges = []
    extra = len(_elsewhere(routed, added))
    if extra and waiting.held.direction == OUTBOUND:
        charges += await charging.charges_of(
            core, *waiting.submitter, waiting.envelope.sender, extra
        )
    # Whom the function has added, and who have begun to forward while it was waited for.
    new = [
        one
        for one in routed.forwards
        if one.by and f"{one.organization}/{one.entity}" not in waiting.held.charged
    ]
    onward = Expansion([], [], [], [], forwards=new)
    return charges + await charging.charges_for(core, None, None, onward, 0)


def _elsewhere(routed: Expansion, added: Mapping[str, str]) -> list[str]:
    """Those of the added that count for the sender: elsewhere, and remote users."""
    remote = [one.rcpt for one in routed.forwards if not one.by]
    return [one for one in (*routed.external, *remote) if one in added]
