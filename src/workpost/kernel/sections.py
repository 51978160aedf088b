"""What tables of settings are made of, and what is said of a key beside its type."""

from __future__ import annotations

import msgspec

PATH = {"path": True}
LIVE = {"live": True}
SECRET = {"secret": True}


class SettingsError(Exception):
    """A setting that cannot be used; the message is one line that names it and what to do."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file; its docstring introduces it in docs/settings.md."""
