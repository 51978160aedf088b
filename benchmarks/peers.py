"""Postfix and Dovecot for the benchmarks: as Debian packs them, beside us, on random ports.

Both need root to change users; each has its own configuration, data and log in a folder of the run
and touches nothing of the system's.

**Dovecot** serves one user from a password file over sdbox or Maildir, with its login processes in
the high-performance mode that its manual describes. **Postfix** takes submissions with STARTTLS and
AUTH (checked by that Dovecot, the usual pair) from any sender, and puts every message on hold: its
queue file is written and synced, and no delivery competes with the measurement, which favours it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.support.postfix_server import PostfixServer
from tests.support.processes import Peer, PeerFailed, accepts, dying_with_us, free_port

USER = "ada@demo.test"
PASSWORD = "benchmark"
MAIL_OWNER = "mail"
SBIN = "/usr/sbin:/sbin:/usr/lib/postfix/sbin"


def missing() -> list[str]:
    """Say what keeps the peers from being measured here; empty when nothing does."""
    reasons = [
        f"{name} is not installed (apt install {package})"
        for name, package in (
            ("dovecot", "dovecot-imapd"),
            ("doveadm", "dovecot-core"),
            ("postfix", "postfix"),
            ("openssl", "openssl"),
        )
        if _find(name) is None
    ]
    if os.geteuid() != 0:
        reasons.append("Postfix and Dovecot need root to change users")
    return reasons


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SBIN}")


def _run(*command: str, text: str | None = None) -> str:
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, env={"PATH": path}
    )
    if done.returncode:
        raise PeerFailed(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def _folder(path: Path) -> Path:
    """Make a folder that the peers' users can enter (the run's own folder is private)."""
    path.mkdir(parents=True)
    for step in (path, *path.parents):
        if step.stat().st_uid == os.getuid() and step != Path("/"):
            step.chmod(step.stat().st_mode | 0o711)
    return path


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    _run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out",
        str(certificate),
    )  # fmt: skip
    return certificate, key


class Dovecot:
    """IMAP for one user; `storage` is `sdbox` or `maildir`."""

    def __init__(self, folder: Path, storage: str = "sdbox") -> None:
        self.folder = _folder(folder)
        self.imap_port, self.imaps_port = free_port(), free_port()
        self.auth_socket = self.folder / "auth"
        (self.folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        (self.folder / "users").chmod(0o644)
        mail = self.folder / "mail"
        mail.mkdir()
        shutil.chown(mail, MAIL_OWNER, MAIL_OWNER)
        self.certificate, key = _certificate(self.folder)
        self._configuration = self.folder / "dovecot.conf"
        self._configuration.write_text(
            DOVECOT.format(
                folder=self.folder, storage=storage, owner=MAIL_OWNER, imap=self.imap_port,
                imaps=self.imaps_port, certificate=self.certificate, key=key,
            )
        )  # fmt: skip
        command = [str(_find("dovecot")), "-F", "-c", str(self._configuration)]
        self._peer = Peer("dovecot", dying_with_us(command), self.folder / "output")
        self._peer.wait_until(lambda: accepts(self.imap_port) and self.auth_socket.exists())

    @property
    def pid(self) -> int:
        return self._peer.pid

    def load(self, messages: Iterable[bytes], mailbox: str = "INBOX") -> int:
        """Put messages into a folder without waiting for the disk; return how many."""
        source = self.folder / "source"
        source.mkdir()
        count = 0
        sent = datetime.now(UTC).strftime("%a %b %d %H:%M:%S %Y")
        with (source / mailbox).open("wb") as mbox:
            for message in messages:
                body = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
                mbox.write(b"From ada@demo.test " + sent.encode() + b"\n" + body.rstrip(b"\n"))
                mbox.write(b"\n\n")
                count += 1
        shutil.chown(source, MAIL_OWNER, MAIL_OWNER)
        shutil.chown(source / mailbox, MAIL_OWNER, MAIL_OWNER)
        inbox = source / mailbox
        self.doveadm(
            "-o", "mail_fsync=never", "import", "-u", USER,
            f"mbox:{source}:INBOX={inbox}", "", "mailbox", mailbox,
        )  # fmt: skip
        shutil.rmtree(source)
        return count

    def doveadm(self, *arguments: str) -> str:
        """Run doveadm on this server; returns what it prints."""
        return _run(str(_find("doveadm")), "-c", str(self._configuration), *arguments)

    def close(self) -> None:
        """Stop the server; its folder stays for the caller to remove."""
        self._peer.stop()


class Postfix(PostfixServer):
    """Ports for submissions and for other servers' mail; messages stay in the queue, on hold.

    `relay` is the port of the server that gets them when they are let go.
    """

    def __init__(self, folder: Path, dovecot: Dovecot, relay: int = 0) -> None:
        port, self.mx_port = free_port(), free_port()
        settings = SETTINGS.format(
            certificate=dovecot.certificate, key=dovecot.folder / "key.pem",
            auth=dovecot.auth_socket,
            transport=f"relay:[127.0.0.1]:{relay}" if relay else "discard",
        )  # fmt: skip
        services = SERVICES.format(port=port, mx=self.mx_port)
        super().__init__(_folder(folder), port, settings, services)
        self._peer.wait_until(lambda: accepts(self.mx_port))

    def queued(self) -> int:
        """Count the messages on hold."""
        return sum(1 for _ in (self.folder / "queue" / "hold").iterdir())

    def release(self) -> None:
        """Let everything on hold go."""
        conf = str(self.folder / "conf")
        _run(str(_find("postsuper")), "-c", conf, "-H", "ALL")
        _run(str(_find("postqueue")), "-c", conf, "-f")

    def left(self) -> int:
        """Count the messages that are not delivered."""
        queue = self.folder / "queue"
        return sum(
            1
            for name in ("hold", "incoming", "active", "deferred")
            for path in (queue / name).rglob("*")
            if path.is_file()
        )


DOVECOT = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = {storage}:{folder}/mail/%u
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
mail_max_userip_connections = 2000
default_vsz_limit = 2G
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  service_count = 0
  client_limit = 2000
  process_min_avail = 2
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service imap {{
  process_limit = 2000
}}
service anvil {{
  client_limit = 6000
}}
service auth {{
  client_limit = 6000
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
"""

SETTINGS = """
myhostname = peer.example
default_transport = {transport}
relay_destination_concurrency_limit = 200
initial_destination_concurrency = 50
smtp_tls_security_level = none
message_size_limit = 41943040
mailbox_size_limit = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_data_restrictions = check_client_access static:HOLD
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
default_process_limit = 200
"""

SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{mx} inet n - n - - smtpd
    -o smtpd_relay_restrictions=permit_mynetworks,reject
    -o smtpd_recipient_restrictions=permit_mynetworks,reject
    -o smtpd_sasl_auth_enable=no
discard unix - - n - - discard
relay unix - - n - - smtp
"""
