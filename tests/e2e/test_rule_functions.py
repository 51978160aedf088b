"""Functions on mail as strangers and people meet them: SMTP in, a function over HTTP, IMAP out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.policy import SMTP
from typing import Any

import botocore.session
import pytest

from tests.e2e.conftest import MakeServer
from tests.support import crash
from tests.support.crash import Field
from tests.support.load import Load
from tests.support.rule_functions import FUNCTION, HttpFunction, say
from tests.support.server import Server, command_line, compose
from workpost.protocols.api.model import CONSOLE, OWN_MODELS

LEASE = 3
KINDS = ("front-end", "group")


@pytest.fixture
def function() -> Iterator[HttpFunction]:
    made = HttpFunction()
    yield made
    made.server.close()


def mapped(server: Server, function: HttpFunction) -> Server:
    """The server, whose demo may use the function."""
    server.start().stop()
    one = function.mapping(server.account["account_id"])
    server.env["WORKPOST_LAMBDA__FUNCTIONS"] = json.dumps(
        [{"arn": one.arn, "accounts": one.accounts, "kind": one.kind, "url": one.url}]
    )
    return server.start()


def add_rule(server: Server, side: str, **more: Any) -> None:
    """A rule of the demo, made as boto3 makes it."""
    session = botocore.session.get_session()
    session.get_component("data_loader").search_paths.append(str(OWN_MODELS))
    client = session.create_client(
        CONSOLE,
        region_name="us-east-1",
        endpoint_url=server.told["api"],
        aws_access_key_id=server.account["access_key_id"],
        aws_secret_access_key=server.account["secret_access_key"],
    )
    action = {
        "Type": "RUN_LAMBDA",
        "LambdaArn": FUNCTION,
        "FallbackAction": "DEFAULT",
        "RuleTimeoutMinutes": 10,
        **more,
    }
    getattr(client, f"create_{side}_mail_flow_rule")(
        OrganizationId=server.account["organization_id"],
        Name="ask",
        Action=action,
        SenderPatterns=["*"],
        DestinationPatterns=["*"],
    )


def subjects(server: Server, user: str, folder: str) -> list[str]:
    with server.imapclient(user) as client:
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search(), ["ENVELOPE"])
        return [each[b"ENVELOPE"].subject.decode() for each in found.values()]


def waiting(server: Server) -> list[dict[str, Any]]:
    done = command_line("queue", "list", "--data", str(server.data), env=server.env)
    assert done.returncode == 0, done.stderr
    listed: list[dict[str, Any]] = json.loads(done.stdout)
    return listed


def until(true: Any, server: Server, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.05)


def test_a_function_decides_on_mail_in_and_out(
    make_server: MakeServer, function: HttpFunction
) -> None:
    server = mapped(make_server(env={"WORKPOST_PROCESSES__FRONT_ENDS": "1"}), function)
    add_rule(server, "inbound")
    add_rule(server, "outbound")

    def answer(event: dict[str, Any]) -> list[Any] | int:
        if event["subject"] == "fails once" and len(function.events) % 2:
            return 500
        if event["flowDirection"] == "OUTBOUND":
            return [say("BOUNCE", "no@away.example", reason="Not there."), say("DEFAULT")]
        return [say("MOVE_TO_JUNK" if "junk" in event["subject"] else "DEFAULT")]

    function.answer = answer
    for subject in ("plain", "junk", "fails once"):
        raw = compose("x@sender.example", "grace@demo.test", subject).as_bytes(policy=SMTP)
        with server.smtp(listener="smtp") as client:
            client.sendmail("x@sender.example", ["grace@demo.test"], raw)
    to = ["grace@demo.test", "no@away.example", "yes@away.example"]
    server.send("ada", to, compose("ada@demo.test", to[0], "from ada"))
    until(
        lambda: {"plain", "from ada", "fails once"} <= set(subjects(server, "grace", "INBOX")),
        server,
    )
    until(lambda: "junk" in subjects(server, "grace", "Junk E-mail"), server)
    until(lambda: any("Failure" in one for one in subjects(server, "ada", "INBOX")), server)
    until(lambda: [one["recipient"] for one in waiting(server)] == ["yes@away.example"], server)
    assert server.stop() == 0


@pytest.mark.crash
def test_kill_9_loses_and_doubles_nothing_that_waits_for_a_function(
    make_server: MakeServer, function: HttpFunction
) -> None:
    environment = {
        "WORKPOST_PROCESSES__FRONT_ENDS": "2",
        "WORKPOST_QUEUE__LEASE_SECONDS": str(LEASE),
    }
    server = mapped(make_server(env=environment), function)
    add_rule(server, "inbound")
    add_rule(server, "outbound")

    def slow(event: dict[str, Any]) -> list[Any]:
        time.sleep(0.02)
        return [say("DEFAULT")]

    function.answer = slow
    field = Field([server], seed=time.time_ns())
    for number, kind in enumerate(KINDS):
        field.ledger.pause = 0.02
        with Load([server], field.ledger, f"r{number}", 3) as load:
            load.wait_for(10)
            time.sleep(field.dice.random() * crash.MOST_PAUSE)
            load.stopping.set()
            crash.STRIKES[kind](field)
    until(lambda: not [one for one in waiting(server) if "function" in one], server, 60.0)
    crash.count_arrivals(field)
    crash.check_queue(field)
    crash.check_numbers(field)
    again: dict[str, set[str]] = {}
    for event in function.events:
        again.setdefault(event["messageId"], set()).add(event["invocationId"])
    assert all(len(one) == 1 for one in again.values())
