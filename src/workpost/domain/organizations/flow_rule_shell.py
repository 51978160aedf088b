"""Flow rules as administrators manage them, and as mail flow asks them.

A rule counts from the next message on: each message asks for the version of its organizations'
rules (`policies`), under which a process remembers them ready for use (`table_of`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from workpost.domain.organizations.flow_rules import (
    BOUNCE,
    DEFAULT,
    DROP,
    EVERYTHING,
    GATEWAY,
    INBOUND,
    LAMBDA,
    OUTBOUND,
    PRECEDENCE,
    FlowAction,
    FlowRule,
    FlowTable,
    Match,
    Question,
    check_words,
    read_patterns,
)
from workpost.domain.organizations.smtp_gateways import gateway_not_found
from workpost.domain.organizations.state import begin, check_active, require_active
from workpost.formats import addresses
from workpost.kernel.errors import (
    InvalidParameter,
    LimitExceeded,
    NameUnavailable,
    ResourceNotFound,
)
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import flow_rules as table
from workpost.store.tables import smtp_gateways
from workpost.store.tables.flow_rules import FlowPolicyRow, FlowRuleRow, NewFlowRule

KNOWN = 1_000
"""Tables of rules that a process remembers."""
MANY = 10_000
"""Rules that are read at once: more than the limits allow."""

Limits = tuple[int, int]
"""Patterns of one rule, and of all rules of an organization, of each kind."""

_read_rule = msgspec.json.Decoder(FlowRule).decode
_Known = tuple[str, str, int]
_known: OrderedDict[_Known, FlowTable] = OrderedDict()


class KnownRule(msgspec.Struct, frozen=True):
    """A rule with its id and its dates in ms."""

    id: str
    rule: FlowRule
    created: int
    modified: int


def _known_rule(row: FlowRuleRow) -> KnownRule:
    return KnownRule(row.id, _read_rule(row.rule), row.created, row.modified)


def _unknown(direction: str, rule_id: str) -> ResourceNotFound:
    return ResourceNotFound(f"The organization has no {direction.lower()} rule {rule_id}.")


def check_rule(direction: str, rule: FlowRule) -> FlowRule:
    """The rule with its patterns folded.

    Raises InvalidParameter for malformed members, and for those that do not belong to its action.
    """
    check_words(rule)
    action = rule.action
    if action.type not in PRECEDENCE[direction]:
        raise InvalidParameter(f"{action.type} is no action of {direction.lower()} rules.")
    if bool(action.gateway) != (action.type == GATEWAY):
        raise InvalidParameter(f"A SmtpGatewayId belongs to the action {GATEWAY}, and to no other.")
    senders = read_patterns(rule.senders, "senders")
    destinations = read_patterns(rule.destinations, "destinations")
    _check_function(direction, action, destinations)
    return msgspec.structs.replace(rule, senders=senders, destinations=destinations)


def _check_function(direction: str, action: FlowAction, destinations: Sequence[str]) -> None:
    if action.type != LAMBDA:
        if action.function or action.fallback or action.timeout or action.asynchronous:
            raise InvalidParameter(f"What tells of a function belongs to the action {LAMBDA}.")
        return
    if not action.function:
        raise InvalidParameter(f"The action {LAMBDA} needs a LambdaArn.")
    if action.asynchronous:
        if action.fallback or action.timeout:
            raise InvalidParameter("Nobody waits for an asynchronous function.")
    else:
        if tuple(destinations) != (EVERYTHING,):
            raise InvalidParameter(
                f"A rule that waits for a function has the destination {EVERYTHING} alone."
            )
        if action.fallback not in _FALLBACKS[direction]:
            raise InvalidParameter("A rule that waits for a function needs a FallbackAction.")


_FALLBACKS = {
    INBOUND: tuple(one for one in PRECEDENCE[INBOUND] if one != LAMBDA),
    OUTBOUND: (DROP, BOUNCE, DEFAULT),
}


# --- commands ---


def _store(tx: Tx, org: str, direction: str, rule_id: str, rule: FlowRule, limits: Limits) -> None:
    each, most = limits
    counts = (len(rule.senders), len(rule.destinations))
    if max(counts) > each:
        raise LimitExceeded(f"A rule has at most {each} patterns of each kind.")
    others = table.count_patterns(tx, org=org, but=rule_id)
    if max(new + old for new, old in zip(counts, others, strict=True)) > most:
        raise LimitExceeded(f"The rules have at most {most} patterns of each kind together.")
    if table.holder_of_name(tx, org=org, direction=direction, name=rule.name) not in (
        None,
        rule_id,
    ):
        raise NameUnavailable(f"There is another rule with the name {rule.name}.")
    gateway = rule.action.gateway
    if gateway and smtp_gateways.get_gateway(tx, org=org, id=gateway) is None:
        raise gateway_not_found(gateway)
    new = NewFlowRule(
        id=rule_id,
        direction=direction,
        name=rule.name,
        rule=msgspec.json.encode(rule).decode(),
        senders=counts[0],
        destinations=counts[1],
        gateway=gateway,
    )
    table.raise_version(tx, org=org)
    if not table.update_rule(tx, org=org, new=new):
        table.insert_rule(tx, org=org, new=new)


@command
def create_rule(
    tx: Tx, *, grant: Grant, direction: str, rule_id: str, rule: FlowRule, limits: Limits
) -> None:
    """Insert a rule that `check_rule` has passed.

    Raises LimitExceeded, NameUnavailable, ResourceNotFound for its gateway.
    """
    begin(tx, grant)
    _store(tx, grant.organization, direction, rule_id, rule, limits)


@command
def update_rule(
    tx: Tx, *, grant: Grant, direction: str, rule_id: str, rule: FlowRule, limits: Limits
) -> None:
    """Replace a rule as a whole. Raises ResourceNotFound, and as `create_rule`."""
    begin(tx, grant)
    if table.get_rule(tx, org=grant.organization, direction=direction, id=rule_id) is None:
        raise _unknown(direction, rule_id)
    _store(tx, grant.organization, direction, rule_id, rule, limits)


@command
def delete_rule(tx: Tx, *, grant: Grant, direction: str, rule_id: str) -> None:
    """Delete a rule; one that is not there is no error."""
    begin(tx, grant)
    if table.delete_rule(tx, org=grant.organization, direction=direction, id=rule_id):
        table.raise_version(tx, org=grant.organization)


# --- queries ---


@quick
def read_rule(tx: Reader, *, grant: Grant, direction: str, rule_id: str) -> KnownRule:
    """One rule. Raises ResourceNotFound."""
    require_active(tx, grant)
    row = table.get_rule(tx, org=grant.organization, direction=direction, id=rule_id)
    if row is None:
        raise _unknown(direction, rule_id)
    return _known_rule(row)


def read_rules(
    tx: Reader, *, grant: Grant, direction: str, after: str, limit: int
) -> list[KnownRule]:
    """A page of the rules of a direction, by name."""
    require_active(tx, grant)
    rows = table.list_rules(
        tx, org=grant.organization, direction=direction, after=after, limit=limit
    )
    return [_known_rule(row) for row in rows]


def read_all(tx: Reader, *, org: str, direction: str) -> list[tuple[str, FlowRule]]:
    """All rules of a direction with their ids."""
    rows = table.list_rules(tx, org=org, direction=direction, after="", limit=MANY)
    return [(row.id, _read_rule(row.rule)) for row in rows]


# --- what the API calls ---


async def create(core: Core, grant: Grant, direction: str, rule: FlowRule) -> str:
    """Create a rule; returns its id.

    Raises InvalidParameter, LimitExceeded, NameUnavailable, ResourceNotFound,
    OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.read(check_active, grant=grant)
    rule = check_rule(direction, rule)
    rule_id = core.env.new_uuid()
    await core.store.write(
        create_rule,
        grant=grant,
        direction=direction,
        rule_id=rule_id,
        rule=rule,
        limits=_limits(core),
    )
    return rule_id


