"""What is set for those whom a message concerns, asked in one statement: mostly nothing.

Flow rules, journaling, spam models, personal scripts and out-of-office settings lie in five tables.
Whoever carries one of them out reads it where this says that there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from workpost.store.database.unit import Reader, quick
from workpost.store.tables.flow_rules import FlowPolicyRow

MOST = 100
"""Mailboxes that are asked about at once; of more nothing is known."""


class InForce(msgspec.Struct, frozen=True):
    """What is there.

    `policies` are those of the organizations that ever had one, `taught` the organizations with a
    spam model, `plain` the mailboxes that were asked about and have neither a script in use nor an
    out-of-office setting that is on or scheduled.
    """

    policies: dict[str, FlowPolicyRow] = {}
    taught: frozenset[str] = frozenset()
    plain: frozenset[int] = frozenset()


_OF_ORGANIZATIONS = (
    "SELECT 'flow', org, 0, version, journal, fallback FROM flow_policy WHERE org IN ({orgs})"
    " UNION ALL SELECT 'model', org, 0, 0, '', '' FROM spam_model WHERE org IN ({orgs})"
)
_OF_MAILBOXES = (
    " UNION ALL SELECT 'rules', '', mailbox, 0, '', '' FROM sieve_script"
    " WHERE mailbox IN ({boxes}) AND active = 1"
    " UNION ALL SELECT 'rules', '', mailbox, 0, '', '' FROM out_of_office"
    " WHERE mailbox IN ({boxes}) AND state <> 'DISABLED'"
)
_ANY_OF_MAILBOXES = (
    " UNION ALL SELECT 1 FROM sieve_script WHERE mailbox IN ({boxes}) AND active = 1"
    " UNION ALL SELECT 1 FROM out_of_office WHERE mailbox IN ({boxes}) AND state <> 'DISABLED'"
)


@quick
def get_in_force(tx: Reader, *, orgs: Sequence[str], mailboxes: Sequence[int]) -> InForce:
    """What is set for organizations (at least one) and mailboxes at this moment."""
    asked = mailboxes if len(mailboxes) <= MOST else ()
    sql = _question(len(orgs), len(asked))
    policies: dict[str, FlowPolicyRow] = {}
    taught: set[str] = set()
    ruled: set[int] = set()
    for kind, org, mailbox, *policy in tx.rows(sql, *orgs, *orgs, *asked, *asked):
        if kind == "flow":
            policies[org] = FlowPolicyRow(*policy)
        elif kind == "model":
            taught.add(org)
        else:
            ruled.add(mailbox)
    return InForce(policies, frozenset(taught), frozenset(asked) - ruled)


def is_nothing(tx: Reader, *, org: str, mailboxes: Sequence[int]) -> bool:
    """Whether there is still nothing for an organization and at most `MOST` of its mailboxes."""
    return not tx.rows(_any_question(len(mailboxes)), org, *mailboxes, *mailboxes)


@lru_cache(MOST)
def _question(orgs: int, mailboxes: int) -> str:
    """The statement for so many of each; asked of each message, and mostly of one for one."""
    sql = _OF_ORGANIZATIONS.format(orgs=_marks(orgs))
    return sql + _OF_MAILBOXES.format(boxes=_marks(mailboxes)) if mailboxes else sql


@lru_cache(MOST)
def _any_question(mailboxes: int) -> str:
    sql = "SELECT 1 FROM flow_policy WHERE org = ?"
    return sql + _ANY_OF_MAILBOXES.format(boxes=_marks(mailboxes)) if mailboxes else sql


def _marks(count: int) -> str:
    return ", ".join("?" * count)
