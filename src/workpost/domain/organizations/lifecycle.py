"""Queries and commands on organizations as a whole: create, describe, list."""

from __future__ import annotations

from workpost.domain.organizations.idempotency import ClientToken, with_token
from workpost.domain.organizations.mail_domains import NewDomain, insert_domain
from workpost.domain.organizations.outside import OutsideDirectory, begin_reading, check_unused
from workpost.domain.organizations.state import get_organization
from workpost.domain.organizations.takeover import begin_takeover
from workpost.kernel.errors import LimitExceeded, NameUnavailable
from workpost.kernel.principal import Grant
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import domains, organizations, rules
from workpost.store.tables.organizations import ACTIVE, CREATING, OrganizationRow

DEFAULT_RULE = "default"
DEFAULT_ACCESS_RULE = '{"Effect":"ALLOW","Description":"Default WorkMail Rule"}'
DEFAULT_DEVICE_RULE = '{"Name":"default","Effect":"ALLOW","Description":"Default WorkMail Rule"}'


@command
def create_organization(
    tx: Tx,
    *,
    organization: str,
    account: str,
    alias: str,
    directory_id: str,
    test_domain: str,
    other_domains: list[NewDomain],
    device_rule_id: str,
    limit: int,
    left_by: str = "",
    outside: OutsideDirectory | None = None,
    token: ClientToken | None = None,
) -> str:
    """Insert an active organization with its verified test domain and its two default rules.

    With `left_by`, a deleted organization, it takes over the directory that this one has left,
    and is active when a job has moved it. With `outside` its users and groups are read from there,
    and it is active when a job has read them.
    `other_domains` are registered and wait for verification. Returns the organization's id: that
    of the first call with this token. Raises NameUnavailable when another organization has the
    alias, LimitExceeded when the account has `limit` organizations, DirectoryInUse,
    InvalidParameter for a token that came with other parameters.
    """

    def insert() -> str:
        organizations.lock_account(tx, account=account)
        check_limit(tx, account=account, limit=limit)
        state = CREATING if left_by or outside else ACTIVE
        if outside:
            check_unused(tx, account=account, directory_id=directory_id)
        _insert(tx, organization, account, alias, state, directory_id, test_domain, outside)
        if left_by:
            begin_takeover(tx, organization, left_by)
        if outside:
            begin_reading(tx, organization)
        for new in other_domains:
            insert_domain(tx, organization, new)
        _add_rules(tx, organization, device_rule_id)
        return organization

    return with_token(tx, token, str, insert)


@quick
def check_limit(tx: Reader, *, account: str, limit: int) -> None:
    """Raise LimitExceeded when an account has `limit` organizations."""
    if organizations.count_organizations(tx, account=account) >= limit:
        raise LimitExceeded(f"An account has at most {limit} organizations.")


def _insert(
    tx: Tx,
    organization: str,
    account: str,
    alias: str,
    state: str,
    directory_id: str,
    test_domain: str,
    outside: OutsideDirectory | None,
) -> None:
    inserted = organizations.insert_organization(
        tx,
        organization=organization,
        account=account,
        alias=alias,
        state=state,
        directory_id=directory_id,
        settings="{}",
        directory_kind=outside.kind if outside else "",
        interoperability=outside is not None and outside.interoperability,
    )
    if not inserted or not domains.insert_domain(
        tx,
        org=organization,
        name=test_domain,
        state=domains.VERIFIED,
        is_default=True,
        is_test=True,
    ):
        raise alias_taken(alias)


def _add_rules(tx: Tx, organization: str, device_rule_id: str) -> None:
    rules.put_access_rule(
        tx, org=organization, name=DEFAULT_RULE, rule=DEFAULT_ACCESS_RULE, created=0, modified=0
    )
    now = tx.env.now()
    rules.put_device_rule(
        tx,
        org=organization,
        rule_id=device_rule_id,
        rule=DEFAULT_DEVICE_RULE,
        created=now,
        modified=now,
    )


def alias_taken(alias: str) -> NameUnavailable:
    """The error for an alias that another organization of the installation has."""
    return NameUnavailable(f"The alias {alias} is not available.")


@quick
def describe_organization(tx: Reader, *, grant: Grant) -> OrganizationRow:
    """The organization in any state. Raises OrganizationNotFound."""
    return get_organization(tx, grant)


def list_organizations(
    tx: Reader, *, account: str, after: str, limit: int
) -> list[OrganizationRow]:
    """A page of the account's organizations, deleted ones included, by id."""
    return organizations.list_organizations(tx, account=account, after=after, limit=limit)
