"""May this caller make this call? The caller's own policies, a session's limits, a role's trust."""

from __future__ import annotations

from typing import NamedTuple

from workpost.domain.access.credentials import ROOT, Credential
from workpost.domain.access.policies import Context, Decision, decide
from workpost.domain.access.trust import Trust, Trusted


class Answer(NamedTuple):
    """A decision, and whether a limit of the session or key made it rather than the identity."""

    decision: Decision
    by_limit: bool = False

    @property
    def allowed(self) -> bool:
        """True for a yes."""
        return self.decision is Decision.ALLOWED


def decide_call(caller: Credential, *, action: str, resource: str, context: Context) -> Answer:
    """The identity's policies must allow the call and so must every limit; any deny wins."""
    answer = Answer(Decision.ALLOWED)
    policies = [(caller.policy, False)] if caller.policy is not None else []
    for policy, by_limit in (*policies, *((limit, True) for limit in caller.limits)):
        decision = decide(policy, action=action, resource=resource, context=context)
        if decision is Decision.DENIED:
            return Answer(decision, by_limit)
        if decision is not Decision.ALLOWED and answer.allowed:
            answer = Answer(decision, by_limit)
    return answer


def may_assume(
    caller: Credential, trust: Trust, *, account: str, role_arn: str, action: str, context: Context
) -> bool:
    """Whether a caller may do `sts:AssumeRole` or `sts:TagSession` on a role of an account.

    A role that names the caller needs no policy of the caller's own account to agree, as long as
    it is the role's account and none denies it; a role that trusts an account leaves it to that
    account's policies. Source: IAM user guide, policy evaluation within and across accounts.
    """
    trusted = trust.decide(account=caller.account, arns=caller.arns, action=action, context=context)
    if trusted in {Trusted.NO, Trusted.DENIED}:
        return False
    own = decide_call(caller, action=action, resource=role_arn, context=context)
    if own.allowed:
        return True
    named = trusted is Trusted.DIRECTLY and caller.account == account and caller.kind != ROOT
    return named and own.decision is Decision.NOT_ALLOWED and not own.by_limit
