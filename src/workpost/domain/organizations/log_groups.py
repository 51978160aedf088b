"""From the name of a log group to what the operator's mapping says that it is."""

from __future__ import annotations

from workpost.integrations.logs.base import ReadableGroup
from workpost.integrations.logs.folder import FolderGroup
from workpost.kernel.log_groups import MappedGroup, find_log_group
from workpost.store.core import Core

FOLDER = "logs"
DEFAULT = "/aws/workmail/emailevents/"
"""Log groups of WorkMail's console; the organization's alias follows."""


def find_group(core: Core, account: str, name: str) -> MappedGroup | None:
    """What an account's log group stands for now, None when it does not exist.

    A part of a name that is no name of a folder exists at an endpoint only.
    """
    mapped = find_log_group(core.settings.outside.log_groups, account, name)
    if mapped is not None and mapped.kind == "folder" and not _is_path(name):
        return None
    return mapped


def _is_path(name: str) -> bool:
    return all(part not in {"", ".", ".."} for part in name.removeprefix("/").split("/"))


def open_group(core: Core, account: str, name: str, mapped: MappedGroup) -> ReadableGroup:
    """The log group that `find_group` found; its client is made at first use."""
    if mapped.kind == "folder":
        root = core.settings.outside_dir / FOLDER / account
        return FolderGroup(root.joinpath(*name.removeprefix("/").split("/")), core.env.now)
    from workpost.integrations.logs.aws import CloudWatchGroup

    return CloudWatchGroup(name, core.settings.api.region, mapped.profile, core.env.now)
