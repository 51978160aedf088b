"""The clock that tests move, and a mailbox with something to recover."""

from tests.operations.jobs.conftest import env

__all__ = ["env"]
