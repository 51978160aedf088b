"""Access-control rules as the API manages them, and the effect that they have.

The effect call and every login ask the same function, `rules.decide`. A change raises the policy
version: within two seconds it reaches everyone who is logged in.
"""

from __future__ import annotations

import msgspec

from workpost.domain.access.impersonating import PROTOCOL as IMPERSONATION
from workpost.domain.access.role_shell import require_role
from workpost.domain.access.rules import AccessRule, Verdict, decide, read_rule, refuse_both
from workpost.domain.directory.entities import resolve
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import InvalidParameter, LimitExceeded
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.tables import rules
from workpost.store.tables.entities import USER

ACTIONS = frozenset(
    {"ActiveSync", "AutoDiscover", "EWS", "IMAP", "SMTP", "WindowsOutlook", "WebMail"}
)

_PAIRS = (
    ("IpRanges", "ip_ranges", "not_ip_ranges"),
    ("Actions", "actions", "not_actions"),
    ("UserIds", "user_ids", "not_user_ids"),
    ("ImpersonationRoleIds", "impersonation_role_ids", "not_impersonation_role_ids"),
)


class NamedRule(msgspec.Struct, frozen=True):
    """A rule with its name and its dates in ms."""

    name: str
    rule: AccessRule
    created: int
    modified: int


def _check(rule: AccessRule) -> None:
    refuse_both(rule, _PAIRS)
    for action in (*rule.actions, *rule.not_actions):
        check_action(action)


def check_action(action: str) -> None:
    """Raise InvalidParameter for what is no protocol that rules know."""
    if action not in ACTIONS:
        known = ", ".join(sorted(ACTIONS))
        raise InvalidParameter(f"There is no action {action}; the actions are {known}.")


def _users(tx: Reader, org: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of users, each once; those of deleted ones stay good. Raises EntityNotFound.

    What ListAccessControlRules shows can always be put again.
    """
    found = (resolve(tx, org, each, kinds=(USER,), deleted=True) for each in given)
    return tuple(dict.fromkeys(row.id for row in found))


@command
def put_rule(tx: Tx, *, grant: Grant, name: str, rule: AccessRule, limit: int) -> None:
    """Insert or replace a rule; a replaced one keeps the date of its making.

    Raises LimitExceeded for a new rule over `limit`, EntityNotFound, ResourceNotFound for roles.
    """
    begin(tx, grant)
    org = grant.organization
    rule = msgspec.structs.replace(
        rule,
        user_ids=_users(tx, org, rule.user_ids),
        not_user_ids=_users(tx, org, rule.not_user_ids),
    )
    for role in (*rule.impersonation_role_ids, *rule.not_impersonation_role_ids):
        require_role(tx, org, role)
    if (
        rules.get_access_rule(tx, org=org, name=name) is None
        and rules.count_access_rules(tx, org=org) >= limit
    ):
        raise LimitExceeded(f"The organization has {limit} rules, as many as it may.")
    now = tx.env.now()
    text = msgspec.json.encode(rule).decode()
    rules.put_access_rule(tx, org=org, name=name, rule=text, created=now, modified=now)
    change_policy(tx, org)


@command
def delete_rule(tx: Tx, *, grant: Grant, name: str) -> None:
    """Delete a rule; one that is not there is no error."""
    begin(tx, grant)
    if rules.delete_access_rule(tx, org=grant.organization, name=name):
        change_policy(tx, grant.organization)


def read_rules(tx: Reader, *, grant: Grant) -> list[NamedRule]:
    """The organization's rules by name."""
    require_active(tx, grant)
    rows = rules.list_access_rules(tx, org=grant.organization)
    return [NamedRule(row.key, read_rule(row.rule), row.created, row.modified) for row in rows]


def effect(tx: Reader, *, grant: Grant, address: str, action: str, user: str, role: str) -> Verdict:
    """What the rules say to a user (any identifier) or role. Raises EntityNotFound."""
    found = read_rules(tx, grant=grant)
    if user:
        user = resolve(tx, grant.organization, user, kinds=(USER,)).id
    if role:
        require_role(tx, grant.organization, role)
    named = [(each.name, each.rule) for each in found]
    return decide(named, action=action, address=address, user=user, role=role)


async def put_access_rule(core: Core, grant: Grant, name: str, rule: AccessRule) -> None:
    """Create or replace a rule; sessions that it denies end.

    Raises InvalidParameter for a condition that is both included and excluded and for unknown
    actions, LimitExceeded, EntityNotFound, ResourceNotFound, OrganizationNotFound,
    OrganizationStateInvalid.
    """
    _check(rule)
    limit = core.settings.limits.access_rules
    await core.store.write(put_rule, grant=grant, name=name, rule=rule, limit=limit)


async def delete_access_rule(core: Core, grant: Grant, name: str) -> None:
    """Delete a rule, if it is there. Without any rule everybody is shut out."""
    await core.store.write(delete_rule, grant=grant, name=name)


async def list_access_rules(core: Core, grant: Grant) -> list[NamedRule]:
    """The rules by name."""
    return await core.store.read(read_rules, grant=grant)


async def access_effect(
    core: Core, grant: Grant, *, address: str, action: str, user: str = "", role: str = ""
) -> Verdict:
    """What a login of a user, or the use of a role, from an address would be told.

    Raises InvalidParameter unless exactly one of user and role is given, for unknown actions, and
    for roles with another action than EWS; EntityNotFound, ResourceNotFound.
    """
    if bool(user) == bool(role):
        raise InvalidParameter("Either a UserId or an ImpersonationRoleId is needed.")
    check_action(action)
    if role and action != IMPERSONATION:
        raise InvalidParameter(f"Impersonation roles are used with {IMPERSONATION} only.")
    return await core.store.read(
        effect, grant=grant, address=address, action=action, user=user, role=role
    )
