"""Queries and commands on mail domains: register, verify, choose the default, deregister.

Two organizations may register one name; the first whose token is found in DNS has it verified, and
the name is nobody else's until it deregisters it. `operations/domains` looks into DNS.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from workpost.domain.organizations import dkim_rotation
from workpost.domain.organizations.idempotency import ClientToken, with_token
from workpost.domain.organizations.state import begin, require_active
from workpost.kernel.errors import (
    Conflict,
    InvalidParameter,
    LimitExceeded,
    MailDomainInUse,
    MailDomainNotFound,
    MailDomainStateInvalid,
)
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import dkim_keys, domains, jobs
from workpost.store.tables.dkim_keys import DkimKeyRow
from workpost.store.tables.domains import FAILED, PENDING, VERIFIED, DomainRow

VERIFY = "verify-domain"
"""The kind of the jobs that look for a domain's records; the cursor is its name."""
WAIT_MS = 72 * 60 * 60 * 1000
"""How long the owner has to publish the records."""


class NewDomain(msgspec.Struct, frozen=True):
    """A domain made before the transaction; `name` is folded, `job` the id of its job."""

    name: str
    token: str
    keys: list[DkimKeyRow]
    job: int


def not_found(name: str) -> MailDomainNotFound:
    """The error for a domain that the organization does not have."""
    return MailDomainNotFound(f"The organization has no mail domain {name}.")


def insert_domain(tx: Tx, org: str, new: NewDomain) -> None:
    """Insert a pending domain with its keys and the job that verifies it."""
    domains.insert_domain(tx, org=org, name=new.name, state=PENDING, token=new.token)
    for key in new.keys:
        dkim_keys.insert_key(tx, key)
    now = tx.env.now()
    dedupe = f"{VERIFY}/{org}/{new.name}"
    if not jobs.insert_job(
        tx,
        id=new.job,
        org=org,
        kind=VERIFY,
        dedupe=dedupe,
        due=now,
        cursor=new.name.encode(),
    ):
        jobs.hasten_job(tx, dedupe=dedupe, due=now)


@quick
def plan_registration(tx: Reader, *, grant: Grant, name: str, limit: int) -> DomainRow | None:
    """The domain if it is registered already, so that no keys are made for it again.

    Raises what `register_domain` raises: a refusal costs no keys.
    """
    require_active(tx, grant)
    return _find(tx, grant.organization, name, limit)


def _find(tx: Reader, org: str, name: str, limit: int) -> DomainRow | None:
    """The organization's domain, None when it may register it."""
    _refuse_foreign(tx, org, name)
    row = domains.get_domain(tx, org=org, name=name)
    if row is None and domains.count_domains(tx, org=org) >= limit:
        raise LimitExceeded(f"The organization has {limit} mail domains, as many as it may.")
    return row


def _refuse_foreign(tx: Reader, org: str, name: str) -> None:
    owner = domains.get_verified(tx, name=name)
    if owner is not None and owner.org != org:
        raise MailDomainInUse(f"The domain {name} belongs to another organization.")


@command
def register_domain(
    tx: Tx, *, grant: Grant, new: NewDomain, limit: int, token: ClientToken | None = None
) -> None:
    """Register a domain, to be verified; one that is there already waits anew where it failed.

    Raises MailDomainInUse for a domain that another organization has verified, LimitExceeded for
    more than `limit` domains, InvalidParameter for a token that came with other parameters,
    Conflict when keys are needed and none were made: the domain was deregistered meanwhile.
    """
    with_token(tx, token, type(None), lambda: _register(tx, grant, new, limit))


def _register(tx: Tx, grant: Grant, new: NewDomain, limit: int) -> None:
    begin(tx, grant)
    org = grant.organization
    row = _find(tx, org, new.name, limit)
    if row is None:
        if not new.keys:
            raise Conflict(f"The mail domain {new.name} was deregistered meanwhile.")
        insert_domain(tx, org, new)
    elif not row.is_test and (row.state, row.dkim) != (VERIFIED, VERIFIED):
        if row.token:
            # Keys belong to their token: of two registrations at once the first gives both.
            new = msgspec.structs.replace(new, token=row.token, keys=[])
        domains.begin_verification(tx, org=org, name=new.name, token=new.token)
        insert_domain(tx, org, new)


@quick
def get_domain(tx: Reader, *, grant: Grant, name: str) -> DomainRow:
    """The organization's domain. Raises MailDomainNotFound."""
    require_active(tx, grant)
    row = domains.get_domain(tx, org=grant.organization, name=name)
    if row is None:
        raise not_found(name)
    return row


