"""Fixtures of the domain's tests."""

from tests.support.directories import bare_core, demo, other

__all__ = ["bare_core", "demo", "other"]
