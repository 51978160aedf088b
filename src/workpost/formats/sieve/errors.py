"""What can be wrong with a script."""

from __future__ import annotations


class SieveError(ValueError):
    """A script that cannot be used; `line` counts from 1, 0 where none is to blame."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


class SieveRunError(Exception):
    """A script that went wrong while it ran (RFC 5228 2.10.6): the message is kept."""
