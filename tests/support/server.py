"""`workpost serve` as a process group of its own, and the clients that talk to it."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from imapclient import IMAPClient

from tests.support.processes import dying_with_us

WORKPOST = str(Path(sys.executable).with_name("workpost"))
AWS = str(Path(sys.executable).with_name("aws"))
READY_SECONDS = 60.0
_session = boto3.Session(region_name="us-east-1")


def command_line(*args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run `workpost ARGS` to its end."""
    return subprocess.run(
        [WORKPOST, *args],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Server:
    """One server on a data directory; `start` and `stop` may be called again and again."""

    def __init__(
        self,
        data: Path,
        *options: str,
        env: Mapping[str, str] | None = None,
        demo: bool = True,
        joins: Server | None = None,
    ) -> None:
        self.data = data
        self.log = data.with_name(data.name + ".log")
        self.options = options
        self.demo = demo
        self.env = dict(env or {})
        self.home = joins.data if joins is not None else data
        """The data directory of the node that made the demo."""
        self.process: subprocess.Popen[bytes] | None = None

    # --- life ---

    def start(self, *, wait: bool = True) -> Server:
        """Start it and wait until every listener accepts."""
        options = [*self.options, *(["--demo"] if self.demo else [])]
        command = [WORKPOST, "serve", "--data", str(self.data), "--random-ports", *options]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                dying_with_us(command, by="KILL"),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self.wait_ready() if wait else self

    def wait_ready(self) -> Server:
        assert self.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while self.told.get("pid") != self.process.pid:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(
                    f"workpost serve did not get ready (exit code {self.process.returncode}):\n"
                    f"{self.last_words}"
                )
            time.sleep(0.005)
        self.__dict__.pop("account", None)
        return self

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM to the supervisor; its exit code, AssertionError when it takes too long."""
        assert self.process is not None
        self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no stop within {seconds} s:\n{self.last_words}") from None
        assert group_is_gone(self.process.pid), "processes were left behind"
        return code

    def kill(self) -> None:
        """kill -9 of the whole process group; returns when all of it is dead."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + 30
        while not group_is_gone(self.process.pid) and time.monotonic() < deadline:
            time.sleep(0.002)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return int(self.process.pid)

    @property
    def is_gone(self) -> bool:
        """Whether no process of its group lives."""
        return group_is_gone(self.pid)

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error, for a failure's text."""
        return self.log.read_text(errors="replace")[-3000:]

    @property
    def children(self) -> list[int]:
        """Pids of the supervisor's children, oldest first."""
        listing = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in listing.split()]

    @property
    def writer(self) -> int | None:
        """Pid of the writer process: the one that holds the database's lock."""
        for pid in self.children:
            if holds(pid, self.data / "run" / "writer.lock"):
                return pid
        return None

    @property
    def front_ends(self) -> list[int]:
        writer = self.writer
        return [pid for pid in self.children if pid != writer]

    # --- what it tells ---

    @property
    def told(self) -> dict[str, Any]:
        """endpoints.json, empty while there is none."""
        try:
            told: dict[str, Any] = json.loads((self.data / "run" / "endpoints.json").read_bytes())
        except FileNotFoundError:
            return {}
        return told

    @cached_property
    def account(self) -> dict[str, Any]:
        """demo.json."""
        account: dict[str, Any] = json.loads((self.home / "demo.json").read_bytes())
        return account

    def password(self, name: str) -> str:
        return next(user["password"] for user in self.account["users"] if user["name"] == name)

    def address(self, listener: str) -> tuple[str, int]:
        host, port = self.told[listener].rpartition("/")[2].rsplit(":", 1)
        return host, int(port)

    @property
    def tls(self) -> ssl.SSLContext:
        """A context that trusts exactly this server's self-signed certificate."""
        return ssl.create_default_context(cafile=str(self.data / "tls" / "self-signed.crt"))

    # --- clients ---

    def aws(self, service: str = "workmail", key: tuple[str, str] | None = None) -> Any:
        """A boto3 client of the demo's account, or with another access key."""
        access, secret = key or (
            self.account["access_key_id"],
            self.account["secret_access_key"],
        )
        return _session.client(
            service,
            endpoint_url=self.told["api"],
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}),
        )

    def aws_cli(self, *args: str) -> Any:
        """The JSON that `aws workmail ARGS` prints."""
        keys = {
            "AWS_ACCESS_KEY_ID": self.account["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.account["secret_access_key"],
            "AWS_DEFAULT_REGION": self.account["region"],
            "AWS_ENDPOINT_URL": self.told["api"],
        }
        done = subprocess.run(
            [AWS, "workmail", *args, "--output", "json"],
            env={**os.environ, **keys},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    @contextlib.contextmanager
    def smtp(
        self, user: str = "", password: str = "", *, listener: str = "submission"
    ) -> Iterator[smtplib.SMTP]:
        """An SMTP session: STARTTLS at `submission`, TLS at `submissions`, plain at `smtp`."""
        host, port = self.address(listener)
        client: smtplib.SMTP
        if listener == "submissions":
            client = smtplib.SMTP_SSL(host, port, context=self.tls, timeout=30)
        else:
            client = smtplib.SMTP(host, port, timeout=30)
            if listener == "submission":
                client.starttls(context=self.tls)
        try:
            if user:
                client.login(*self._login(user, password))
            yield client
        finally:
            client.close()

    def send(self, sender: str, recipients: Sequence[str], message: EmailMessage | bytes) -> None:
        """Submit a message as a person of the demo."""
        raw = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
        with self.smtp(sender) as client:
            client.sendmail(f"{sender}@demo.test", list(recipients), raw)

    @contextlib.contextmanager
    def imap(
        self, user: str, password: str = "", *, listener: str = "imaps"
    ) -> Iterator[imaplib.IMAP4]:
        """An imaplib session that is logged in."""
        host, port = self.address(listener)
        client: imaplib.IMAP4
        if listener == "imaps":
            client = imaplib.IMAP4_SSL(host, port, ssl_context=self.tls, timeout=30)
        else:
            client = imaplib.IMAP4(host, port, timeout=30)
            client.starttls(self.tls)
        try:
            client.login(*self._login(user, password))
            yield client
        finally:
            client.shutdown()

    @contextlib.contextmanager
    def imapclient(self, user: str, password: str = "") -> Iterator[IMAPClient]:
        """An IMAPClient session that is logged in."""
        host, port = self.address("imaps")
        client = IMAPClient(host, port, ssl_context=self.tls, timeout=30)
        try:
            client.login(*self._login(user, password))
            yield client
        finally:
            client.shutdown()

    def _login(self, user: str, password: str) -> tuple[str, str]:
        if password:
            return user, password
        return f"{user}@{self.account['domain']}", self.password(user)


def compose(sender: str, to: str, subject: str, body: str = "Hello.\n") -> EmailMessage:
    """A small message."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{time.monotonic_ns()}@client.example>"
    message.set_content(body)
    return message


def holds(pid: int, path: Path) -> bool:
    """Tell whether a process has this file open."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()) == str(path):
                    return True
    return False


def group_is_gone(group: int) -> bool:
    """Tell whether no process of the group lives; those that nobody buried do not count."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in {"Z", "X"}:
            return False
    return True


def remove(data: Path) -> None:
    """Delete a data directory."""
    shutil.rmtree(data, ignore_errors=True)
