"""Mobile-device rules as the API manages them, and the effect that they have.

The effect call, the console's list of devices and ActiveSync all ask `device_rules.decide`. A
change raises the policy version, so that devices that hang on a request are asked again.
"""

from __future__ import annotations

import msgspec

from workpost.domain.access.device_rules import (
    DeviceRule,
    DeviceVerdict,
    Reported,
    decide,
    read_rule,
)
from workpost.domain.access.rules import refuse_both
from workpost.domain.organizations.idempotency import ClientToken, with_token
from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import EntityNotFound, LimitExceeded
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import device_overrides, rules

_PAIRS = (
    ("DeviceTypes", "device_types", "not_device_types"),
    ("DeviceModels", "device_models", "not_device_models"),
    ("DeviceOperatingSystems", "device_operating_systems", "not_device_operating_systems"),
    ("DeviceUserAgents", "device_user_agents", "not_device_user_agents"),
)


class KnownRule(msgspec.Struct, frozen=True):
    """A rule with its id and its dates in ms."""

    id: str
    rule: DeviceRule
    created: int
    modified: int


def _store(tx: Tx, org: str, rule_id: str, rule: DeviceRule) -> None:
    now = tx.env.now()
    text = msgspec.json.encode(rule).decode()
    rules.put_device_rule(tx, org=org, rule_id=rule_id, rule=text, created=now, modified=now)
    change_policy(tx, org)


@command
def create_rule(
    tx: Tx,
    *,
    grant: Grant,
    rule_id: str,
    rule: DeviceRule,
    limit: int,
    token: ClientToken | None = None,
) -> str:
    """Insert a rule; returns its id, that of the first call with this token.

    Raises LimitExceeded when the organization has `limit` rules, InvalidParameter for a token that
    came with other parameters.
    """

    def insert() -> str:
        begin(tx, grant)
        if rules.count_device_rules(tx, org=grant.organization) >= limit:
            raise LimitExceeded(f"The organization has {limit} rules, as many as it may.")
        _store(tx, grant.organization, rule_id, rule)
        return rule_id

    return with_token(tx, token, str, insert)


@command
def update_rule(tx: Tx, *, grant: Grant, rule_id: str, rule: DeviceRule) -> None:
    """Replace a rule as a whole. Raises EntityNotFound."""
    begin(tx, grant)
    if rules.get_device_rule(tx, org=grant.organization, rule_id=rule_id) is None:
        raise EntityNotFound(f"The organization has no mobile-device rule {rule_id}.")
    _store(tx, grant.organization, rule_id, rule)


@command
def delete_rule(tx: Tx, *, grant: Grant, rule_id: str) -> None:
    """Delete a rule; one that is not there is no error."""
    begin(tx, grant)
    if rules.delete_device_rule(tx, org=grant.organization, rule_id=rule_id):
        change_policy(tx, grant.organization)


@quick
def read_rules(tx: Reader, *, grant: Grant) -> list[KnownRule]:
    """The organization's rules in the order of their making."""
    require_active(tx, grant)
    rows = rules.list_device_rules(tx, org=grant.organization)
    return [KnownRule(row.key, read_rule(row.rule), row.created, row.modified) for row in rows]


@quick
def effect(tx: Reader, *, grant: Grant, reported: Reported) -> DeviceVerdict:
    """What the rules say to a device that reports this."""
    require_active(tx, grant)
    return _by_rules(tx, grant.organization, reported, None)


def device_effect(
    tx: Reader, *, org: str, entity: str, device: str, reported: Reported
) -> DeviceVerdict:
    """What a device of a user is told: by its override, else by the rules."""
    own = device_overrides.get_override(tx, org=org, entity=entity, device_fold=device.lower())
    return _by_rules(tx, org, reported, own.effect if own is not None else None)


def _by_rules(tx: Reader, org: str, reported: Reported, override: str | None) -> DeviceVerdict:
    found = rules.list_device_rules(tx, org=org) if override is None else []
    return decide([(row.key, read_rule(row.rule)) for row in found], reported, override)


async def create_device_rule(
    core: Core, grant: Grant, rule: DeviceRule, token: ClientToken | None = None
) -> str:
    """Create a rule; returns its id.

    Raises InvalidParameter for a condition that is both included and excluded, LimitExceeded,
    OrganizationNotFound, OrganizationStateInvalid.
    """
    refuse_both(rule, _PAIRS)
    return await core.store.write(
        create_rule,
        grant=grant,
        rule_id=core.env.new_uuid(),
        rule=rule,
        limit=core.settings.limits.device_rules,
        token=token,
    )


async def update_device_rule(core: Core, grant: Grant, rule_id: str, rule: DeviceRule) -> None:
    """Replace a rule. Raises EntityNotFound, InvalidParameter."""
    refuse_both(rule, _PAIRS)
    await core.store.write(update_rule, grant=grant, rule_id=rule_id, rule=rule)


async def delete_device_rule(core: Core, grant: Grant, rule_id: str) -> None:
    """Delete a rule, if it is there. Without any rule every device is shut out."""
    await core.store.write(delete_rule, grant=grant, rule_id=rule_id)


async def list_device_rules(core: Core, grant: Grant) -> list[KnownRule]:
    """The rules in the order of their making."""
    return await core.store.read(read_rules, grant=grant)


async def rules_effect(core: Core, grant: Grant, reported: Reported) -> DeviceVerdict:
    """What the rules say to a device that reports this."""
    return await core.store.read(effect, grant=grant, reported=reported)