async def update(core: Core, grant: Grant, direction: str, rule_id: str, rule: FlowRule) -> None:
    """Replace a rule as a whole; errors as `create`."""
    await core.store.read(check_active, grant=grant)
    rule = check_rule(direction, rule)
    await core.store.write(
        update_rule,
        grant=grant,
        direction=direction,
        rule_id=rule_id,
        rule=rule,
        limits=_limits(core),
    )


def _limits(core: Core) -> Limits:
    limits = core.settings.limits
    return limits.flow_patterns_per_rule, limits.flow_patterns


async def delete(core: Core, grant: Grant, direction: str, rule_id: str) -> None:
    """Delete a rule, if it is there. Raises OrganizationNotFound, OrganizationStateInvalid."""
    await core.store.write(delete_rule, grant=grant, direction=direction, rule_id=rule_id)


async def describe(core: Core, grant: Grant, direction: str, rule_id: str) -> KnownRule:
    """One rule. Raises ResourceNotFound, OrganizationNotFound, OrganizationStateInvalid."""
    return await core.store.read(read_rule, grant=grant, direction=direction, rule_id=rule_id)


async def list_rules(
    core: Core, grant: Grant, direction: str, *, after: str, limit: int
) -> tuple[list[KnownRule], str]:
    """A page of rules by name and the name to continue after, "" at the end."""
    rows = await core.store.read(
        read_rules, grant=grant, direction=direction, after=after, limit=limit + 1
    )
    return rows[:limit], rows[limit - 1].rule.name if len(rows) > limit else ""


async def find_match(
    core: Core, grant: Grant, direction: str, sender: str, recipient: str
) -> Match | None:
    """The rule that would count for mail of a sender to a recipient.

    Raises InvalidParameter for what is no address, OrganizationNotFound, OrganizationStateInvalid.
    """
    await core.store.read(check_active, grant=grant)
    for address in (sender, recipient):
        try:
            addresses.parse_mailbox(address, smtputf8=True)
        except addresses.AddressError as error:
            raise InvalidParameter(f"{address} is no address: {error}.") from None
    [policy] = await policies(core, [grant.organization])
    found = await table_of(core, grant.organization, direction, policy)
    return Question(direction, found, [sender], [sender]).find(recipient)


# --- what mail flow asks ---


async def policies(core: Core, organizations: Sequence[str]) -> list[FlowPolicyRow]:
    """The versions of rules, and the journaling, of some organizations in their order."""
    return await core.store.read(table.policies_of, orgs=list(organizations))


async def table_of(
    core: Core, organization: str, direction: str, policy: FlowPolicyRow
) -> FlowTable:
    """The rules of a direction; remembered under the policy's version."""
    asked = (organization, direction, policy.version)
    known = _known.get(asked)
    if known is not None:
        _known.move_to_end(asked)
        return known
    rules = []
    if policy.version:
        rules = await core.store.read(read_all, org=organization, direction=direction)
    found = FlowTable(direction, rules)
    _known[asked] = found
    if len(_known) > KNOWN:
        _known.popitem(last=False)
    return found
