"""What a row of the queue waits for: its `route` says it, in Python and in SQL.

    a domain               another server
    local                  mailboxes here
    gateway:ORG:GATEWAY    a server that a rule of the organization names
    rule:ORG:FUNCTION      the function of a rule

No domain has a colon in its name.
"""

from __future__ import annotations

LOCAL = "local"
_GATEWAY = "gateway:"
_RULE = "rule:"

ELSEWHERE = f"route <> '{LOCAL}'"
"""Rows for other servers, or for functions."""
FUNCTION = f"substr(route, 1, {len(_RULE)}) = '{_RULE}'"
OUT = f"substr(route, 1, {len(_RULE)}) <> '{_RULE}'"
"""Rows that wait for functions, and those that do not; all in the words of the indexes."""


def gateway_route(organization: str, gateway: str) -> str:
    """The route of all mail through an SMTP gateway."""
    return f"{_GATEWAY}{organization}:{gateway}"


def gateway_of(route: str) -> tuple[str, str] | None:
    """(organization, gateway) of a route that leads through one."""
    if not route.startswith(_GATEWAY):
        return None
    organization, _, gateway = route.removeprefix(_GATEWAY).partition(":")
    return organization, gateway


def rule_route(organization: str, function: str) -> str:
    """The route of all mail of an organization that a function is to be told of."""
    return f"{_RULE}{organization}:{function}"


def is_for_function(route: str) -> bool:
    """Whether what is on a route waits for a function."""
    return route.startswith(_RULE)
