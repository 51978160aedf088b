"""Where mail for an address goes: holders, groups to any depth, plus-addresses, postmaster.

RCPT TO asks `lookup_address` and, where it knows nobody, `is_local_domain`; an accepted envelope
is turned into mailboxes by `expansion.expand_envelope`, a page of a group per snapshot. Whether a
group is hidden from the address list plays no part (decisions 19).
"""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from workpost.formats import addresses as syntax
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, domains, organizations
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP

POSTMASTER = "postmaster"
DUTIES = (POSTMASTER, "abuse")

FEW = 5
"""Recipients up to which `expand_few` is asked; groups that turn out large go to the pool."""

LOOKUPS = 100
PAGE = 1_000
"""Recipients looked up and members read in one snapshot, which may last 100 ms."""


class Local(msgspec.Struct, frozen=True):
    """One delivery into a mailbox here.

    `address` is the primary address of its owner, `rcpt` the folded envelope recipient through
    which the mail came first; `bytes` and `quota` are those of the mailbox.
    """

    organization: str
    entity: str
    mailbox: int
    address: str
    rcpt: str
    bytes: int
    quota: int


class Expansion(msgspec.Struct, frozen=True):
    """What an envelope comes to. `external`, `unknown` and `empty` hold folded recipients.

    `empty` are groups that reach nobody: accepted, and recorded.
    """

    local: list[Local]
    external: list[str]
    unknown: list[str]
    empty: list[str]


class OrganizationSettings(msgspec.Struct, frozen=True):
    """What mail flow reads of an organization's settings; `postmaster` is an entity id."""

    postmaster: str = ""


_settings = msgspec.json.Decoder(OrganizationSettings)


@quick
def lookup_address(tx: Reader, *, addr_fold: str) -> HolderRow | None:
    """The user, group or resource that receives mail for an address; None when nobody does.

    The address as it is comes first, then without its `+` part, then the holder of the domain's
    postmaster duties. Enabled holders only, in active organizations, with a mailbox unless they
    are groups. `postmaster` alone (RFC 5321 4.5.1) is that of the only organization's default
    domain; where several are served nobody holds it.
    """
    if addr_fold == POSTMASTER:
        addr_fold = f"{POSTMASTER}@{_only_domain(tx)}"
    holder = addresses.get_holder(tx, addr_fold=addr_fold)
    if holder is None:
        base = syntax.base_of_subaddress(addr_fold)
        if base is not None:
            holder = addresses.get_holder(tx, addr_fold=base)
    if holder is None:
        holder = _on_duty(tx, addr_fold)
    return holder if holder is not None and _receives(holder) else None


def _only_domain(tx: Reader) -> str:
    """The default domain of the only organization, "" when there are several."""
    only = organizations.only_organization(tx)
    row = organizations.get_organization(tx, organization=only) if only is not None else None
    return (row.default_domain or "") if row is not None else ""


def _receives(holder: HolderRow) -> bool:
    return holder.mailbox != 0 or holder.kind == GROUP


def _on_duty(tx: Reader, addr_fold: str) -> HolderRow | None:
    """The holder of postmaster@ and abuse@ of a domain, by the organization's setting."""
    local, name = syntax.split(addr_fold)
    if local not in DUTIES:
        return None
    domain = domains.get_verified(tx, name=name)
    if domain is None:
        return None
    organization = organizations.get_organization(tx, organization=domain.org)
    if organization is None:
        return None
    entity = _settings.decode(organization.settings).postmaster
    return addresses.get_holder_by_id(tx, org=domain.org, entity=entity) if entity else None


@quick
def is_local_domain(tx: Reader, *, domain: str) -> bool:
    """True when an organization here has the (folded) domain verified: nobody else may get it."""
    return domains.get_verified(tx, name=domain) is not None


class Lookup(msgspec.Struct, frozen=True):
    """Who receives mail for these recipients? Answered by (holder, the domain is ours) for each."""

    rcpts: list[str]


class Members(msgspec.Struct, frozen=True):
    """Who are the next `PAGE` members of a group, with ids above `after`?"""

    organization: str
    group: str
    after: str


Question = Lookup | Members
Found = list[tuple[HolderRow | None, bool]]
Walk = Generator[Question, Found, Expansion]


def answer(tx: Reader, *, question: Question) -> Found:
    """Answer one step of `walk`: at most `PAGE` recipients or members, in one snapshot."""
    if isinstance(question, Members):
        members = addresses.list_holders_of_group(
            tx, org=question.organization, grp=question.group, after=question.after, limit=PAGE
        )
        return [(member, True) for member in members]
    found: Found = []
    for rcpt in question.rcpts:
        holder = lookup_address(tx, addr_fold=rcpt)
        domain = syntax.split(rcpt)[1]
        local = holder is not None or not domain or is_local_domain(tx, domain=domain)
        found.append((holder, local))
    return found


def walk(addr_folds: list[str]) -> Walk:
    """Turn folded envelope recipients into mailboxes, each person once; asks as it goes.

    Members count when they are enabled and have a mailbox; groups in groups when they are
    enabled; a loop of groups is walked once.
    """
    result = Expansion([], [], [], [])
    people: set[tuple[str, str]] = set()
    groups: dict[tuple[str, str], bool] = {}
    rcpts = list(dict.fromkeys(addr_folds))
    for start in range(0, len(rcpts), LOOKUPS):
        asked = rcpts[start : start + LOOKUPS]
        found = yield Lookup(asked)
        for rcpt, (holder, local) in zip(asked, found, strict=True):
            if holder is None:
                (result.unknown if local else result.external).append(rcpt)
            elif holder.kind != GROUP:
                _deliver(result, people, holder, rcpt)
            else:
                key = (holder.org, holder.entity)
                if key not in groups:
                    groups[key] = yield from _walk_group(result, people, holder, rcpt)
                if not groups[key]:
                    result.empty.append(rcpt)
    return result


def _walk_group(
    result: Expansion, people: set[tuple[str, str]], group: HolderRow, rcpt: str
) -> Generator[Question, Found, bool]:
    """Deliver to a group's members, breadth first; True when it reaches anybody."""
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
                if member.kind != GROUP and member.mailbox:
                    reached = True
                    _deliver(result, people, member, rcpt)
                elif member.kind == GROUP and member.entity not in visited:
                    visited.add(member.entity)
                    waiting.append(member.entity)
            if len(page) < PAGE:
                break
    return reached


def _deliver(result: Expansion, people: set[tuple[str, str]], holder: HolderRow, rcpt: str) -> None:
    """Deliver to a person, unless an earlier recipient did."""
    person = (holder.org, holder.entity)
    if person not in people:
        people.add(person)
        result.local.append(
            Local(
                holder.org,
                holder.entity,
                holder.mailbox,
                holder.address,
                rcpt,
                holder.bytes,
                holder.quota,
            )
        )


def of_people(found: list[tuple[str, HolderRow]]) -> Expansion:
    """The expansion of (folded recipient, holder) pairs, none of them a group."""
    result = Expansion([], [], [], [])
    people: set[tuple[str, str]] = set()
    for rcpt, holder in found:
        _deliver(result, people, holder, rcpt)
    return result


def expand(tx: Reader, *, addr_folds: list[str]) -> Expansion | None:
    """`walk` in one snapshot; None when it has to read more than `PAGE` rows or groups."""
    steps = walk(addr_folds)
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
def expand_few(tx: Reader, *, addr_folds: list[str]) -> Expansion | None:
    """`expand` for up to `FEW` recipients: a look-up each, answered without leaving the loop."""
    return expand(tx, addr_folds=addr_folds)
