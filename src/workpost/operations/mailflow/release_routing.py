"""Where those go who have waited for a function: routed anew, without whom the message has reached.

Inbound the mail stays in the organization whose rule it is; outbound the inbound rules of
recipients here come next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workpost.domain.directory.routing import Expansion, lookup_address
from workpost.domain.directory.walking import Origin
from workpost.domain.organizations.flow_rules import INBOUND
from workpost.formats.addresses import fold
from workpost.operations.mailflow import forwarding, routes, ruling
from workpost.operations.mailflow.answered import Answered, Waiting
from workpost.operations.mailflow.entries import Message
from workpost.operations.mailflow.ruling import Ruled
from workpost.store.core import Core

NOBODY: frozenset[str] = frozenset()


async def find_added(
    core: Core, waiting: Waiting, answered: Answered
) -> tuple[dict[str, str], list[str]]:
    """Those whom the function adds, as written by folded address; and whom it may not add.

    Inbound these are all but people of the organization.
    """
    found, strangers = {}, []
    for folded, (address, _) in answered.added.items():
        if waiting.held.direction == INBOUND:
            holder = await core.store.read(lookup_address, addr_fold=folded)
            if holder is None or holder.org != waiting.organization:
                strangers.append(address)
                continue
        found[folded] = address
    return found, strangers


class Router:
    """Routes one message; `redirects`: whether people's rules may send it on."""

    def __init__(
        self, core: Core, waiting: Waiting, answered: Answered, message: Message, *, redirects: bool
    ) -> None:
        self._core = core
        self._waiting = waiting
        self._held = waiting.held
        self._answered = answered
        self._message = message
        self._redirects = redirects

    async def route(self, going: Mapping[str, str]) -> tuple[Expansion, Ruled]:
        """Where they go, and what inbound rules say of it after an outbound one."""
        if self._held.direction == INBOUND:
            return await self._route_in(going), Ruled()
        envelope = self._message.envelope
        keepers = NOBODY
        while True:
            routed = await self._expand(list(going.values()), keepers)
            concerned = routes.organizations_of(routed)
            ruled = await ruling.rule_incoming(
                self._core, envelope, self._message.summary, routed, concerned
            )
            junked = ruled.keepers(routed)
            if junked <= keepers:
                break
            keepers |= junked
        ruled = msgspec.structs.replace(ruled, home=self._waiting.organization)
        if away := ruled.withheld | ruled.held:
            left = [address for folded, address in going.items() if folded not in away]
            routed = await self._expand(left, keepers)
        return routed, ruled

    async def _route_in(self, going: Mapping[str, str]) -> Expansion:
        own = self._waiting.organization
        routed = await self._expand(list(going.values()), NOBODY)
        if any(one.by and self._answered.is_junk(self._held, one.rcpt) for one in routed.forwards):
            routed = await self._expand(list(going.values()), frozenset((own,)))
        # A domain that went to somebody else meanwhile does not take the mail along.
        lost = [one.rcpt for one in routed.local if one.organization != own]
        lost += [one.rcpt for one in routed.forwards if one.organization != own]
        return msgspec.structs.replace(
            routed,
            local=[one for one in routed.local if one.organization == own],
            forwards=[one for one in routed.forwards if one.organization == own],
            external=[],
            unknown=list(dict.fromkeys((*routed.unknown, *routed.external, *lost))),
        )

    async def _expand(self, recipients: Sequence[str], keepers: frozenset[str]) -> Expansion:
        """The route of some recipients, without whom the message has reached already."""
        if not recipients:
            return Expansion([], [], [], [])
        origin = msgspec.structs.replace(self._origin(), keepers=keepers)
        folds = set(map(fold, recipients))
        before = [one for one in self._held.others if fold(one) not in folds]
        routed = await routes.expand(self._core, [*before, *recipients], origin)
        if not before:
            return routed
        return msgspec.structs.replace(
            routed,
            local=[one for one in routed.local if one.rcpt in folds],
            external=[one for one in routed.external if one in folds],
            unknown=[one for one in routed.unknown if one in folds],
            empty=[one for one in routed.empty if one in folds],
            forwards=[one for one in routed.forwards if one.rcpt in folds],
            refused=[one for one in routed.refused if one.rcpt in folds],
        )

    def _origin(self) -> Origin:
        header = forwarding.lower_header(self._message.stamped.raw)
        origin = routes.origin_of(None, self._message.envelope, header)
        organization, entity = self._waiting.submitter
        return msgspec.structs.replace(
            origin,
            organization=organization,
            entity=entity,
            automatic=origin.automatic or not self._redirects,
        )
