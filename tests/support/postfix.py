"""Postfix as Debian packs it, receiving mail over TLS into maildirs; beside us, on a random port.

It needs root to change users, and touches nothing of the system's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.peers import require_peer
from tests.support.postfix_server import PostfixServer
from tests.support.processes import free_port

OWNER = "mail"


def require_postfix() -> None:
    """Skip the test where Postfix cannot run (fail, with CI_REQUIRE_PEERS=1)."""
    require_peer("postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix needs root to change users")


class Postfix(PostfixServer):
    """Takes mail for some addresses; `certificate` is a PEM file that holds the key too."""

    def __init__(self, certificate: Path, addresses: Sequence[str], *settings: str) -> None:
        # Not in pytest's folder: every other run of pytest closes that to Postfix's users again.
        folder = Path(tempfile.mkdtemp(prefix="workpost-postfix-"))
        folder.chmod(0o711)
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", OWNER)
        owner, port = pwd.getpwnam(OWNER), free_port()
        main = SETTINGS.format(
            folder=folder,
            certificate=certificate,
            domains=", ".join(sorted({each.rpartition("@")[2] for each in addresses})),
            boxes=", ".join(f"{{{each} = {each}/}}" for each in addresses),
            uid=owner.pw_uid,
            gid=owner.pw_gid,
        )
        super().__init__(folder, port, "\n".join([main, *settings]), SERVICES.format(port=port))

    def mail(self, address: str) -> list[bytes]:
        """The messages in a maildir, as Postfix stored them: LF, with its own trace fields."""
        return [
            path.read_bytes() for path in sorted((self.folder / "mail" / address).glob("new/*"))
        ]

    def wait(self, address: str, count: int = 1, seconds: float = 60) -> list[bytes]:
        """Wait until so many messages are in a maildir."""
        until = time.monotonic() + seconds
        while len(found := self.mail(address)) < count:
            assert time.monotonic() < until, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.02)
        return found

    def close(self) -> None:
        """Stop the server and all it started, and remove what it wrote."""
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)


SETTINGS = """
myhostname = mx1.example.test
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
smtpd_error_sleep_time = 0
"""

SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
virtual unix - n n - - virtual
smtp unix - - n - - smtp
relay unix - - n - - smtp
"""
