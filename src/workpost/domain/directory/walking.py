"""From an envelope to everyone it reaches: groups to any depth, and mail that goes on elsewhere.

`walk` is a generator that asks for what it has to know, a bounded number of rows at a time; who
runs it answers each question from a snapshot. Each person is reached once, by the first way.

**Forwarding.** Mail goes on to where its reader wants it; a mailbox keeps it all the same when it
is to keep a copy, and when it would reach nobody else: the address is unknown here, the way leads
back in a loop, or is longer than `MAX_FORWARDS`. So nothing is lost and nothing runs in circles.
What is automatic (bounces, replies of machines) and what was forwarded by the same person before
stays here. A remote user has no mailbox: all mail goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import msgspec

from workpost.domain.directory.routing import (
    Expansion,
    Forward,
    Refusal,
    find_recipient,
    local_of,
    receives,
)
from workpost.formats import addresses as syntax
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, permissions
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP

FEW = 5
"""Recipients up to which `expand_few` is asked; groups that turn out large go to the pool."""
LOOKUPS = 100
PAGE = 1_000
"""Recipients looked up and members read in one snapshot, which may last 100 ms."""
MAX_FORWARDS = 10
"""How often a message is forwarded from one person here to the next."""

EVERYONE, ORGANIZATION, MEMBERS = "", "ORGANIZATION", "MEMBERS"
"""Who may write to a group."""


class Origin(msgspec.Struct, frozen=True):
    """What routing knows of whoever sends a message.

    `organization` and `entity` are those of the person who logged in, "" for a stranger; `trusted`
    is this server itself. `automatic` mail is not forwarded, and no mail by people of the
    organizations `keepers`; `passed` are the folded addresses that have forwarded it before.
    """

    organization: str = ""
    entity: str = ""
    trusted: bool = False
    automatic: bool = False
    keepers: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()


STRANGER = Origin()


class Return(msgspec.Struct, frozen=True):
    """The original sender, as written, behind an address that forwarding has made."""

    organization: str
    address: str


NO_RETURNS: Mapping[str, Return] = {}


class Lookup(msgspec.Struct, frozen=True):
    """Who receives mail for these recipients? Answered by (holder, the domain is ours) for each."""

    rcpts: list[str]


class Members(msgspec.Struct, frozen=True):
    """Who are the next `PAGE` members of a group, with ids above `after`?"""

    organization: str
    group: str
    after: str


class Belongs(msgspec.Struct, frozen=True):
    """Is a person a member of a group, directly or through groups? Answered by (None, yes)."""

    organization: str
    group: str
    entity: str


Question = Lookup | Members | Belongs
Found = list[tuple[HolderRow | None, bool]]
Walk = Generator[Question, Found, Expansion]
Step = Generator[Question, Found, bool]


def belongs(tx: Reader, *, organization: str, group: str, entity: str) -> bool:
    """Whether an entity is an enabled group's member, directly or through enabled groups."""
    seen = {entity}
    waiting = [entity]
    for member in waiting:
        for above in permissions.enabled_groups(tx, org=organization, member=member):
            if above == group:
                return True
            if above not in seen:
                seen.add(above)
                waiting.append(above)
    return False


def may_write(tx: Reader, *, group: HolderRow, organization: str, entity: str) -> bool:
    """Whether a group takes mail from a person who logged in, or ("" and "") from a stranger."""
    if group.senders == EVERYONE:
        return True
    if group.org != organization:
        return False
    return group.senders == ORGANIZATION or belongs(
        tx, organization=organization, group=group.entity, entity=entity
    )


def answer(tx: Reader, *, question: Question) -> Found:
    """Answer one step of `walk`: at most `PAGE` recipients or members, in one snapshot."""
    if isinstance(question, Members):
        members = addresses.list_holders_of_group(
            tx, org=question.organization, grp=question.group, after=question.after, limit=PAGE
        )
        return [(member, True) for member in members]
    if isinstance(question, Belongs):
        yes = belongs(
            tx,
            organization=question.organization,
            group=question.group,
            entity=question.entity,
        )
        return [(None, yes)]
    return [find_recipient(tx, addr_fold=rcpt) for rcpt in question.rcpts]


def walk(
    addr_folds: list[str],
    origin: Origin = STRANGER,
    returns: Mapping[str, Return] = NO_RETURNS,
) -> Walk:
    """Turn folded envelope recipients into mailboxes, each person once; asks as it goes.

    Members count when they are enabled and receive mail; groups in groups when they are enabled
    and take mail from the sender; a loop of groups is walked once. `returns` has the recipients
    that stand for somebody else's address.
    """
    rcpts = list(dict.fromkeys(addr_folds))
    asked = [syntax.fold(returns[rcpt].address) if rcpt in returns else rcpt for rcpt in rcpts]
    found: Found = []
    for start in range(0, len(rcpts), LOOKUPS):
        found += yield Lookup(asked[start : start + LOOKUPS])
    walker = _Walker(origin)
    for rcpt, (holder, local) in zip(rcpts, found, strict=True):
        if holder is None and not local:
            walker.leave(rcpt, returns.get(rcpt))
    for rcpt, (holder, local) in zip(rcpts, found, strict=True):
        if holder is not None:
            yield from walker.reach(holder, rcpt)
        elif local:
            walker.result.unknown.append(rcpt)
    return walker.result


