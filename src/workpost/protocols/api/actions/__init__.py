"""The actions of the API, one module per family; a handler is a function named as its action.

Families add themselves to `FAMILIES`; the registry is made of their functions' names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from workpost.protocols.api.call import Call

Handler = Callable[[Call, Mapping[str, Any]], Awaitable[dict[str, Any]]]

FAMILIES: tuple[ModuleType, ...] = ()


def registry(
    names: Iterable[str], families: tuple[ModuleType, ...] = FAMILIES
) -> dict[str, Handler]:
    """Handlers by action: for each name the function of that name, if a family has it.

    Raises ValueError when two families have the same one.
    """
    handlers: dict[str, Handler] = {}
    for name in names:
        for family in families:
            handler = vars(family).get(name)
            if handler is None:
                continue
            if name in handlers:
                raise ValueError(f"two families handle {name}")
            handlers[name] = handler
    return handlers
