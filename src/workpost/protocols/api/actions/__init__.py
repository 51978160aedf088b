"""The actions of the API, one module per family; a handler is a function named as its action.

Families add themselves to `FAMILIES`; the registry is made of their functions' names, and `bind`
gives each handler what it works on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from workpost.protocols.api.actions import (
    access_rules,
    addresses,
    availability,
    device_overrides,
    device_rules,
    devices,
    domains,
    exports,
    flow_rules,
    groups,
    identity,
    impersonation,
    inbound_dmarc,
    journaling,
    mailboxes,
    message_flow,
    monitoring,
    organizations,
    permissions,
    registration,
    resources,
    retention,
    search,
    smtp_gateways,
    sts,
    tags,
    tokens,
    users,
)
from workpost.protocols.api.actions.context import Api
from workpost.protocols.api.call import Call

Action = Callable[[Api, Call, Mapping[str, Any]], Awaitable[dict[str, Any]]]
Handler = Callable[[Call, Mapping[str, Any]], Awaitable[dict[str, Any]]]

FAMILIES: tuple[ModuleType, ...] = (
    access_rules,
    addresses,
    availability,
    device_overrides,
    device_rules,
    devices,
    domains,
    exports,
    flow_rules,
    groups,
    identity,
    impersonation,
    inbound_dmarc,
    journaling,
    mailboxes,
    message_flow,
    monitoring,
    organizations,
    permissions,
    registration,
    resources,
    retention,
    search,
    smtp_gateways,
    sts,
    tags,
    tokens,
    users,
)


def registry(
    names: Iterable[str], families: tuple[ModuleType, ...] = FAMILIES
) -> dict[str, Action]:
    """Handlers by action: for each name the function of that name, if a family has it.

    Raises ValueError when two families have the same one.
    """
    actions: dict[str, Action] = {}
    for name in names:
        for family in families:
            action = vars(family).get(name)
            if action is None:
                continue
            if name in actions:
                raise ValueError(f"two families handle {name}")
            actions[name] = action
    return actions


def bind(api: Api, actions: Mapping[str, Action]) -> dict[str, Handler]:
    """The handlers as the dispatcher calls them."""
    return {name: partial(action, api) for name, action in actions.items()}