def list_domains(tx: Reader, *, grant: Grant, after: str, limit: int) -> list[DomainRow]:
    """A page of the organization's domains, test domain included, by name."""
    require_active(tx, grant)
    return domains.list_domains(tx, org=grant.organization, after=after, limit=limit)


@command
def deregister_domain(tx: Tx, *, grant: Grant, name: str) -> None:
    """Remove a domain that no address uses; one that is not there is no error.

    Raises InvalidParameter for the test domain, MailDomainInUse for the default domain and for one
    that is in use.
    """
    begin(tx, grant)
    org = grant.organization
    row = domains.get_domain(tx, org=org, name=name)
    if row is None:
        return
    if row.is_test:
        raise InvalidParameter(f"{name} is the organization's test domain and stays.")
    if row.is_default:
        raise MailDomainInUse(f"{name} is the default mail domain; make another one the default.")
    address = domains.address_in_domain(tx, org=org, name=name)
    if address is not None:
        raise MailDomainInUse(f"The mail domain {name} is used by {address}.")
    domains.delete_domain(tx, org=org, name=name)


@command
def set_default_domain(tx: Tx, *, grant: Grant, name: str) -> None:
    """Make a verified domain the default. Raises MailDomainNotFound, MailDomainStateInvalid."""
    begin(tx, grant)
    row = domains.get_domain(tx, org=grant.organization, name=name)
    if row is None:
        raise not_found(name)
    if row.state != VERIFIED:
        raise MailDomainStateInvalid(f"The mail domain {name} is not verified.")
    domains.set_default(tx, org=grant.organization, name=name)


def settle(
    tx: Tx, row: DomainRow, *, ownership: bool, dkim: bool, seen: Collection[str] = ()
) -> DomainRow:
    """Write down what DNS said of a domain and return it as it is now.

    What was verified stays so. What was not found within 72 hours has failed. A domain that
    another organization has verified meanwhile is found by nobody else. `seen` are the selectors of
    DKIM keys that receivers find.
    """
    late = tx.env.now() - row.since >= WAIT_MS
    foreign = domains.get_verified(tx, name=row.name)
    free = foreign is None or foreign.org == row.org
    state = _next(row.state, found=ownership and free, late=late)
    signs = _next(row.dkim, found=dkim and state == VERIFIED, late=late)
    if (state, signs) != (row.state, row.dkim):
        domains.set_states(tx, org=row.org, name=row.name, state=state, dkim=signs)
    if state == VERIFIED:
        dkim_rotation.settle_keys(tx, row.org, row.name, seen)
        dkim_keys.begin_looking(tx, org=row.org, domain=row.name)
    return msgspec.structs.replace(row, state=state, dkim=signs)


def _next(state: str, *, found: bool, late: bool) -> str:
    if state == VERIFIED or found:
        return VERIFIED
    return FAILED if late else state


@command
def take_as_owned(tx: Tx, *, grant: Grant, name: str) -> None:
    """Verify the ownership of a domain by the operator's word; DNS still has to show its keys.

    Raises MailDomainNotFound, MailDomainInUse when another organization has it verified.
    """
    begin(tx, grant)
    row = domains.get_domain(tx, org=grant.organization, name=name)
    if row is None:
        raise not_found(name)
    _refuse_foreign(tx, row.org, name)
    settle(tx, row, ownership=True, dkim=False)


@command
def settle_by_hand(
    tx: Tx, *, grant: Grant, name: str, ownership: bool, dkim: bool, seen: list[str]
) -> tuple[str, str]:
    """`settle` for an operator; returns the states of ownership and DKIM.

    Raises MailDomainNotFound, MailDomainInUse when another organization has it verified.
    """
    begin(tx, grant)
    row = domains.get_domain(tx, org=grant.organization, name=name)
    if row is None:
        raise not_found(name)
    if ownership:
        _refuse_foreign(tx, row.org, name)
    settled = settle(tx, row, ownership=ownership, dkim=dkim, seen=seen)
    if ownership and settled.state != VERIFIED:
        # Another organization was quicker by a moment.
        _refuse_foreign(tx, row.org, name)
    return settled.state, settled.dkim


@quick
def owned_domains(tx: Reader, *, organization: str, names: Sequence[str]) -> set[str]:
    """Those of some (folded) domains that an organization has verified."""
    found = set()
    for name in names:
        row = domains.get_verified(tx, name=name)
        if row is not None and row.org == organization:
            found.add(name)
    return found
