"""Where `workpost quickstart` puts things, with which rights, and as whom."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import msgspec

import workpost
from workpost.kernel.settings import Settings
from workpost.node.certificates import certificates

SERVICE = "workpost"
LOW_PORT = 25


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute paths; `user` is who serves, "" for whoever runs this."""

    data: Path
    keys: Path
    config: Path
    user: str = ""

    @staticmethod
    def of(data: str | None, keys: str | None, config: str | None, user: str | None) -> Places:
        """The places of the arguments and the defaults. Raises LookupError for an unknown user."""
        is_root = os.geteuid() == 0
        at = Path(data or ("/var/lib/workpost" if is_root else "data")).absolute()
        file = Path(config or ("/etc/workpost/workpost.toml" if is_root else "workpost.toml"))
        return Places(
            data=at,
            keys=Path(keys).absolute() if keys else at.with_name(f"{at.name}-keys"),
            config=file.absolute(),
            user=_user(user) if is_root else "",
        )

    def write_config(self, text: str) -> None:
        """Write the configuration: root's where there is a user, who may only read it."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o640 if self.user else 0o600
        descriptor, name = tempfile.mkstemp(dir=self.config.parent, prefix=self.config.name)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, mode)
            if self.user:
                os.fchown(descriptor, 0, pwd.getpwnam(self.user).pw_gid)
        Path(name).replace(self.config)


def _user(name: str | None) -> str:
    try:
        found = pwd.getpwnam(name or SERVICE)
    except KeyError:
        if name:
            raise LookupError(f"there is no user {name}") from None
        return ""
    return found.pw_name if found.pw_uid else ""


def make_places(places: Places) -> None:
    """Make the directories, readable by nobody but who serves. Raises OSError."""
    for folder in (places.data, places.keys):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        if places.user:
            entry = pwd.getpwnam(places.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)


def become(places: Places) -> None:
    """Go on as who serves, for good. Raises OSError, also where they cannot run Workpost."""
    if not places.user:
        return
    entry = pwd.getpwnam(places.user)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.umask(0o077)
    for needed in (sys.executable, os.__file__, workpost.__file__):
        if not os.access(needed, os.R_OK):
            raise PermissionError(
                f"{places.user} cannot read {needed}: install Workpost where everybody can, in /opt"
            )


def open_private(path: str) -> IO[str]:
    """A new file of mode 0600. Raises OSError, also where there is one."""
    # Not `os.fdopen`: that file's name would be its descriptor, which quickstart would tell.
    return open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def certificates_fit(settings: Settings, places: Places) -> None:
    """Refuse configured certificate files that cannot be used, or not by who serves.

    Raises SettingsError, OSError.
    """
    if not settings.tls.certificate:
        return
    certificates(settings, Path())
    for path in (settings.tls.certificate, settings.tls.key):
        if places.user and path and not _readable_by(places.user, path):
            raise PermissionError(
                f"{places.user} cannot read {path}: let its group have the file (mode 0640) and"
                " enter the folders above it"
            )


def _readable_by(user: str, path: str) -> bool:
    """Whether a user can read a file; root asks, and stays root."""
    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    asked = subprocess.run(
        ["/usr/bin/test", "-r", path],
        user=entry.pw_uid,
        group=entry.pw_gid,
        extra_groups=groups,
        check=False,
    )
    return asked.returncode == 0


def can_bind_low_ports() -> bool:
    """Whether ports below 1024 are allowed; one that somebody has is."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", LOW_PORT))
        except OSError as error:
            return error.errno != errno.EACCES
    return True


def has_ipv6() -> bool:
    """Whether the machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
