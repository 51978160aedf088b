"""Durable before acknowledged: kill -9 at random moments loses, doubles and halves nothing."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import MakeServer
from tests.support import crash
from tests.support.crash import Field
from tests.support.peers import require_peer

ROUNDS = 20
EACH = [
    ("sqlite", "group"),
    ("sqlite", "writer"),
    ("sqlite", "front-end"),
    ("postgresql", "group"),
    ("postgresql", "front-end"),
    ("postgresql", "backends"),
]

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("engine", "kind"), EACH)
def test_what_got_250_is_there_exactly_once(
    engine: str, kind: str, make_server: MakeServer, request: pytest.FixtureRequest
) -> None:
    # One front end where none is to survive the other: a round is short.
    environment = {"WORKPOST_PROCESSES__FRONT_ENDS": "1" if kind == "group" else "2"}
    if engine == "postgresql":
        require_peer("postgres")
        environment["WORKPOST_DATABASE__URL"] = request.getfixturevalue("postgres_database")
    server = make_server(env=environment).start()
    url = environment.get("WORKPOST_DATABASE__URL", "")
    play(Field([server], database=url, seed=time.time_ns()), kind)


def play(field: Field, kind: str) -> None:
    for number in range(ROUNDS):
        crash.play_round(field, number, crash.STRIKES[kind])
    crash.check_queue(field)
    crash.check_numbers(field)
