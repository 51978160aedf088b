"""Migration 9: who users are at the identity provider is found in their properties."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import psycopg

from workpost.store.schema.migrate import migrations, prepare_sqlite
from workpost.store.schema.postgresql import prepare_postgresql

BEFORE = [step for step in migrations() if step.number < 9]
UUID = "9f2d3c4b-1111-2222-3333-0123456789ab"
INSERT = (
    "INSERT INTO entity (org, id, kind, state, name, name_fold, display, display_fold, hidden,"
    " created, props, version) VALUES ('o', '{id}', 'USER', '{state}', '{id}', '{id}', '', '', 0,"
    " 0, '{props}', 1)"
)
USERS = {
    "a": ("DISABLED", {"IdentityProviderUserId": "0123456789-" + UUID.upper()}),
    "b": ("ENABLED", {"IdentityProviderUserId": UUID}),
    "c": ("ENABLED", {"IdentityProviderUserId": UUID[:-1] + "c"}),
    "d": ("ENABLED", {"UserRole": "USER"}),
    "e": ("ENABLED", {}),
    "f": ("DELETED", {"IdentityProviderUserId": UUID}),
}
INSERTS = [
    INSERT.format(id=id, state=state, props=json.dumps(props))
    for id, (state, props) in USERS.items()
]
FOUND = "SELECT id, identity FROM entity WHERE identity IS NOT NULL ORDER BY id"
EXPECTED = [("a", UUID), ("c", UUID[:-1] + "c")]


def test_on_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "db" / "x.db"
    prepare_sqlite(path, BEFORE)
    connection = apsw.Connection(str(path))
    for insert in INSERTS:
        connection.execute(insert)
    connection.close()
    prepare_sqlite(path)
    connection = apsw.Connection(str(path))
    assert connection.execute(FOUND).fetchall() == EXPECTED
    connection.close()


def test_on_postgresql(postgres_database: str) -> None:
    prepare_postgresql(postgres_database, BEFORE)
    with psycopg.connect(postgres_database) as connection:
        for insert in INSERTS:
            connection.execute(insert)
    prepare_postgresql(postgres_database)
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute(FOUND).fetchall() == EXPECTED
