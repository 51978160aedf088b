"""Fixtures of the domain's tests."""

from tests.support.directories import bare_core, demo, other
from tests.support.mailboxes import ada, house, mail_core

__all__ = ["ada", "bare_core", "demo", "house", "mail_core", "other"]
