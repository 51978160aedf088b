"""Which tables erasing empties: every one that holds something of a mailbox or organization."""

import re

from workpost.store.schema.migrate import migrations
from workpost.store.tables import erasing

ELSEWHERE = {
    "mailbox": "its row goes last",
    "item": "with its content",
    "queue": "with its recipients and content",
    "in_transit": "with its content",
    "job": "the job that erases goes last",
}


ONLY_NAMED = {"entity", "export_job"}
"""Tables of an organization that say which mailbox, and outlive it."""


def keys_of(column: str) -> dict[str, str]:
    """Primary keys by table, of the tables that have the column."""
    found = {}
    for step in migrations():
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", step.sql, re.DOTALL):
            if re.search(rf"^\s+{column} ", body, re.MULTILINE):
                whole = re.search(r"PRIMARY KEY \((.*?)\)", body)
                single = re.search(r"(\w+) \w+ PRIMARY KEY", body)
                key = whole or single
                assert key is not None
                found[name] = key[1]
    return found


def test_every_table_of_an_organization_is_emptied() -> None:
    expected = {**erasing.OF_ORGANIZATION, **erasing.OF_DIRECTORY}
    found = keys_of("org")
    assert {name: key for name, key in found.items() if name not in ELSEWHERE} == expected


def test_every_table_of_a_mailbox_is_emptied() -> None:
    found = {name: key for name, key in keys_of("mailbox").items() if name not in ONLY_NAMED}
    assert {name: key for name, key in found.items() if name not in ELSEWHERE} == erasing.OF_MAILBOX
