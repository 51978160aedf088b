"""What the doctor says of the machine: listeners, clock, port 25, disk, keys, database, queue."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from tests.operations.doctor.conftest import HOST, NOW
from tests.support.talking import listening, says
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import TryLater
from workpost.kernel.settings import Settings
from workpost.operations.doctor.clock import check_clock
from workpost.operations.doctor.database import check_database
from workpost.operations.doctor.disk import judge
from workpost.operations.doctor.examining import examine
from workpost.operations.doctor.keys import check_backups, check_keys
from workpost.operations.doctor.outbound import check_outbound, greeting_problem
from workpost.operations.doctor.patient import Patient, Verdict, ok
from workpost.operations.doctor.ports import check_outside, check_ports
from workpost.operations.doctor.queue import check_queue
from workpost.operations.upkeep.marks import mark, read_marks
from workpost.protocols.listening.tls import Certificates, ensure_self_signed
from workpost.store.core import Core
from workpost.store.database.condition import look_at
from workpost.store.database.unit import Tx, command


def at(patient: Patient, **endpoints: str) -> Patient:
    return msgspec.structs.replace(patient, endpoints=endpoints)


def only(found: list[Verdict]) -> Verdict:
    (one,) = found
    return one


# --- listeners ---


async def test_a_server_that_does_not_run(lone: Patient) -> None:
    assert only(await check_ports(lone)).level == "failure"
    assert only(await check_outside(msgspec.structs.replace(lone, online=True))).level == "skipped"


async def test_a_port_where_nobody_listens(lone: Patient) -> None:
    found = only(await check_ports(at(lone, smtp="127.0.0.1:1")))
    assert (found.level, found.check) == ("failure", "port.smtp")
    assert "no connection" in found.text


@pytest.mark.parametrize(
    ("name", "lines", "text"),
    [
        ("smtp", [b"SSH-2.0-OpenSSH_9\r\n"], "SSH-2.0"),
        ("smtp", [b"220 x\r\n", b"250 x\r\n"], "does not offer STARTTLS"),
        ("smtp", [b"554 no\r\n"], "554 no"),
        ("smtp", [], "hangs up"),
        ("smtp", [b"220 x\r\n", b"250-a\r\n" * 100], "no end"),
        ("imap", [b"* BYE\r\n"], "BYE"),
        ("imap", [b"* OK\r\n", b"a BAD\r\n"], "STARTTLS"),
        ("http", [b"+OK POP3\r\n"], "POP3"),
    ],
)
async def test_something_else_at_a_port(
    lone: Patient, name: str, lines: list[bytes], text: str
) -> None:
    async with listening(says(*lines)) as where:
        found = only(await check_ports(at(lone, **{name: where})))
    assert found.level == "failure"
    assert "something else" in found.text
    assert text in found.text


@pytest.mark.parametrize(
    ("hostname", "now", "level", "text"),
    [
        (HOST, dt.timedelta(0), "ok", "certificate until"),
        (
            "other.example.org",
            dt.timedelta(0),
            "failure",
            "is for 127.0.0.1, localhost, other.example.org",
        ),
        (HOST, dt.timedelta(days=360), "warning", "certificate until"),
        (HOST, dt.timedelta(days=370), "failure", "ended"),
    ],
)
async def test_the_certificate_of_a_listener(
    lone: Patient, tmp_path: Path, hostname: str, now: dt.timedelta, level: str, text: str
) -> None:
    made = Certificates(ensure_self_signed(tmp_path / "tls", hostname, NOW))

    async def starttls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 hello\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n"):
            writer.write(reply)
            line = await reader.readline() if reply[:6] != b"220 go" else b""
            assert line in {b"EHLO doctor.invalid\r\n", b"STARTTLS\r\n", b""}
        await writer.start_tls(made.context)
        await reader.readline()
        writer.write(b"250 x\r\n")

    async with listening(starttls) as where:
        env = FixedEnvironment(int((NOW + now).timestamp() * 1000))
        asked = msgspec.structs.replace(at(lone, smtp=where), env=env)
        found = only(await check_ports(asked))
    assert found.level == level, found
    assert text in found.text


# --- clock and port 25 ---


@pytest.mark.parametrize(
    ("off", "level"),
    [(0, "ok"), (-20, "ok"), (60, "warning"), (-600, "failure"), (None, "skipped")],
)
async def test_the_clock_is_compared_with_a_web_servers_date(
    lone: Patient, off: int | None, level: str
) -> None:
    there = format_datetime(NOW + dt.timedelta(seconds=off or 0), usegmt=True)
    date = b"" if off is None else f"Date: {there}\r\n".encode()
    async with listening(says(b"HTTP/1.1 200 OK\r\n" + date + b"\r\n")) as where:
        doctor = msgspec.structs.replace(lone.settings.doctor, clock_url=f"http://{where}/")
        settings = msgspec.structs.replace(lone.settings, doctor=doctor)
        asked = msgspec.structs.replace(lone, settings=settings, online=True)
        assert only(await check_clock(asked)).level == level


async def test_port_25_elsewhere() -> None:
    async with listening(says(b"220 mx.elsewhere.test ESMTP\r\n")) as where:
        host, port = where.split(":")
        assert await greeting_problem(host, int(port)) == ""
    async with listening(says(b"554 go away\r\n")) as where:
        host, port = where.split(":")
        assert "554 go away" in await greeting_problem(host, int(port))
    assert "127.0.0.1" in await greeting_problem("127.0.0.1", 1)


async def test_others_are_asked_only_when_that_is_wanted(lone: Patient) -> None:
    for check in (check_clock, check_outbound, check_outside):
        assert only(await check(lone)).level == "skipped"


async def test_a_peer_without_mail_servers_says_nothing_of_port_25(lone: Patient) -> None:
    assert only(await check_outbound(msgspec.structs.replace(lone, online=True))).level == "skipped"


# --- disk ---


@pytest.mark.parametrize(
    ("free", "inodes", "levels"),
    [
        (500_000, 500, ["ok", "ok"]),
        (100_000, 100, ["warning", "warning"]),
        (40_000, 40, ["failure", "failure"]),
    ],
)
def test_room_on_a_disk(free: int, inodes: int, levels: list[str]) -> None:
    values = (1 << 20, 1 << 20, 1_000_000, free, free, 1_000, inodes, inodes, 0, 255)
    found = judge(Path("/srv"), os.statvfs_result(values))
    assert [one.level for one in found] == levels


def test_less_than_a_gigabyte_is_too_little_on_any_disk() -> None:
    values = (4096, 4096, 100_000, 90_000, 90_000, 0, 0, 0, 0, 255)
    (space,) = judge(Path("/srv"), os.statvfs_result(values))
    assert space.level == "failure"


# --- keys and backups ---


async def test_keys_within_the_data_are_warned_of(patient: Patient) -> None:
    found = await check_keys(patient)
    assert {one.level for one in found if one.check == "keys.apart"} == {"warning"}
    assert {one.level for one in found if one.check == "keys.rights"} == {"ok"}


async def test_keys_that_others_may_read_are_a_failure(patient: Patient) -> None:
    path = patient.settings.keyring_path
    path.chmod(0o644)
    found = [one for one in await check_keys(patient) if one.level == "failure"]
    path.chmod(0o600)
    assert [(one.check, one.advice) for one in found] == [("keys.rights", f"chmod go= {path}")]


async def test_a_key_ring_that_is_gone_is_a_failure(patient: Patient, tmp_path: Path) -> None:
    keys = msgspec.structs.replace(patient.settings.keys, keyring=str(tmp_path / "gone.json"))
    settings = msgspec.structs.replace(patient.settings, keys=keys)
    found = await check_keys(msgspec.structs.replace(patient, settings=settings))
    assert [one.subject for one in found if one.level == "failure"] == [str(tmp_path / "gone.json")]


async def test_backups_are_to_be_made_and_young(patient: Patient, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(patient.settings, data_dir=str(tmp_path))
    asked = msgspec.structs.replace(patient, settings=settings)
    now = int(NOW.timestamp() * 1000)
    assert [one.level for one in await check_backups(asked)] == ["warning", "warning"]
    mark(settings, "data", now - 3_600_000)
    mark(settings, "keys", now - 49 * 3_600_000)
    assert [one.level for one in await check_backups(asked)] == ["ok", "warning"]
    (tmp_path / "backups.json").write_text("?")
    assert read_marks(settings).data == 0


# --- database and queue ---


async def test_a_whole_database(patient: Patient) -> None:
    assert [one.level for one in await check_database(patient)] == ["ok", "ok"]


def damaged(path: Path) -> None:
    """A database with a table whose pages are overwritten."""
    path.parent.mkdir()
    connection = apsw.Connection(str(path))
    connection.execute(
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied INTEGER);"
        "INSERT INTO schema_version VALUES (3, 0);"
        "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);"
    )
    with connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(f"{n:0500}",) for n in range(200)])
    connection.close()
    with path.open("r+b") as file:
        file.seek(4096 * 6)
        file.write(b"\xff" * 4096)


async def test_a_damaged_database_of_another_version(patient: Patient, tmp_path: Path) -> None:
    damaged(tmp_path / "store" / "workpost.db")
    settings = Settings(data_dir=str(tmp_path))
    found = await check_database(msgspec.structs.replace(patient, settings=settings))
    assert found[0].level == "warning"
    assert {one.check for one in found if one.level == "failure"} == {"database.whole"}


def test_looking_at_a_database_changes_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TryLater):
        look_at(Settings(data_dir=str(tmp_path)), 1.0)
    assert list(tmp_path.iterdir()) == []


@command
def fill_queue(tx: Tx, *, created: int, due: int, state: str) -> None:
    tx.run(
        "INSERT INTO queue VALUES (?, 'o', ?, ?, 1, ?, 'x', ?, NULL, '')", 1, b"", b"", b"", created
    )
    row = "INSERT INTO queue_rcpt VALUES (1, 0, 'a.test', ?, 0, ?, 0, 0, ?, 0, '')"
    tx.run(row, state, due, b"")


@pytest.mark.parametrize(
    ("age", "due", "state", "expected"),
    [
        (1, 1, "waiting", {}),
        (5 * 60, 30, "waiting", {"queue.age": "warning"}),
        (5 * 60, -60, "waiting", {"queue.age": "warning", "queue.due": "failure"}),
        (5 * 60, -60, "held", {"queue.held": "warning"}),
    ],
)
async def test_mail_that_waits(
    patient: Patient, age: int, due: int, state: str, expected: dict[str, str]
) -> None:
    """`age` and `due` in minutes."""
    core: Any = patient.core
    now = int(NOW.timestamp() * 1000)
    await core.store.write(
        fill_queue, created=now - age * 60_000, due=now + due * 60_000, state=state
    )
    found = await check_queue(patient)
    assert {one.check: one.level for one in found if one.level != "ok"} == expected


# --- all of them ---


async def test_a_check_that_breaks_keeps_no_other_from_its_turn(patient: Patient) -> None:
    async def check_broken(patient: Patient) -> list[Verdict]:
        raise OSError("no such thing")

    async def check_endless(patient: Patient) -> list[Verdict]:
        await asyncio.sleep(60)
        return []

    async def check_well(patient: Patient) -> list[Verdict]:
        return [ok("well", "", "well")]

    found = await examine(patient, (check_broken, check_endless, check_well), seconds=0.05)
    assert [(one.check, one.level) for one in found] == [
        ("broken", "failure"),
        ("endless", "failure"),
        ("well", "ok"),
    ]
    assert ["dns.servers" in one.advice for one in found] == [False, True, False]


async def test_every_finding_that_is_not_well_says_what_to_do(patient: Patient) -> None:
    bare: Core | None = None
    ill = msgspec.structs.replace(patient, resolver=type(patient.resolver)(), core=bare)
    found = await examine(ill)
    assert len(found) > 10
    assert all(one.advice for one in found if one.level in {"warning", "failure"})
