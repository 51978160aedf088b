"""Postfix in front of Workpost: it takes mail for a domain and hands it on over LMTP."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.peers import require_peer
from tests.support.processes import Peer, accepts, dying_with_us, free_port

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = front.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
relay_domains = {domain}
relay_transport = lmtp:inet:{lmtp}
default_transport = error:nobody writes to the outside from here
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
lmtp_tls_security_level = {tls}
smtputf8_autodetect_classes = all
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
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixInFront:
    """A relay for one domain; `lmtp` is `host:port`.

    Needs root, and a folder that all may enter: its daemons change to another user.
    """

    def __init__(self, folder: Path, *, domain: str, lmtp: str, tls: str = "none") -> None:
        require_peer("postfix")
        self.folder = folder
        self.port = free_port()
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        conf = folder / "conf"
        (conf / "main.cf").write_text(MAIN.format(folder=folder, domain=domain, lmtp=lmtp, tls=tls))
        (conf / "master.cf").write_text(MASTER.format(port=self.port))
        environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin"}
        postfix = shutil.which("postfix", path=environment["PATH"])
        postconf = shutil.which("postconf", path=environment["PATH"])
        assert postfix is not None
        assert postconf is not None
        subprocess.run([postfix, "-c", str(conf), "check"], check=True, capture_output=True)
        daemons = subprocess.run(
            [postconf, "-h", "daemon_directory"], check=True, capture_output=True, text=True
        ).stdout.strip()
        command = [f"{daemons}/master", "-c", str(conf), "-d"]
        self._peer = Peer("postfix", dying_with_us(command), folder / "output")
        self._peer.wait_until(lambda: accepts(self.port))

    @property
    def log(self) -> str:
        """What it has done so far."""
        return (self.folder / "log").read_text()

    def close(self) -> None:
        """Stop it and all it started; its folder stays for the caller to remove."""
        self._peer.stop(signal.SIGTERM)
