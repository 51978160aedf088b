"""Crash rounds: deliver under load, kill something at a random moment, and count what is there.

What was answered 250 is there exactly once for each recipient and byte for byte; what was refused
is not there at all; what got no answer is there for all of its recipients or for none.
`tests/e2e/test_crash.py` runs some rounds, `script/soak` many.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from tests.support.load import PEOPLE, Ledger, Load, Sent, new_messages
from tests.support.server import Server, command_line

CONNECTIONS = 6
MOST_PAUSE = 0.3
"""Seconds of load before the kill, at most."""
SETTLE_SECONDS = 60.0
MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@crash\.example>\r?$", re.MULTILINE)
OUTAGE = {421, 432, 451, 452, 454}
"""Codes that tell a client to try again."""


@dataclass
class Field:
    """Where a crash test is played: the servers, their database, the dice and the ledger."""

    servers: list[Server]
    database: str = ""
    seed: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    last_uid: dict[str, int] = field(default_factory=dict)
    judged: int = 0
    """So many of the ledger's messages were judged in earlier rounds."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)


Strike = Callable[[Field], None]
"""Kills something and returns when what was killed serves again."""


def kill_group(field: Field) -> None:
    """kill -9 of one server's whole process group; start it again."""
    server = field.dice.choice(field.servers)
    server.kill()
    server.start()


def stop_politely(field: Field) -> None:
    """SIGTERM to one server; start it again."""
    server = field.dice.choice(field.servers)
    assert server.stop() == 0
    server.start()


def kill_writer(field: Field) -> None:
    """kill -9 of the writer process; the supervisor replaces it."""
    server = field.dice.choice(field.servers)
    _replaced(server, server.writer)


def kill_front_end(field: Field) -> None:
    """kill -9 of one front end; the supervisor replaces it."""
    server = field.dice.choice(field.servers)
    _replaced(server, field.dice.choice(server.front_ends))


def _replaced(server: Server, pid: int | None) -> None:
    assert pid is not None
    before = len(server.children)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + SETTLE_SECONDS
    while pid in server.children or len(server.children) < before:
        assert time.monotonic() < deadline, f"{pid} was not replaced:\n{server.last_words}"
        time.sleep(0.01)


def cut_backends(field: Field) -> None:
    """Terminate each of the database's connections with a chance of two in three."""
    with psycopg.connect(field.database, autocommit=True) as connection:
        pids = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
        for (pid,) in pids:
            if field.dice.random() < 0.67:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])


STRIKES: dict[str, Strike] = {
    "group": kill_group,
    "stop": stop_politely,
    "writer": kill_writer,
    "front-end": kill_front_end,
    "backends": cut_backends,
}


def play_round(field: Field, number: int, strike: Strike) -> None:
    """One round: load, strike, go on with what is left of the load, count."""
    field.ledger.pause = 0.0
    with Load(field.servers, field.ledger, f"r{number}", CONNECTIONS) as load:
        load.wait_for(1)
        time.sleep(field.dice.random() * MOST_PAUSE)
        if strike is kill_group and len(field.servers) == 1:
            load.stopping.set()  # nobody is left to talk to
        field.ledger.pause = 0.05 if strike is kill_group else 0.0
        strike(field)
        if not load.stopping.is_set():
            load.wait_for(5)
    count_arrivals(field)


def count_arrivals(field: Field) -> None:
    """Read what is new in every INBOX; judge what was sent since the last time, and what came."""
    server = field.servers[0]
    everything = list(field.ledger.sent.values())
    concerned = {sent.key: sent for sent in everything[field.judged :]}
    for person in PEOPLE:
        for uid, raw in new_messages(server, person, field.last_uid.get(person, 0)):
            field.last_uid[person] = max(uid, field.last_uid.get(person, 0))
            found = MESSAGE_ID.search(raw)
            if found is not None:
                sent = field.ledger.sent[found[1].decode()]
                _arrived(sent, person, raw)
                concerned[sent.key] = sent
    field.judged = len(everything)
    wrong = [fault for sent in concerned.values() if (fault := judge(sent))]
    assert not wrong, f"seed {field.seed}: {len(wrong)} messages, such as {wrong[:5]}"


def _arrived(sent: Sent, person: str, raw: bytes) -> None:
    sent.seen[person] += 1
    digest = hashlib.sha256(raw[-sent.size :]).digest()
    assert digest == sent.digest, f"{sent.key} is not what was sent"
    assert b"\r\n\r\n" not in raw[: -sent.size], f"{sent.key} got more than trace fields"


def judge(sent: Sent) -> str:
    """What is wrong with a message, empty when nothing is."""
    seen = [sent.seen[person] for person in sent.people]
    strangers = set(sent.seen) - set(sent.people)
    if strangers:
        return f"{sent.key} came to {strangers}"
    if max(seen) > 1:
        return f"{sent.key} came {max(seen)} times"
    if sent.answer == 250 and min(seen) != 1:
        return f"{sent.key} was accepted and is lost for one of {sent.people}"
    if min(seen) != max(seen):
        return f"{sent.key} is there for some of {sent.people}"
    if sent.answer not in {0, 250} and max(seen):
        return f"{sent.key} was refused with {sent.answer} and is there"
    if sent.answer not in {0, 250, *OUTAGE}:
        return f"{sent.key} was refused for good with {sent.answer}"
    return ""


def check_queue(field: Field) -> None:
    """Every accepted message for outside waits in the queue once, and nothing that was refused."""
    server = field.servers[0]
    done = command_line("queue", "list", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stderr
    waiting = [row["recipient"] for row in json.loads(done.stdout)]
    assert len(waiting) == len(set(waiting)), "a recipient waits twice"
    for sent in field.ledger.sent.values():
        if sent.outside and sent.answer == 250:
            assert sent.outside in waiting, f"{sent.key} was accepted and is not in the queue"
        elif sent.outside and sent.answer:
            assert sent.outside not in waiting, f"{sent.key} was refused and is in the queue"
        elif sent.outside:
            delivered = bool(sent.seen)
            assert (sent.outside in waiting) == delivered, f"half of {sent.key} is there"


def check_numbers(field: Field) -> None:
    """`workpost check` finds nothing to say."""
    server = field.servers[0]
    done = command_line("check", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stdout + done.stderr
