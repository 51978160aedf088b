"""What serves a command, and how it ends well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from workpost.protocols.imap.session import Session

State = Literal["any", "fresh", "authenticated", "selected"]


class Done(NamedTuple):
    """The OK of a command; `code` is a response code without brackets."""

    text: str
    code: str = ""


class Handler(NamedTuple):
    """A command's function and the rules around it.

    `state` is where the command is allowed; fresh means not logged in, selected includes
    authenticated. `refresh` says that the store is asked for news even when nothing was heard.
    """

    serve: Callable[[Session, Any], Awaitable[Done]]
    state: State = "authenticated"
    refresh: bool = False
