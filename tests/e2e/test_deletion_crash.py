"""DeleteOrganization survives kill -9: whatever moment it comes at, the deletion is completed."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeServer
from tests.support.peers import require_peer
from tests.support.server import Server, command_line, compose
from workpost.store.tables.erasing import OF_DIRECTORY, OF_MAILBOX, OF_ORGANIZATION

PASSWORD = "Correct-Horse7"
PEOPLE = ("one", "two")
MESSAGES = 25
COPIES = 24
"""Folders that hold all messages of the INBOX once more: some twenty slices of rows in all."""
KILLS = 2
MOST_DELAY = 0.03
"""Seconds by which a kill is late; about what a slice takes."""

pytestmark = [pytest.mark.crash, pytest.mark.timeout(120)]


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    environment = {"WORKPOST_PROCESSES__FRONT_ENDS": "1"}
    if request.param == "postgresql":
        require_peer("postgres")
        environment["WORKPOST_DATABASE__URL"] = request.getfixturevalue("postgres_database")
    return make_server(env=environment).start()


def test_a_deletion_that_is_killed_again_and_again_is_completed(server: Server) -> None:
    seed = time.time_ns()
    dice = random.Random(seed)
    server.send("ada", ["grace@demo.test"], compose("ada@demo.test", "grace@demo.test", "Stay"))
    organization = furnish(server)
    found = run(server, f"SELECT id FROM mailbox WHERE org = '{organization}'")
    mailboxes = [mailbox for (mailbox,) in found]
    assert len(mailboxes) == len(PEOPLE)
    before = left(server, organization, mailboxes)
    assert before["item"] == len(PEOPLE) * MESSAGES * (COPIES + 1)
    answer = server.aws().delete_organization(
        OrganizationId=organization, DeleteDirectory=True, ForceDelete=True
    )
    assert answer["State"] == "Deleting"
    moments = []
    for _ in range(KILLS):
        wait_for_progress(server, mailboxes, dice)
        server.kill()
        moments.append(sum(left(server, organization, mailboxes).values()))
        # The lease of the dead runs out.
        run(server, "UPDATE job SET lease_until = 0 WHERE state = 'leased'")
        server.start()
        assert state_of(server, organization) in {"Deleting", "Deleted"}
    until_deleted(server, organization)
    story = f"seed {seed}: {sum(before.values())} rows, at the kills {moments}"
    assert left(server, organization, mailboxes) == {}, story
    assert_shredded(server, organization, mailboxes)
    summaries = server.aws().list_organizations()["OrganizationSummaries"]
    assert [one["State"] for one in summaries if one["OrganizationId"] == organization] == [
        "Deleted"
    ]
    assert server.aws().create_organization(Alias="doomed")["OrganizationId"] != organization
    with server.imapclient("grace") as client:
        client.select_folder("INBOX")
        assert client.search("SUBJECT Stay")
    checked = command_line("check", "--data", str(server.data), env=server.env)
    assert checked.returncode == 0, story + checked.stdout + checked.stderr


def furnish(server: Server) -> str:
    """An organization whose people have messages in many folders; returns its id."""
    client = server.aws()
    organization: str = client.create_organization(Alias="doomed")["OrganizationId"]
    group = client.create_group(OrganizationId=organization, Name="all")["GroupId"]
    client.register_to_work_mail(
        OrganizationId=organization, EntityId=group, Email="all@doomed.test"
    )
    for name in PEOPLE:
        user = client.create_user(
            OrganizationId=organization, Name=name, DisplayName=name, Password=PASSWORD
        )["UserId"]
        client.register_to_work_mail(
            OrganizationId=organization, EntityId=user, Email=f"{name}@doomed.test"
        )
        client.associate_member_to_group(OrganizationId=organization, GroupId=group, MemberId=user)
        with server.imapclient(f"{name}@doomed.test", PASSWORD) as mail:
            for message in messages(name):
                mail.append("INBOX", message)
            mail.select_folder("INBOX")
            for number in range(COPIES):
                mail.create_folder(f"Copies/{number}")
                mail.copy("1:*", f"Copies/{number}")
    return organization


def messages(name: str) -> Iterator[bytes]:
    for number in range(MESSAGES):
        yield compose("ada@demo.test", f"{name}@doomed.test", f"Message {number}").as_bytes()


def wait_for_progress(server: Server, mailboxes: list[int], dice: random.Random) -> None:
    """Return at a random moment of what is left of the job, now and then before its start."""
    count = f"SELECT COUNT(*) FROM item WHERE mailbox IN ({', '.join(map(str, mailboxes))})"
    [(items,)] = run(server, count)
    enough = dice.randrange(items + 1)
    deadline = time.monotonic() + 30
    while run(server, count)[0][0] > enough:
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.001)
    time.sleep(dice.random() * MOST_DELAY)


def state_of(server: Server, organization: str) -> str:
    state: str = server.aws().describe_organization(OrganizationId=organization)["State"]
    return state


def until_deleted(server: Server, organization: str) -> None:
    deadline = time.monotonic() + 30
    while state_of(server, organization) != "Deleted":
        assert time.monotonic() < deadline, server.last_words
        time.sleep(0.02)


def run(server: Server, statement: str) -> list[Any]:
    """Rows of a statement, behind the server's back."""
    url = server.env.get("WORKPOST_DATABASE__URL")
    if url is not None:
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(server.data / "store" / "workpost.db", timeout=30)) as file, file:
        return file.execute(statement).fetchall()


def left(server: Server, organization: str, mailboxes: list[int]) -> dict[str, int]:
    """How many rows each table still has of the organization."""
    numbers = ", ".join(map(str, mailboxes))
    wanted = {
        **dict.fromkeys((*OF_ORGANIZATION, *OF_DIRECTORY), f"org = '{organization}'"),
        **dict.fromkeys(("queue", "job", "mailbox"), f"org = '{organization}'"),
        **dict.fromkeys((*OF_MAILBOX, "item"), f"mailbox IN ({numbers})"),
    }
    counts = {
        table: run(server, f"SELECT COUNT(*) FROM {table} WHERE {where}")[0][0]
        for table, where in wanted.items()
    }
    return {table: count for table, count in counts.items() if count}


def assert_shredded(server: Server, organization: str, mailboxes: list[int]) -> None:
    """No key of the organization or of its mailboxes is left."""
    scopes = [f"org/{organization}"]
    scopes += [f"{kind}/{mailbox}" for kind in ("mailbox", "tag") for mailbox in mailboxes]
    with closing(sqlite3.connect(server.data / "keys" / "keys.db", timeout=30)) as file:
        for scope in scopes:
            found = file.execute(
                "SELECT wrapped, destroyed_at FROM keys WHERE scope = ?", (scope,)
            ).fetchall()
            assert found, scope
            assert all(not any(wrapped) and at for wrapped, at in found), scope
    assert f"org/{organization}" in (server.data / "keys" / "shred.log").read_text()
