"""Fixtures of the API's tests."""

from tests.support.directories import bare_core

__all__ = ["bare_core"]
