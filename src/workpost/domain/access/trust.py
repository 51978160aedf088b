"""Trust policies of roles: who may assume them. Pure.

A policy whose statements name principals instead of resources. Source: IAM user guide, role trust
policies and the Principal element.
"""

from __future__ import annotations

import enum
import re
from typing import Any

import msgspec

from workpost.domain.access.policies import (
    Context,
    PolicyMalformed,
    Statement,
    parse_statement,
    read_document,
)

ANYBODY = "*"
_ACCOUNT = re.compile(r"[0-9]{12}")
_PRINCIPAL = re.compile(
    r"arn:aws:(iam::[0-9]{12}:(root|(user|role)/[\w+=,.@-]{1,64})"
    r"|sts::[0-9]{12}:assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{2,64})",
    re.ASCII,
)
_ROOT = re.compile(r"arn:aws:iam::([0-9]{12}):root")


class Trusted(enum.Enum):
    """The answer of a trust policy."""

    NO = "by no statement"
    DENIED = "refused by a statement"
    ACCOUNT = "the caller's account is trusted: its own policies decide"
    DIRECTLY = "the caller is named"


class TrustStatement(msgspec.Struct, frozen=True):
    """One statement: whom it speaks of, and about which actions under which conditions."""

    principals: tuple[str, ...]
    """`*`, accounts, and ARNs."""
    rule: Statement


class Trust(msgspec.Struct, frozen=True):
    """A parsed trust policy."""

    statements: tuple[TrustStatement, ...]

    def decide(
        self, *, account: str, arns: tuple[str, ...], action: str, context: Context
    ) -> Trusted:
        """Whether a caller of an account may do `sts:AssumeRole` or `sts:TagSession`.

        `arns` are all names of the caller: the session's and its role's, or the user's.
        """
        answer = Trusted.NO
        for statement in self.statements:
            how = _meant(statement.principals, account, arns)
            if how is Trusted.NO or not statement.rule.matches(action.lower(), "*", context):
                continue
            if not statement.rule.allow:
                return Trusted.DENIED
            if answer is not Trusted.DIRECTLY:
                answer = how
        return answer


def _meant(principals: tuple[str, ...], account: str, arns: tuple[str, ...]) -> Trusted:
    if any(principal in arns for principal in principals):
        return Trusted.DIRECTLY
    if ANYBODY in principals or account in principals:
        return Trusted.ACCOUNT
    return Trusted.NO


def parse_trust(document: str | bytes) -> Trust:
    """Read a trust policy; raises PolicyMalformed."""
    content, variables = read_document(document)
    statements = []
    for number, statement in enumerate(content, 1):
        try:
            statements.append(_parse(statement, variables))
        except ValueError as error:
            raise PolicyMalformed(f"statement {number}: {error}") from None
    return Trust(tuple(statements))


def _parse(statement: Any, variables: bool) -> TrustStatement:
    if not isinstance(statement, dict) or "Principal" not in statement:
        raise ValueError("Principal is needed to say who is trusted")
    if "Resource" in statement or "NotResource" in statement:
        raise ValueError("a trust policy names no resource: it is the role itself")
    actions = statement.get("Action", ())
    for action in actions if isinstance(actions, list) else [actions] if actions else []:
        if not isinstance(action, str) or not (action == "*" or action.lower().startswith("sts:")):
            raise ValueError("the actions of a trust policy are those of sts")
    rest = {name: value for name, value in statement.items() if name != "Principal"}
    rule = parse_statement({**rest, "Resource": "*"}, variables=variables)
    return TrustStatement(_principals(statement["Principal"]), rule)


def _principals(principal: Any) -> tuple[str, ...]:
    if principal == ANYBODY:
        return (ANYBODY,)
    if not isinstance(principal, dict) or principal.keys() != {"AWS"}:
        raise ValueError('Principal must be "*" or an object of AWS')
    named = principal["AWS"]
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not named:
        raise ValueError("Principal AWS must be a text or a list of at least one")
    return tuple(_principal(one) for one in named)


def _principal(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("Principal AWS must hold texts only")
    if text == ANYBODY or _ACCOUNT.fullmatch(text):
        return text
    if _PRINCIPAL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no account, user, role or session")
    root = _ROOT.fullmatch(text)
    return root[1] if root is not None else text
