"""What a restore changes in the rows of a backup: nothing of what was shredded, new epochs."""

from __future__ import annotations

from array import array
from typing import Any

from workpost.store.content.types import INLINE
from workpost.store.tables.erasing import OF_DIRECTORY
from workpost.store.tables.organizations import DELETED

DISABLED = "DISABLED"
ENABLED = "ENABLED"


class RowFilter:
    """Rows as a restored database shall have them, table after table in the order of a dump.

    A shredded mailbox's rows are left out and its owner is disabled, as after the mailbox was
    purged; of a shredded organization its tombstone stays, and the directory that it had left
    behind when it was backed up. `place` says where contents outside
    the database go now, None leaves it as it was.
    """

    def __init__(
        self, tables: dict[str, list[str]], shredded: set[str], *, epoch: int, place: int | None
    ) -> None:
        self._columns = {
            table: {name: at for at, name in enumerate(columns)}
            for table, columns in tables.items()
        }
        self._organizations = {scope[4:] for scope in shredded if scope.startswith("org/")}
        self._shredded = {int(scope[8:]) for scope in shredded if scope.startswith("mailbox/")}
        self._queues: set[int] = set()
        self._left: set[str] = set()
        """Shredded organizations whose directory, if there is any, waits for another one."""
        self._epoch = epoch
        self._place = place
        self.mailboxes = array("q")
        """The mailboxes that were kept."""

    def keep(self, table: str, rows: list[list[Any]]) -> list[list[Any]]:
        """The rows of one chunk that stay, changed where they have to be."""
        at = self._columns[table]
        if table == "organization":
            return [self._organization(row, at) for row in rows]
        if table == "mailbox":
            return [self._mailbox(row, at) for row in rows if self._stays(row, at)]
        if table == "entity":
            return [self._entity(row, at) for row in rows if self._belongs(row, at)]
        if table == "content":
            return [self._content(row, at) for row in rows]
        if table in OF_DIRECTORY:
            return [row for row in rows if self._belongs(row, at)]
        if table == "queue_rcpt":
            return [row for row in rows if row[at["queue"]] not in self._queues]
        return [row for row in rows if self._stays(row, at)]

    def _belongs(self, row: list[Any], at: dict[str, int]) -> bool:
        """Whether a row of a directory stays."""
        return row[at["org"]] in self._left or self._stays(row, at)

    def _stays(self, row: list[Any], at: dict[str, int]) -> bool:
        """Whether a row belongs to nothing that was shredded; remembers what goes with it."""
        org = row[at["org"]] if "org" in at else None
        gone = org in self._organizations
        if "epoch" in at:
            if gone:
                self._shredded.add(row[at["id"]])
            return row[at["id"]] not in self._shredded
        if "sealed_envelope" in at and gone:
            self._queues.add(row[at["id"]])
        if "mailbox" in at and "org" not in at:
            return row[at["mailbox"]] not in self._shredded
        return not gone

    def _organization(self, row: list[Any], at: dict[str, int]) -> list[Any]:
        if row[at["id"]] in self._organizations and row[at["state"]] == DELETED:
            self._left.add(row[at["id"]])
        elif row[at["id"]] in self._organizations:
            row[at["state"]] = DELETED
            row[at["users"]] = 0
        return row

    def _mailbox(self, row: list[Any], at: dict[str, int]) -> list[Any]:
        row[at["epoch"]] = max(row[at["epoch"]] + 1, self._epoch)
        self.mailboxes.append(row[at["id"]])
        return row

    def _entity(self, row: list[Any], at: dict[str, int]) -> list[Any]:
        if row[at["mailbox"]] in self._shredded:
            row[at["mailbox"]] = None
            if row[at["state"]] == ENABLED:
                row[at["state"]] = DISABLED
        return row

    def _content(self, row: list[Any], at: dict[str, int]) -> list[Any]:
        if self._place is not None and row[at["place"]] != INLINE:
            row[at["place"]] = self._place
        return row
