"""A Postfix of one's own, as Debian packs it: its settings, services and log in one folder.

It needs root, and a folder that all may enter: its daemons change to another user. Nothing of the
system's is touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.processes import Peer, PeerFailed, accepts, dying_with_us

SBIN = "/usr/sbin:/sbin:/usr/lib/postfix/sbin"

MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_peername_lookup = no
"""
"""What every one of them has; `settings` come after it."""

MASTER = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
"""The services behind every one of them; those that listen and deliver are given."""


def find_in_sbin(program: str) -> str:
    """Where a program is; fails where it is not."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SBIN}")
    assert found is not None, program
    return found


class PostfixServer:
    """Runs until `close`. `settings` are lines of main.cf, `services` of master.cf."""

    def __init__(self, folder: Path, port: int, settings: str, services: str) -> None:
        self.folder = folder
        self.port = port
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        conf = folder / "conf"
        (conf / "main.cf").write_text(f"{MAIN.format(folder=folder)}{settings.strip()}\n")
        (conf / "master.cf").write_text(f"{services.strip()}\n{MASTER}")
        path = f"{os.environ.get('PATH', '')}:{SBIN}"
        checked = subprocess.run(
            [find_in_sbin("postfix"), "-c", str(conf), "check"],
            capture_output=True, text=True, check=False, env={"PATH": path},
        )  # fmt: skip
        if checked.returncode:
            raise PeerFailed(checked.stderr or checked.stdout)
        command = [find_in_sbin("master"), "-c", str(conf), "-d"]
        self._peer = Peer("postfix", dying_with_us(command), folder / "output")
        self._peer.wait_until(lambda: accepts(self.port))

    @property
    def pid(self) -> int:
        """Of the master."""
        return self._peer.pid

    @property
    def log(self) -> str:
        """What it has done so far."""
        return (self.folder / "log").read_text()

    def configure(self, setting: str) -> None:
        """Add a line to main.cf and take it up."""
        with (self.folder / "conf" / "main.cf").open("a") as file:
            file.write(f"{setting}\n")
        os.kill(self.pid, signal.SIGHUP)

    def close(self) -> None:
        """Stop it and all it started; its folder stays for the caller to remove."""
        self._peer.stop(signal.SIGTERM)
