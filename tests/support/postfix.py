"""Postfix as Debian packs it, receiving mail over TLS into maildirs; beside us, on a random port.

It needs root to change users, and touches nothing of the system's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.peers import find, require_peer
from tests.support.processes import Peer, PeerFailed, accepts, dying_with_us, free_port

OWNER = "mail"
SBIN = ":/usr/sbin:/sbin:/usr/lib/postfix/sbin"


def require_postfix() -> None:
    """Skip the test where Postfix cannot run (fail, with CI_REQUIRE_PEERS=1)."""
    require_peer("postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix needs root to change users")


class Postfix:
    """Takes mail for some addresses; `certificate` is a PEM file that holds the key too."""

    def __init__(self, certificate: Path, addresses: Sequence[str], *settings: str) -> None:
        # Not in pytest's folder: every other run of pytest closes that to Postfix's users again.
        folder = Path(tempfile.mkdtemp(prefix="workpost-postfix-"))
        folder.chmod(0o711)
        self.folder = folder
        self.port = free_port()
        for name in ("conf", "queue", "data", "mail"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        shutil.chown(folder / "mail", OWNER)
        owner = pwd.getpwnam(OWNER)
        main = MAIN.format(
            folder=folder,
            certificate=certificate,
            domains=", ".join(sorted({each.rpartition("@")[2] for each in addresses})),
            boxes=", ".join(f"{{{each} = {each}/}}" for each in addresses),
            uid=owner.pw_uid,
            gid=owner.pw_gid,
        )
        conf = folder / "conf"
        (conf / "main.cf").write_text("\n".join([main, *settings, ""]))
        (conf / "master.cf").write_text(MASTER.format(port=self.port))
        path = os.environ.get("PATH", "") + SBIN
        postfix = find("postfix")
        checked = subprocess.run(
            [str(postfix), "-c", str(conf), "check"],
            capture_output=True, text=True, check=False, env={"PATH": path},
        )  # fmt: skip
        if checked.returncode:
            raise PeerFailed(checked.stderr or checked.stdout)
        master = shutil.which("master", path=path)
        command = [str(master), "-c", str(conf), "-d"]
        self._peer = Peer("postfix", dying_with_us(command), folder / "output")
        self._peer.wait_until(lambda: accepts(self.port))

    def mail(self, address: str) -> list[bytes]:
        """The messages in a maildir, as Postfix stored them: LF, with its own trace fields."""
        return [
            path.read_bytes() for path in sorted((self.folder / "mail" / address).glob("new/*"))
        ]

    def wait(self, address: str, count: int = 1, seconds: float = 15) -> list[bytes]:
        """Wait until so many messages are in a maildir."""
        until = time.monotonic() + seconds
        while len(found := self.mail(address)) < count:
            assert time.monotonic() < until, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.02)
        return found

    def configure(self, setting: str) -> None:
        """Add a line to main.cf and take it up."""
        with (self.folder / "conf" / "main.cf").open("a") as file:
            file.write(f"{setting}\n")
        os.kill(self._peer.pid, signal.SIGHUP)

    def log(self) -> str:
        """What Postfix wrote down."""
        return (self.folder / "log").read_text()

    def close(self) -> None:
        """Stop the server and all it started, and remove what it wrote."""
        self._peer.stop(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)


MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx1.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtputf8_enable = yes
smtpd_tls_chain_files = {certificate}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
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
virtual unix - n n - - virtual
smtp unix - - n - - smtp
relay unix - - n - - smtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
