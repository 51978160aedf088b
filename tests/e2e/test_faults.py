"""The machine fails us: nothing accepted is lost or doubled, senders are told the truth."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moto import MotoServer
from tests.support.peers import require_peer
from tests.support.postgres import PostgresServer
from tests.support.server import Server, command_line

LARGE = b"0123456789abcdef" * 16_384
"""256 KiB: kept outside the database."""


class Sender:
    """Somebody who writes to grace, and remembers what each message was answered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: dict[str, int] = {}

    def send(self, body: bytes = b"Hello.") -> int:
        """The code of the answer; 0 when the line was cut before there was one."""
        key = f"<{len(self.answers)}.{time.monotonic_ns()}@client.example>"
        raw = (
            f"From: ada@demo.test\r\nTo: grace@demo.test\r\nMessage-ID: {key}\r\n"
            "Subject: fault\r\n\r\n"
        ).encode() + b"\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
        self.answers[key] = code = self._answer(raw)
        return code

    def _answer(self, raw: bytes) -> int:
        try:
            with self.server.smtp("ada") as client:
                client.sendmail("ada@demo.test", ["grace@demo.test"], raw)
        except smtplib.SMTPRecipientsRefused as refused:
            [(code, _)] = refused.recipients.values()
            return int(code)
        except smtplib.SMTPResponseException as refused:
            return int(refused.smtp_code)
        except (OSError, smtplib.SMTPServerDisconnected):
            return 0
        return 250

    def until(self, wanted: int, seconds: float = 30.0) -> None:
        """Send until one is answered like this."""
        deadline = time.monotonic() + seconds
        while self.send() != wanted:
            assert time.monotonic() < deadline, f"never {wanted}: {self.server.last_words}"
            time.sleep(0.2)

    def assert_the_truth(self) -> None:
        """Accepted: there once. Refused: not there. Unanswered: once at most."""
        with self.server.imapclient("grace") as client:
            client.select_folder("INBOX", readonly=True)
            rows = client.fetch(client.search(), ["ENVELOPE"])
        found = Counter(row[b"ENVELOPE"].message_id.decode() for row in rows.values())
        for key, code in self.answers.items():
            if code == 250:
                assert found[key] == 1, (key, code)
            elif code:
                assert 400 <= code < 500, "a fault of ours is temporary"
                assert found[key] == 0, (key, code)
            else:
                assert found[key] <= 1, (key, code)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_for_now_and_loses_nothing(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(24 << 20))
    server = Server(small_disk / "data", env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"}).start()
    try:
        sender = Sender(server)
        for _ in range(200):
            if sender.send(LARGE) != 250:
                break
        else:
            pytest.fail("the disk was never full")
        # Small ones may still fit; in the end nothing does.
        for _ in range(40):
            sender.send(os.urandom(30_000).hex().encode())
        assert "process died" not in server.log.read_text(), server.last_words
        filler.unlink()
        sender.until(250, 30.0)
        sender.assert_the_truth()
        assert server.stop() == 0
        checked = command_line("check", "--data", str(server.data), env=server.env)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        server.kill()


def test_a_database_that_restarts_is_waited_for(tmp_path: Path) -> None:
    require_peer("postgres")
    postgres = PostgresServer()
    url = postgres.url(postgres.create_database())
    environment = {"WORKPOST_DATABASE__URL": url, "WORKPOST_PROCESSES__FRONT_ENDS": "1"}
    server = Server(tmp_path / "data", env=environment).start()
    try:
        senders = [Sender(server) for _ in range(3)]
        stop = threading.Event()

        def work(sender: Sender) -> None:
            while not stop.is_set():
                sender.send()

        threads = [threading.Thread(target=work, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        postgres.stop()
        time.sleep(2.0)
        postgres.start()
        time.sleep(1.0)
        stop.set()
        for thread in threads:
            thread.join(60)
        answers = Counter(code for sender in senders for code in sender.answers.values())
        assert answers[250]
        assert set(answers) - {250}, "nobody noticed that the database was gone"
        senders[0].until(250)
        for sender in senders:
            sender.assert_the_truth()
    finally:
        server.kill()
        postgres.close()


@contextlib.contextmanager
def frozen(process: int) -> Iterator[None]:
    """A peer that takes connections and does not answer any more."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_an_object_store_and_a_key_service_that_hang_delay_mail(
    moto_process: MotoServer, tmp_path: Path
) -> None:
    moto_process.reset()
    moto_process.client("s3").create_bucket(Bucket="mail")
    key = moto_process.client("kms").create_key()["KeyMetadata"]["KeyId"]
    environment = {
        **moto_process.environment,
        "WORKPOST_CONTENT__S3_BUCKET": "mail",
        "WORKPOST_KEYS__KMS_KEY": key,
        "WORKPOST_PROCESSES__FRONT_ENDS": "1",
    }
    server = Server(tmp_path / "data", env=environment).start()
    try:
        sender = Sender(server)
        assert sender.send(LARGE) == 250
        with frozen(moto_process.pid):
            assert sender.send() == 250, "keys that were opened a moment ago still work"
            assert sender.send(LARGE) in (0, 451)
        sender.until(250)
        assert sender.send(LARGE) == 250
        sender.assert_the_truth()
    finally:
        server.kill()