class _Walker:
    """Whom the recipients so far have reached."""

    def __init__(self, origin: Origin) -> None:
        self.result = Expansion([], [], [], [], [], [])
        self._origin = origin
        self._people: dict[tuple[str, str], bool] = {}
        """Whether a person gets the message; False while that is being found out."""
        self._groups: dict[tuple[str, str], bool] = {}
        self._elsewhere: set[str] = set()

    def leave(self, rcpt: str, back: Return | None) -> None:
        """A recipient elsewhere, or the original sender behind one of ours."""
        if back is None:
            self.result.external.append(rcpt)
            self._elsewhere.add(rcpt)
        elif (folded := syntax.fold(back.address)) not in self._elsewhere:
            self._elsewhere.add(folded)
            self.result.forwards.append(Forward(back.organization, "", back.address, "", rcpt))

    def reach(self, holder: HolderRow, rcpt: str) -> Generator[Question, Found, None]:
        """Send to a recipient of the envelope."""
        refused = len(self.result.refused)
        reached = yield from self._reach(holder, rcpt, self._origin, 0)
        if reached or len(self.result.refused) > refused:
            return
        self.result.owners[rcpt] = holder.org
        (self.result.empty if holder.kind == GROUP else self.result.unknown).append(rcpt)

    def _reach(self, holder: HolderRow, rcpt: str, origin: Origin, depth: int) -> Step:
        if holder.kind != GROUP:
            return (yield from self._person(holder, rcpt, depth))
        if not (yield from self._takes(holder, rcpt, origin, depth)):
            return False
        key = (holder.org, holder.entity)
        if key not in self._groups:
            # Within itself it reaches nobody: whoever forwards to it keeps the message.
            self._groups[key] = False
            self._groups[key] = yield from self._group(holder, rcpt, origin, depth)
        return self._groups[key]

    def _takes(self, group: HolderRow, rcpt: str, origin: Origin, depth: int) -> Step:
        """Whether a group takes mail from the sender; what people forward is theirs to explain."""
        taken = group.senders == EVERYONE or origin.trusted
        if not taken and origin.organization == group.org:
            taken = group.senders == ORGANIZATION
            if not taken:
                ((_, taken),) = yield Belongs(group.org, group.entity, origin.entity)
        if not taken and depth == 0:
            refusal = Refusal(group.org, group.address, rcpt)
            if refusal not in self.result.refused:
                self.result.refused.append(refusal)
        return taken

    def _group(self, group: HolderRow, rcpt: str, origin: Origin, depth: int) -> Step:
        """Send to a group's members, breadth first; True when it reaches anybody."""
        reached = False
        waiting = [group.entity]
        visited = {group.entity}
        for entity in waiting:
            after = ""
            while page := (yield Members(group.org, entity, after)):
                for member, _ in page:
                    if member is None:
                        continue
                    after = member.entity
                    if member.kind == GROUP:
                        if member.entity not in visited:
                            visited.add(member.entity)
                            if (yield from self._takes(member, rcpt, origin, depth)):
                                waiting.append(member.entity)
                    elif receives(member) and (yield from self._person(member, rcpt, depth)):
                        reached = True
                if len(page) < PAGE:
                    break
        return reached

    def _person(self, holder: HolderRow, rcpt: str, depth: int) -> Step:
        """Send to a person, unless that was done; True when somebody gets the message."""
        person = (holder.org, holder.entity)
        if person in self._people:
            return self._people[person]
        forwards = holder.forward != "" and self._may_forward(holder, depth)
        keeps = holder.mailbox != 0 and (not forwards or holder.keeps != 0)
        if keeps:
            self.result.local.append(local_of(holder, rcpt))
        self._people[person] = keeps
        if forwards:
            reached = yield from self._forward(holder, rcpt, depth)
            if not reached and not keeps and holder.mailbox:
                self.result.local.append(local_of(holder, rcpt))
                reached = True
            self._people[person] = reached or keeps
        return self._people[person]

    def _may_forward(self, holder: HolderRow, depth: int) -> bool:
        if depth >= MAX_FORWARDS:
            return False
        if holder.mailbox == 0:
            return True
        if self._origin.automatic or holder.org in self._origin.keepers:
            return False
        return syntax.fold(holder.address) not in self._origin.passed

    def _forward(self, holder: HolderRow, rcpt: str, depth: int) -> Step:
        """Send on to where a person wants it; True when it gets to anybody there."""
        folded = syntax.fold(holder.forward)
        if folded in self._elsewhere:
            return True
        ((target, local),) = yield Lookup([folded])
        if target is not None:
            # What one sends on is one's own to send: the group there asks for the forwarder.
            forwarder = Origin(holder.org, holder.entity)
            return (yield from self._reach(target, rcpt, forwarder, depth + 1))
        if local:
            return False
        self._elsewhere.add(folded)
        here = holder.mailbox != 0
        self.result.forwards.append(
            Forward(
                holder.org,
                holder.entity,
                holder.forward,
                holder.address if here else "",
                rcpt,
                here and holder.keeps != 0,
            )
        )
        return True


def expand(
    tx: Reader,
    *,
    addr_folds: list[str],
    origin: Origin = STRANGER,
    returns: Mapping[str, Return] = NO_RETURNS,
) -> Expansion | None:
    """`walk` in one snapshot; None when it has to read more than `PAGE` rows or groups."""
    steps = walk(addr_folds, origin, returns)
    seen = 0
    try:
        question = next(steps)
        while seen < PAGE:
            found = answer(tx, question=question)
            seen += 1 + len(found)
            question = steps.send(found)
    except StopIteration as done:
        result: Expansion = done.value
        return result
    return None


@quick
def expand_few(
    tx: Reader,
    *,
    addr_folds: list[str],
    origin: Origin = STRANGER,
    returns: Mapping[str, Return] = NO_RETURNS,
) -> Expansion | None:
    """`expand` for up to `FEW` recipients: a look-up each, answered without leaving the loop."""
    return expand(tx, addr_folds=addr_folds, origin=origin, returns=returns)
