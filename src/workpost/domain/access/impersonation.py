"""Impersonation roles: one pure function that says whom a role may act for (WorkMail guide).

`GetImpersonationRoleEffect` asks it, and `impersonating` for every request that brings a token.
Any matching DENY denies, else any matching ALLOW allows, else the answer is no: a role without
rules acts for nobody, a rule without conditions means everybody.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from workpost.domain.access.rules import ALLOW, weigh
from workpost.kernel.principal import OWNER, Right

READ_ONLY = "READ_ONLY"
FULL_ACCESS = "FULL_ACCESS"
RIGHTS: dict[str, Right] = {READ_ONLY: Right.READ, FULL_ACCESS: OWNER}
"""What a role of each type may do with the mailbox of whom it acts for."""


class ImpersonationRule(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """One rule of a role; users by their ids."""

    impersonation_rule_id: str
    effect: str
    name: str = ""
    description: str = ""
    target_users: tuple[str, ...] = ()
    not_target_users: tuple[str, ...] = ()


class ImpersonationRole(
    msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True
):
    """A role as it is stored; the members are those of the API."""

    name: str
    type: str
    description: str = ""
    rules: tuple[ImpersonationRule, ...] = ()


class RoleVerdict(msgspec.Struct, frozen=True):
    """ALLOW or DENY, and the rules that made it so; none when no rule matched."""

    effect: str
    matched: tuple[ImpersonationRule, ...]

    @property
    def allowed(self) -> bool:
        """True for ALLOW."""
        return self.effect == ALLOW


_role = msgspec.json.Decoder(ImpersonationRole)


@lru_cache(maxsize=1024)
def read_role(text: str) -> ImpersonationRole:
    """The role of a row's JSON text."""
    return _role.decode(text)


def decide(role: ImpersonationRole, user: str) -> RoleVerdict:
    """Whether a role may act for the user of this id."""
    effect, matched = weigh(
        (rule.effect, rule)
        for rule in role.rules
        if (not rule.target_users or user in rule.target_users)
        and user not in rule.not_target_users
    )
    return RoleVerdict(effect, matched)
