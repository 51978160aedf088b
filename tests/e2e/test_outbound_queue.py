"""kill -9 in the middle of the queue: everything accepted arrives, and what had arrived is not sent
again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.e2e.conftest import MakeServer
from tests.support.moto import MotoServer
from tests.support.peers import require_peer
from tests.support.postgres import PostgresServer
from tests.support.server import Server, command_line, compose
from tests.support.smtp_sink import SmtpSink

MAILS = 40
LEASE = 3
AT_ONCE = 4


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    made = SmtpSink()
    yield made
    made.close()


def environment(sink: SmtpSink) -> dict[str, str]:
    return {
        "WORKPOST_OUTBOUND__ROUTES": f"*={sink.place}",
        "WORKPOST_QUEUE__LEASE_SECONDS": str(LEASE),
        "WORKPOST_QUEUE__DELIVERIES_EACH": str(AT_ONCE),
        "WORKPOST_PROCESSES__FRONT_ENDS": "1",
        "WORKPOST_LOGIN__WITHOUT_TLS": "true",
    }


def fill(server: Server) -> None:
    """Let mail for elsewhere wait; the demo holds it."""
    with server.smtp("ada") as client:
        for number in range(MAILS):
            to = f"user{number}@elsewhere.example"
            client.send_message(compose("ada@demo.test", to, f"Number {number}"))


def release(server: Server) -> None:
    done = command_line("queue", "retry", "--all", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"Changed": MAILS, "Busy": 0}


def left(server: Server) -> int:
    done = command_line("queue", "list", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stderr
    return len(json.loads(done.stdout))


def wait_empty(server: Server, sink: SmtpSink, seconds: float = 60.0) -> float:
    """Wait until everybody has the mail and the queue is empty; returns when the former was."""
    deadline = time.monotonic() + seconds
    while len({got.recipients[0] for got in sink.messages}) < MAILS:
        assert time.monotonic() < deadline, f"{left(server)} are left:\n{server.last_words}"
        time.sleep(0.05)
    arrived = time.monotonic()
    while left(server):
        assert time.monotonic() < deadline, f"{left(server)} are left:\n{server.last_words}"
    return arrived


def judge(sink: SmtpSink, before: int) -> None:
    """Each message came; only what was on the wire at the kill may have come again."""
    came = Counter(got.recipients[0] for got in sink.messages)
    assert len(came) == MAILS
    again = [who for who, count in came.items() if count > 1]
    assert len(again) <= AT_ONCE
    newest = [got.recipients[0] for got in sink.messages[: before + 1]][-2 * AT_ONCE :]
    assert set(again) <= set(newest), "what was long settled was sent again"
    assert max(came.values()) <= 2


@pytest.mark.crash
@pytest.mark.timeout(120)
def test_a_server_killed_in_mid_queue_goes_on_where_it_was(
    make_server: MakeServer, sink: SmtpSink
) -> None:
    server = make_server(env=environment(sink)).start()
    fill(server)
    assert server.stop() == 0
    server.demo = False
    server.start()
    sink.script.delay = {".": 0.3}
    release(server)
    sink.wait(10)
    server.kill()
    before = len(sink.messages)
    assert before < MAILS
    sink.script.delay = {}
    server.start()
    wait_empty(server, sink)
    judge(sink, before)


@pytest.mark.crash
@pytest.mark.timeout(120)
def test_the_other_node_takes_over_in_seconds(
    postgres_server: PostgresServer, moto_server: MotoServer, sink: SmtpSink, tmp_path: Path
) -> None:
    require_peer("postgres")
    data, keys = postgres_server.create_database(), postgres_server.create_database()
    boto3.client("s3").create_bucket(Bucket="mail")
    shared = {
        **environment(sink),
        "WORKPOST_DATABASE__URL": postgres_server.url(data),
        "WORKPOST_DATABASE__CONNECTIONS": "4",
        "WORKPOST_KEYS__URL": postgres_server.url(keys),
        "WORKPOST_KEYS__KEYRING": str(tmp_path / "keyring.json"),
        "WORKPOST_CONTENT__S3_BUCKET": "mail",
    }
    first = Server(tmp_path / "first", env=shared).start()
    fill(first)
    assert first.stop() == 0
    first.demo = False
    first.start()
    second = Server(tmp_path / "second", env=shared, demo=False, joins=first).start()
    try:
        sink.script.delay = {".": 0.02}
        release(second)
        sink.wait(20)
        first.kill()
        before = len(sink.messages)
        killed = time.monotonic()
        assert wait_empty(second, sink) - killed < 8 * LEASE
        judge(sink, before)
    finally:
        for server in (first, second):
            server.kill()
        for name in (data, keys):
            postgres_server.drop_database(name)


@pytest.mark.timeout(120)
def test_a_server_that_stops_waits_for_another_that_scans_after_the_final_dot(
    make_server: MakeServer, sink: SmtpSink
) -> None:
    waits = {**environment(sink), "WORKPOST_QUEUE__REPLY_SECONDS": "30"}
    server = make_server(env=waits).start()
    with server.smtp("ada") as client:
        client.send_message(compose("ada@demo.test", "bob@elsewhere.example", "Once"))
    assert server.stop() == 0
    server.demo = False
    server.start()
    sink.script.delay = {".": 6.5}
    done = command_line("queue", "retry", "--all", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stderr
    # The sink notes a message when it is whole, or when it answers: what is awaited is the dot.
    deadline = time.monotonic() + 30
    while not any(command.startswith("DATA") for command in sink.commands):
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.05)
    time.sleep(0.5)
    assert server.stop(seconds=40.0) == 0
    assert left(server) == 0
    assert len(sink.messages) == 1
