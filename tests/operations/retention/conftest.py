"""The clock that tests move."""

from tests.operations.jobs.conftest import env

__all__ = ["env"]
