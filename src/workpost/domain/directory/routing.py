"""Who receives mail for an address: holders, plus-addresses, postmaster, the domain's catch-all.

RCPT TO asks `find_recipient`, one look-up for people who live here; an accepted envelope is turned
into mailboxes by `expansion.expand_envelope` along the steps of `walking.walk`. Whether a group is
hidden from the address list plays no part (decisions 19).
"""

from __future__ import annotations

import msgspec

from workpost.formats import addresses as syntax
from workpost.store.database.unit import Reader, quick
from workpost.store.tables import addresses, domains, organizations
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP

POSTMASTER = "postmaster"
DUTIES = (POSTMASTER, "abuse")


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


class Forward(msgspec.Struct, frozen=True):
    """Mail that goes on to an address elsewhere, as it was written.

    `organization` and `entity` are those of the person whose mail it is; `by` is the address of a
    person who has a mailbox here, "" where mail just passes: to a remote user, and to the original
    sender of what was forwarded (then `entity` is "", too). `copy`: the mailbox has one.
    """

    organization: str
    entity: str
    address: str
    by: str
    rcpt: str
    copy: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """A group, by its address, that takes no mail from this sender."""

    organization: str
    group: str
    rcpt: str


class Expansion(msgspec.Struct, frozen=True):
    """What an envelope comes to. `external`, `unknown` and `empty` hold folded recipients.

    `empty` are groups that reach nobody: accepted, and recorded. `refused` are groups, written to
    or within one of those, that do not take mail from the sender. `owners` has the organizations of
    those recipients that are empty, and of the unknown where somebody holds the address.
    """

    local: list[Local]
    external: list[str]
    unknown: list[str]
    empty: list[str]
    forwards: list[Forward] = []
    refused: list[Refusal] = []
    owners: dict[str, str] = {}

    @property
    def reaches(self) -> bool:
        """True unless every recipient is unknown or refused."""
        return bool(self.local or self.external or self.empty or self.forwards)


class OrganizationSettings(msgspec.Struct, frozen=True):
    """What mail flow reads of an organization's settings; `postmaster` is an entity id."""

    postmaster: str = ""


_settings = msgspec.json.Decoder(OrganizationSettings)


@quick
def find_recipient(tx: Reader, *, addr_fold: str) -> tuple[HolderRow | None, bool]:
    """Who receives mail for an address, and whether its domain is ours (nobody else may get it).

    The address as it is comes first, then without its `+` part, then the holder of the domain's
    postmaster duties, then the domain's catch-all. Enabled holders only, in active organizations:
    groups, and whoever has a mailbox or an address elsewhere that mail goes on to. An address that
    somebody holds is never caught by others. `postmaster` alone (RFC 5321 4.5.1) is that of the
    only organization's default domain; where several are served nobody holds it.
    """
    if addr_fold == POSTMASTER:
        addr_fold = f"{POSTMASTER}@{_only_domain(tx)}"
    holder = addresses.get_holder(tx, addr_fold=addr_fold)
    if holder is None:
        base = syntax.base_of_subaddress(addr_fold)
        if base is not None:
            holder = addresses.get_holder(tx, addr_fold=base)
    if holder is not None:
        return (holder if receives(holder) else None), True
    local, name = syntax.split(addr_fold)
    if not name:
        return None, True
    domain = domains.get_verified(tx, name=name)
    if domain is None:
        return None, False
    holder = _on_duty(tx, domain.org) if local in DUTIES else None
    if holder is None and domain.catch_all is not None:
        holder = addresses.get_holder_by_id(tx, org=domain.org, entity=domain.catch_all)
    return (holder if holder is not None and receives(holder) else None), True


@quick
def lookup_address(tx: Reader, *, addr_fold: str) -> HolderRow | None:
    """The user, group or resource that receives mail for an address; None when nobody does."""
    return find_recipient(tx, addr_fold=addr_fold)[0]


def _only_domain(tx: Reader) -> str:
    """The default domain of the only organization, "" when there are several."""
    only = organizations.only_organization(tx)
    row = organizations.get_organization(tx, organization=only) if only is not None else None
    return (row.default_domain or "") if row is not None else ""


def receives(holder: HolderRow) -> bool:
    """Whether mail for a holder goes anywhere."""
    return holder.mailbox != 0 or holder.kind == GROUP or holder.forward != ""


def _on_duty(tx: Reader, organization: str) -> HolderRow | None:
    """The holder of postmaster@ and abuse@ of a domain, by its organization's setting."""
    row = organizations.get_organization(tx, organization=organization)
    if row is None:
        return None
    entity = _settings.decode(row.settings).postmaster
    return addresses.get_holder_by_id(tx, org=organization, entity=entity) if entity else None


@quick
def is_local_domain(tx: Reader, *, domain: str) -> bool:
    """True when an organization here has the (folded) domain verified: nobody else may get it."""
    return domains.get_verified(tx, name=domain) is not None


def local_of(holder: HolderRow, rcpt: str) -> Local:
    """The delivery into a holder's mailbox."""
    return Local(
        holder.org,
        holder.entity,
        holder.mailbox,
        holder.address,
        rcpt,
        holder.bytes,
        holder.quota,
    )


def of_people(found: list[tuple[str, HolderRow]]) -> Expansion:
    """The expansion of (folded recipient, holder) pairs: people whose mail stays here."""
    people: dict[tuple[str, str], Local] = {}
    for rcpt, holder in found:
        people.setdefault((holder.org, holder.entity), local_of(holder, rcpt))
    return Expansion(list(people.values()), [], [], [])
