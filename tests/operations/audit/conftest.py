"""Fixtures of the audit log's tests."""

from tests.operations.monitoring.conftest import env, monitored
from tests.support.directories import bare_core

__all__ = ["bare_core", "env", "monitored"]
