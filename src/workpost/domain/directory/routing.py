"""Where mail for an address goes: holders, groups to any depth, plus-addresses, postmaster.

RCPT TO asks `lookup_address` and, where it knows nobody, `is_local_domain`; an accepted envelope
is turned into mailboxes by `expand` in one snapshot. Whether a group is hidden from the address
list plays no part (decisions 19).
"""

from __future__ import annotations

import msgspec

from workpost.formats import addresses as syntax
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, domains, organizations
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP

DUTIES = ("postmaster", "abuse")

FEW = 5
"""Recipients up to which `expand_few` is asked; groups that turn out large go to the pool."""


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
    are groups.
    """
    holder = addresses.get_holder(tx, addr_fold=addr_fold)
    if holder is None:
        base = syntax.base_of_subaddress(addr_fold)
        if base is not None:
            holder = addresses.get_holder(tx, addr_fold=base)
    if holder is None:
        holder = _on_duty(tx, addr_fold)
    return holder if holder is not None and _receives(holder) else None


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


def expand(tx: Reader, *, addr_folds: list[str]) -> Expansion:
    """Turn folded envelope recipients into mailboxes, each person once.

    Members count when they are enabled and have a mailbox; groups in groups when they are
    enabled; a loop of groups is walked once.
    """
    walk = _Walk(tx)
    result = walk.result
    for rcpt in dict.fromkeys(addr_folds):
        holder = lookup_address(tx, addr_fold=rcpt)
        if holder is None:
            local = is_local_domain(tx, domain=syntax.split(rcpt)[1])
            (result.unknown if local else result.external).append(rcpt)
        elif holder.kind != GROUP:
            walk.deliver(holder, rcpt)
        elif not walk.deliver_to_group(holder, rcpt):
            result.empty.append(rcpt)
    return result


@quick
def expand_few(tx: Reader, *, addr_folds: list[str]) -> Expansion:
    """`expand` for up to `FEW` recipients: a look-up each, answered without leaving the loop."""
    return expand(tx, addr_folds=addr_folds)


class _Walk:
    """One expansion under way."""

    def __init__(self, tx: Reader) -> None:
        self.result = Expansion([], [], [], [])
        self._tx = tx
        self._people: set[tuple[str, str]] = set()
        self._groups: dict[tuple[str, str], bool] = {}

    def deliver(self, holder: HolderRow, rcpt: str) -> None:
        """Deliver to a person, unless an earlier recipient did."""
        person = (holder.org, holder.entity)
        if person in self._people:
            return
        self._people.add(person)
        local = Local(
            holder.org,
            holder.entity,
            holder.mailbox,
            holder.address,
            rcpt,
            holder.bytes,
            holder.quota,
        )
        self.result.local.append(local)

    def deliver_to_group(self, group: HolderRow, rcpt: str) -> bool:
        """Deliver to a group's members, breadth first; True when it reaches anybody."""
        key = (group.org, group.entity)
        if key in self._groups:
            return self._groups[key]
        reached = False
        waiting = [group.entity]
        visited = {group.entity}
        for entity in waiting:
            for member in addresses.list_holders_of_group(self._tx, org=group.org, grp=entity):
                if member.kind != GROUP and member.mailbox:
                    reached = True
                    self.deliver(member, rcpt)
                elif member.kind == GROUP and member.entity not in visited:
                    visited.add(member.entity)
                    waiting.append(member.entity)
        self._groups[key] = reached
        return reached
