"""Each sealed column of an organization moves to its new key whole, also while rows change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.upkeep.conftest import Mail
from workpost.operations.upkeep import rotation
from workpost.store.core import Core
from workpost.store.database.unit import Tx, command
from workpost.store.keys import sealing
from workpost.store.tables.sealed_columns import page_sealed, rewrap_sealed

ROWS = 7
COLUMNS: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "availability": (
        ["domain"],
        {"kind": "EWS", "target": "", "username": "", "created": 0, "modified": 0},
        "sealed",
    ),
    "dkim_key": (
        ["domain", "selector"],
        {"algorithm": "rsa", "public": "", "created": 0, "state": "ACTIVE"},
        "sealed",
    ),
    "event": (["at", "id"], {"kind": "TEST"}, "sealed"),
    "in_transit": (
        ["id"],
        {
            "direction": "incoming",
            "content": b"c",
            "skip": 0,
            "function": "",
            "running": 0,
            "synchronous": 0,
            "replaced": 0,
            "fence": 0,
            "expires": 1 << 60,
        },
        "wrapped_key",
    ),
    "service_log": (["at", "id"], {"kind": "TEST", "lines": 1}, "sealed"),
    "smtp_gateway": (
        ["id"],
        {"host": "h", "port": 25, "username": "", "created": 0, "modified": 0},
        "sealed",
    ),
    "suppression": (["tag"], {"since": 0, "until": 1 << 60}, "sealed"),
}
tables = pytest.mark.parametrize("table", sorted(COLUMNS))


@command
def _change(tx: Tx, *, statement: str, values: list[Any]) -> None:
    tx.run(statement, *values)


async def change(mail: Mail, statement: str, *values: Any) -> None:
    await mail.core.store.write(_change, statement=statement, values=list(values))


def test_each_of_them_has_a_place() -> None:
    assert set(rotation.PLACES) == set(COLUMNS)


def key_of(table: str, number: int) -> list[Any]:
    """Keys that share their first part, where they have two: pages must go by both."""
    names = COLUMNS[table][0]
    if names == ["at", "id"]:
        return [5 + number // 4, 100 - number]
    if names == ["domain", "selector"]:
        return [f"d{number // 4}.example", f"s{9 - number}"]
    return [b"%d" % number] if names == ["tag"] else [f"k{number}.example"]


async def plant(mail: Mail, table: str) -> dict[tuple[Any, ...], bytes]:
    """Rows under the key that is current now; their values by key."""
    key = await mail.core.keys.organization(mail.organization)
    names, more, sealed = COLUMNS[table]
    await change(mail, f"DELETE FROM {table}")
    planted = {}
    for number in range(ROWS):
        own = key_of(table, number)
        value = planted[tuple(own)] = b"value %d" % number
        row = {"org": mail.organization, **dict(zip(names, own, strict=True)), **more}
        if table == "smtp_gateway":
            row["name"] = f"gateway {number}"
        row[sealed] = sealing.seal(key.key, value, rotation.PLACES[table](mail.organization, *own))
        row["gen"] = key.gen
        marks = ", ".join("?" * len(row))
        await change(
            mail, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values()
        )
    return planted


@tables
async def test_all_rows_are_under_the_new_key(
    mail: Mail, core: Core, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE", 2)
    planted = await plant(mail, table)
    assert await rotation.rotate_organization(core, mail.organization) == 2
    key = await core.keys.organization(mail.organization)
    names, _, sealed = COLUMNS[table]
    found = {}
    for *own, gen, value in await mail.directory.run(
        f"SELECT {', '.join(names)}, gen, {sealed} FROM {table}"
    ):
        assert gen == key.gen == 2
        own = [bytes(one) if isinstance(one, memoryview) else one for one in own]
        place = rotation.PLACES[table](mail.organization, *own)
        found[tuple(own)] = sealing.unseal(key.key, bytes(value), place)
    assert found == planted
    assert await rotation.rewrap_organization(core, mail.organization) == 0


@tables
async def test_what_somebody_has_changed_or_deleted_meanwhile_stays_so(
    mail: Mail, core: Core, table: str
) -> None:
    await plant(mail, table)
    names, _, sealed = COLUMNS[table]
    page = await core.store.read(
        page_sealed, table=table, organization=mail.organization, after=None, limit=ROWS
    )
    rows = [(tuple(own), bytes(value), b"new") for *own, _, value in page]
    where = " AND ".join(f"{name} = ?" for name in names)
    changed, deleted = rows[0][0], rows[1][0]
    await change(mail, f"UPDATE {table} SET {sealed} = ? WHERE {where}", b"x", *changed)
    await change(mail, f"DELETE FROM {table} WHERE {where}", *deleted)
    await core.store.write(
        rewrap_sealed, table=table, organization=mail.organization, gen=2, rows=rows
    )
    left = await mail.directory.run(f"SELECT gen, {sealed} FROM {table}")
    values = sorted((gen, bytes(value)) for gen, value in left)
    assert values == sorted([(1, b"x"), *[(2, b"new")] * (ROWS - 2)])
