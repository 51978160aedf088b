"""`workpost rule`: an organization's rules on mail in and out, which its administrators manage with
the API (`workpost model install`) as well.

A rule has one action. It counts for mail whose sender matches one of its sender patterns and whose
recipient matches one of its destination patterns: an address, a domain, `*.domain` (with the domain
itself) or `*`. The rule with the nearest patterns counts.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from workpost.cli.common import add_verb, every_page, print_json, run_on_data, shown_time
from workpost.cli.ordering import ordered
from workpost.domain.organizations import flow_rule_shell as rules
from workpost.domain.organizations.flow_rule_shell import KnownRule
from workpost.domain.organizations.flow_rules import (
    DEFAULT,
    EVERYTHING,
    INBOUND,
    LAMBDA,
    OUTBOUND,
    PRECEDENCE,
    FlowAction,
    FlowRule,
    Match,
)
from workpost.integrations.lambda_.base import FunctionFailed
from workpost.integrations.lambda_.mapping import find_mapping
from workpost.kernel.errors import ResourceNotFound
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.tables import organizations

JOB = "operator"
PAGE = 100
DIRECTIONS = {"inbound": INBOUND, "outbound": OUTBOUND}
ACTIONS = tuple(dict.fromkeys((*PRECEDENCE[INBOUND], *PRECEDENCE[OUTBOUND])))


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("rule", help="rules on mail in and out", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _verb(verbs, "list", "list the rules of a direction by name").set_defaults(run=list_all)
    _add_put(_verb(verbs, "put", "make a rule, or replace the one with this name"))
    named = _verb(verbs, "delete", "delete a rule")
    named.add_argument("name", metavar="NAME")
    named.set_defaults(run=delete)
    tested = _verb(verbs, "test", "tell which rule counts for a sender and a recipient")
    tested.add_argument("sender", metavar="SENDER")
    tested.add_argument("recipient", metavar="RECIPIENT")
    tested.set_defaults(run=test)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser = add_verb(verbs, name, text)
    parser.add_argument("direction", choices=DIRECTIONS, help="mail to the organization, or of it")
    return parser


def _add_put(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("action", metavar="ACTION", choices=ACTIONS, help=", ".join(ACTIONS))
    parser.add_argument("--from", action="append", dest="senders", metavar="PATTERN", default=[])
    parser.add_argument("--to", action="append", dest="destinations", metavar="PATTERN", default=[])
    parser.add_argument("--description", default="")
    parser.add_argument("--gateway", default="", metavar="ID", help="as `workpost gateway list`")
    parser.add_argument("--function", default="", metavar="ARN", help=f"with {LAMBDA}")
    parser.add_argument("--asynchronous", action="store_true", help="nobody waits for the function")
    parser.add_argument("--fallback", default="", metavar="ACTION", help="without an answer of it")
    parser.add_argument("--timeout", type=int, default=0, metavar="MINUTES", help="to try it for")
    parser.set_defaults(run=put)


def list_all(args: argparse.Namespace) -> int:
    """Print rules as JSON; returns the exit code."""

    async def work(core: Core) -> list[dict[str, Any]]:
        return [_shown(each) for each in await _all(core, args)]

    print_json(run_on_data(args, work))
    return 0


def put(args: argparse.Namespace) -> int:
    """Make or replace a rule and print it as JSON; returns the exit code."""
    rule = FlowRule(
        name=args.name,
        action=FlowAction(
            type=args.action,
            gateway=args.gateway,
            function=args.function,
            asynchronous=args.asynchronous,
            fallback=args.fallback,
            timeout=args.timeout,
        ),
        senders=tuple(args.senders or [EVERYTHING]),
        destinations=tuple(args.destinations or [EVERYTHING]),
        description=args.description,
    )

    async def work(core: Core) -> dict[str, Any]:
        grant, direction = _grant(args), DIRECTIONS[args.direction]
        rules.check_rule(direction, rule)
        before = await _find(core, args)
        details = {"direction": direction, "name": rule.name, "action": rule.action.type}
        await ordered(core, **details)
        if before is None:
            rule_id = await rules.create(core, grant, direction, rule)
        else:
            rule_id = before.id
            await rules.update(core, grant, direction, rule_id, rule)
        await _look_for_function(core, args)
        return _shown(await rules.describe(core, grant, direction, rule_id))

    print_json(run_on_data(args, work))
    return 0


async def _look_for_function(core: Core, args: argparse.Namespace) -> None:
    """Warn where the settings map no function at the ARN: mail would wait for it, then fall back.

    No error: rules may be made before their functions, as with the API.
    """
    known = await core.store.read(organizations.get_state, organization=args.organization)
    if not args.function or known is None:
        return
    try:
        find_mapping(core.settings, known[0], args.function)
    except FunctionFailed:
        text = f"no [[lambda.functions]] of these settings maps {args.function} for {known[0]}"
        print(f"workpost: warning: {text}", file=sys.stderr)


def delete(args: argparse.Namespace) -> int:
    """Delete a rule and print it as JSON; returns the exit code."""

    async def work(core: Core) -> dict[str, Any]:
        grant, direction = _grant(args), DIRECTIONS[args.direction]
        found = await _find(core, args)
        if found is None:
            raise ResourceNotFound(f"There is no {args.direction} rule with the name {args.name}.")
        details = {"direction": direction, "name": found.rule.name}
        await ordered(core, **details)
        await rules.delete(core, grant, direction, found.id)
        return _shown(found)

    print_json(run_on_data(args, work))
    return 0


def test(args: argparse.Namespace) -> int:
    """Print which rule counts as JSON; returns the exit code."""

    async def work(core: Core) -> Match | None:
        direction = DIRECTIONS[args.direction]
        return await rules.find_match(core, _grant(args), direction, args.sender, args.recipient)

    match = run_on_data(args, work)
    told: dict[str, Any] = {"Action": DEFAULT, "Rule": None}
    if match is not None:
        told = {
            "Action": match.rule.action.type,
            "Rule": match.rule.name,
            "SenderPattern": match.sender,
            "DestinationPattern": match.destination,
        }
    print_json(told)
    return 0


def _grant(args: argparse.Namespace) -> Grant:
    return Grant.system(JOB, args.organization)


async def _all(core: Core, args: argparse.Namespace) -> list[KnownRule]:
    grant, direction = _grant(args), DIRECTIONS[args.direction]
    return await every_page(
        lambda after: rules.list_rules(core, grant, direction, after=after, limit=PAGE)
    )


async def _find(core: Core, args: argparse.Namespace) -> KnownRule | None:
    return next((one for one in await _all(core, args) if one.rule.name == args.name), None)


def _shown(known: KnownRule) -> dict[str, Any]:
    rule, action = known.rule, known.rule.action
    shown: dict[str, Any] = {
        "Id": known.id,
        "Name": rule.name,
        "Action": action.type,
        "From": list(rule.senders),
        "To": list(rule.destinations),
        "Description": rule.description,
        "Modified": shown_time(known.modified),
    }
    if action.gateway:
        shown["Gateway"] = action.gateway
    if action.function:
        shown |= {"Function": action.function, "Asynchronous": action.asynchronous}
        if not action.asynchronous:
            shown |= {"Fallback": action.fallback, "TimeoutMinutes": action.timeout}
    return shown
