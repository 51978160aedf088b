"""Fixtures of the operations' tests."""

from tests.support.directories import bare_core
from tests.support.mailboxes import ada, house, mail_core

__all__ = ["ada", "bare_core", "house", "mail_core"]
