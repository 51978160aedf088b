"""IAM policies of API callers: read strictly, evaluated exactly. Pure.

An explicit Deny beats an explicit Allow, which beats the implicit deny. A statement matches when
its action, its resource and all of its conditions do. Source: IAM user guide, policy evaluation
and policy grammar; actions and condition keys of WorkMail in the service authorization reference.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from workpost.domain.access.conditions import Condition, parse_conditions
from workpost.domain.access.globs import Context, Piece, arn_like, glob, parse_pattern, resolve

MAX_POLICY = 65_536
"""Characters of a policy document."""

_VERSIONS = ("2008-10-17", "2012-10-17")
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

__all__ = [
    "NOTHING",
    "Context",
    "Decision",
    "Policy",
    "PolicyMalformed",
    "Statement",
    "decide",
    "merge",
    "parse_policy",
    "parse_statement",
    "read_document",
]


class PolicyMalformed(ValueError):
    """The document is not a policy; the message says where. It must not be stored."""


class Decision(enum.Enum):
    """The answer to one question."""

    ALLOWED = "allowed"
    DENIED = "denied by a statement"
    NOT_ALLOWED = "allowed by no statement"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement; patterns are parsed, actions in lower case."""

    allow: bool
    actions: tuple[tuple[Piece, ...], ...]
    except_actions: bool
    resources: tuple[tuple[Piece, ...], ...]
    except_resources: bool
    conditions: tuple[Condition, ...]

    def matches(self, action: str, resource: str, context: Context) -> bool:
        """True when this statement speaks of the call; `action` in lower case."""
        named = any(glob(pattern, action) for pattern in self.actions)
        if named is self.except_actions:
            return False
        meant = any(_covers(pattern, resource, context) for pattern in self.resources)
        if meant is self.except_resources:
            return False
        return all(condition.holds(context, allow=self.allow) for condition in self.conditions)


class Policy(msgspec.Struct, frozen=True):
    """A parsed document, or several as one."""

    statements: tuple[Statement, ...]
    needs_tags: bool = False
    """Whether the answer may depend on the tags of the resource."""


NOTHING = Policy(())
"""Allows nothing: the policy of a user or role that has none."""


def merge(policies: Iterable[Policy]) -> Policy:
    """All statements as one policy: how inline policies of one identity add up."""
    some = tuple(policies)
    return Policy(
        tuple(statement for policy in some for statement in policy.statements),
        any(policy.needs_tags for policy in some),
    )


def _covers(pattern: tuple[Piece, ...], resource: str, context: Context) -> bool:
    wanted = resolve(pattern, context)
    if wanted is None:
        return False
    # Actions without a resource type are asked about "*", which only "*" covers.
    return glob(wanted, resource) if resource == "*" else arn_like(wanted, resource)


def decide(policy: Policy, *, action: str, resource: str, context: Context) -> Decision:
    """Answer whether a call is allowed; `resource` is an ARN or `*`, context keys in lower case."""
    folded = action.lower()
    answer = Decision.NOT_ALLOWED
    for statement in policy.statements:
        if statement.allow and answer is Decision.ALLOWED:
            continue
        if statement.matches(folded, resource, context):
            if not statement.allow:
                return Decision.DENIED
            answer = Decision.ALLOWED
    return answer


def parse_policy(document: str | bytes) -> Policy:
    """Read a policy document; raises PolicyMalformed for anything that IAM would not store."""
    content, variables = read_document(document)
    parsed = []
    for number, statement in enumerate(content, 1):
        try:
            parsed.append(parse_statement(statement, variables=variables))
        except ValueError as error:
            raise PolicyMalformed(f"statement {number}: {error}") from None
    # Written anew, so that no escape hides the name.
    return Policy(tuple(parsed), b"aws:resourcetag/" in orjson.dumps(content).lower())


def read_document(document: str | bytes) -> tuple[list[Any], bool]:
    """The statements of a document, not looked at yet, and whether its version has variables.

    Raises PolicyMalformed.
    """
    if len(document) > MAX_POLICY:
        raise PolicyMalformed(f"the policy is longer than {MAX_POLICY} characters")
    try:
        content = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise PolicyMalformed(f"the policy is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise PolicyMalformed("the policy must be an object")
    unknown = content.keys() - {"Version", "Id", "Statement"}
    if unknown:
        raise PolicyMalformed(f"unknown element {min(unknown)!r}")
    version = content.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise PolicyMalformed(f"Version must be one of {', '.join(_VERSIONS)}")
    if not isinstance(content.get("Id", ""), str):
        raise PolicyMalformed("Id must be a text")
    statements = content.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyMalformed("Statement must be an object or a list of at least one")
    return statements, version == _VERSIONS[1]


def parse_statement(statement: Any, *, variables: bool) -> Statement:
    """Read one statement; raises ValueError."""
    if not isinstance(statement, dict):
        raise ValueError("must be an object")
    unknown = statement.keys() - _ELEMENTS
    if unknown:
        raise ValueError(f"unknown element {min(unknown)!r}")
    if not isinstance(statement.get("Sid", ""), str):
        raise ValueError("Sid must be a text")
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError("Effect must be Allow or Deny")
    actions, except_actions = _one_of(statement, "Action", "NotAction")
    resources, except_resources = _one_of(statement, "Resource", "NotResource")
    for action in actions:
        if _ACTION.fullmatch(action) is None:
            raise ValueError(f"malformed action {action!r}")
    for resource in resources:
        if resource != "*" and not resource.startswith("arn:"):
            raise ValueError(f"resource {resource!r} is neither an ARN nor '*'")
    return Statement(
        allow=effect == "Allow",
        actions=tuple(
            parse_pattern(action.lower(), wildcards=True, variables=False) for action in actions
        ),
        except_actions=except_actions,
        resources=tuple(
            parse_pattern(resource, wildcards=True, variables=variables) for resource in resources
        ),
        except_resources=except_resources,
        conditions=parse_conditions(statement.get("Condition", {}), variables=variables),
    )


def _one_of(statement: dict[str, Any], name: str, negated: str) -> tuple[list[str], bool]:
    if (name in statement) is (negated in statement):
        raise ValueError(f"exactly one of {name} and {negated} is needed")
    chosen = name if name in statement else negated
    values = statement[chosen]
    if isinstance(values, str):
        values = [values]
    if not isinstance(values, list) or not values:
        raise ValueError(f"{chosen} must be a text or a list of at least one")
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{chosen} must hold texts only")
    return values, chosen == negated
