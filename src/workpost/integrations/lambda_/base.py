"""What Workpost asks of a function."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

import msgspec

ANSWER_BYTES = 6 * 1024 * 1024
"""Largest answer of a function that is waited for, as Lambda has it."""


class Trouble(enum.Enum):
    """Why a function gave no answer."""

    MISSING = "missing"
    """It is not mapped for the account, or its endpoint does not know it."""
    REFUSED = "refused"
    """Its endpoint does not let us invoke it."""
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    TIME = "time"
    FAILED = "failed"
    """It ran and failed."""
    TOO_LARGE = "too large"


class FunctionFailed(Exception):
    """A function gave no answer; `detail` says more, for operators."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(f"{trouble.value}: {detail}" if detail else trouble.value)
        self.trouble = trouble
        self.detail = detail


def ignore(output: bytes) -> None:
    """Listens to nothing that a function prints."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One call: a JSON document, and on whose behalf."""

    event: bytes
    source_arn: str
    """The organization's ARN."""
    source_account: str
    seconds: float
    arn: str = ""
    """As it was named, with its version or alias."""
    request_id: str = ""
    """The same when an event is sent again."""
    waited: bool = True
    """False: the answer does not matter; who can take the event for later may do so."""
    heard: Callable[[bytes], None] = ignore
    """Is given what the function prints, where that is known."""


class Function(Protocol):
    """A function that can be invoked."""

    async def invoke(self, invocation: Invocation) -> bytes:
        """Invoke it and wait for its answer, a JSON document. Raises FunctionFailed."""
        ...
