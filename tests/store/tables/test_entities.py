"""Listings cost what they show: a page far behind, or with few hits among many, is no slower."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from workpost.kernel.clock import SystemEnvironment
from workpost.store.database.sqlite import SqliteReader, SqliteTx, open_reader, open_writer
from workpost.store.schema.migrate import prepare_sqlite
from workpost.store.tables import entities

ENV = SystemEnvironment()
USERS = 1_200
PAGE = 10
STEPS = 10
"""Steps of SQLite's machine that are counted as one."""


class Counted:
    """A reading connection that counts how much work its queries are."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.steps = 0
        self._reader = SqliteReader(connection, ENV)
        connection.set_progress_handler(self._step, STEPS)

    def _step(self) -> bool:
        self.steps += 1
        return False

    def page(
        self, order: str, state: str | None, after: tuple[str, str], prefix: str = ""
    ) -> tuple[list[tuple[str, entities.EntityRow]], int]:
        self.steps = 0
        rows = entities.list_entities(
            self._reader,
            org="m-1",
            kind=entities.USER,
            order=order,
            prefix=prefix,
            state=state,
            after=after,
            limit=PAGE,
        )
        return rows, self.steps


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    """Of three users one has an address, one is disabled, one deleted, those lie among the rest."""
    path: Path = tmp_path_factory.mktemp("entities") / "workpost.db"
    prepare_sqlite(path)
    writer = open_writer(path)
    tx = SqliteTx(writer, ENV)
    writer.execute("BEGIN")
    for number in range(USERS):
        user, name = f"id-{number:06}", f"user {number:06}"
        assert entities.insert_entity(
            tx,
            org="m-1",
            entity=user,
            kind=entities.USER,
            name=name,
            name_fold=name,
            display=name,
            display_fold=name,
            hidden=False,
            password=None,
            props="{}",
            version=1,
        )
        if number % 3 == 0:
            entities.enable(
                tx,
                org="m-1",
                entity=user,
                address=f"{name}@demo.test",
                addr_fold=f"{name}@demo.test",
                mailbox=None,
                enabled_at=1,
                provisioned_at=None,
                version=2,
            )
        elif number % 3 == 1 or number < USERS // 2:
            entities.delete_entity(tx, org="m-1", entity=user, props="{}", version=2)
    writer.execute("COMMIT")
    reader = open_reader(path)
    yield Counted(reader)
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    ("order", "state"),
    [
        ("name", None),
        ("display", None),
        ("address", None),
        ("name", "ENABLED"),
        ("name", "DISABLED"),
        ("name", "DELETED"),
    ],
)
def test_every_page_costs_what_the_first_one_costs(
    counted: Counted, order: str, state: str | None
) -> None:
    rows, first = counted.page(order, state, ("", ""))
    shown = 0
    while len(rows) == PAGE:
        shown += PAGE
        last = rows[-1]
        rows, cost = counted.page(order, state, (last[0], last[1].id))
        assert cost <= first * 1.5
    assert shown + len(rows) >= USERS // 6


def test_a_state_that_nobody_is_in_costs_nothing(counted: Counted) -> None:
    _, page = counted.page("name", None, ("", ""))
    rows, cost = counted.page("name", "UNKNOWN", ("", ""))
    assert rows == []
    assert cost <= page


def test_a_prefix_begins_where_it_is(counted: Counted) -> None:
    _, page = counted.page("name", None, ("", ""))
    rows, cost = counted.page("name", None, ("", ""), prefix="user 0011")
    assert all(row.name.startswith("user 0011") for _, row in rows)
    assert len(rows) == PAGE
    assert cost <= page * 1.5
