"""What Workpost asks of a function."""

from __future__ import annotations

import enum
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
    """A function gave no answer."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One synchronous call: a JSON document, and on whose behalf."""

    event: bytes
    source_arn: str
    """The organization's ARN."""
    source_account: str
    seconds: float


class Function(Protocol):
    """A function that can be invoked."""

    async def invoke(self, invocation: Invocation) -> bytes:
        """Invoke it and wait for its answer, a JSON document. Raises FunctionFailed."""
        ...
