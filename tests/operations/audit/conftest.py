"""Fixtures of the audit log's tests."""

from tests.support.directories import bare_core

__all__ = ["bare_core"]
