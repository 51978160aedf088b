"""What both key stores say in SQL; an engine brings connections and what it says differently."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from workpost.store.keys.records import KeyRow

COLUMNS = "scope, gen, parent, parent_gen, wrapped, created, retired_at, destroyed_at"
INSERT = f"INSERT INTO keys ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

Value = str | int | bytes | None
Params = Sequence[Value]


class Statements(ABC):
    """The part of `KeyStore` that is one statement each."""

    zeroed: str
    """`wrapped` overwritten with zeros of its length."""

    @abstractmethod
    def _rows(self, sql: str, params: Params) -> list[KeyRow]:
        """The rows that a query finds."""

    @abstractmethod
    def _run(self, sql: str, params: Params) -> int:
        """Run a statement durably; how many rows it has changed."""

    def load(self, scope: str, gen: int | None = None) -> KeyRow | None:
        which, params = ("gen = ?", (scope, gen)) if gen is not None else ("1 = 1", (scope,))
        rows = self._rows(
            f"SELECT {COLUMNS} FROM keys WHERE scope = ? AND {which} ORDER BY gen DESC LIMIT 1",
            params,
        )
        return rows[0] if rows else None

    def rewrap(self, row: KeyRow, parent: str, parent_gen: int, wrapped: bytes) -> bool:
        changed = self._run(
            "UPDATE keys SET parent = ?, parent_gen = ?, wrapped = ? WHERE scope = ?"
            " AND gen = ? AND wrapped = ? AND destroyed_at IS NULL",
            (parent, parent_gen, wrapped, row.scope, row.gen, row.wrapped),
        )
        return changed == 1

    def children(
        self, parent: str, *, below: int, after: tuple[str, int], limit: int
    ) -> list[KeyRow]:
        return self._rows(
            f"SELECT {COLUMNS} FROM keys WHERE parent = ? AND parent_gen < ?"
            " AND destroyed_at IS NULL AND (scope, gen) > (?, ?) ORDER BY scope, gen LIMIT ?",
            (parent, below, *after, limit),
        )

    def has_children(self, parent: str, gen: int | None = None) -> bool:
        which, params = ("= ?", (parent, gen)) if gen is not None else (">= 0", (parent,))
        return bool(
            self._rows(
                f"SELECT {COLUMNS} FROM keys WHERE parent = ? AND parent_gen {which}"
                " AND destroyed_at IS NULL LIMIT 1",
                params,
            )
        )

    def superseded(self, *, after: tuple[str, int], limit: int) -> list[KeyRow]:
        return self._rows(
            f"SELECT {COLUMNS} FROM keys k WHERE destroyed_at IS NULL AND (scope, gen) > (?, ?)"
            " AND EXISTS (SELECT 1 FROM keys n WHERE n.scope = k.scope AND n.gen > k.gen)"
            " ORDER BY scope, gen LIMIT ?",
            (*after, limit),
        )

    def page(self, *, after: tuple[str, int], limit: int) -> list[KeyRow]:
        return self._rows(
            f"SELECT {COLUMNS} FROM keys WHERE (scope, gen) > (?, ?) ORDER BY scope, gen LIMIT ?",
            (*after, limit),
        )

    def retire(self, scope: str, gen: int, at: int | None) -> None:
        self._run("UPDATE keys SET retired_at = ? WHERE scope = ? AND gen = ?", (at, scope, gen))

    def destroy(self, scope: str, gen: int | None, at: int) -> int:
        which, params = ("gen = ?", (at, scope, gen)) if gen is not None else ("1 = 1", (at, scope))
        return self._run(
            f"UPDATE keys SET {self.zeroed}, destroyed_at = ?"
            f" WHERE scope = ? AND {which} AND destroyed_at IS NULL",
            params,
        )

    def destroy_family(self, parent: str, at: int) -> int:
        return self._run(
            f"UPDATE keys SET {self.zeroed}, destroyed_at = ?"
            " WHERE parent = ? AND destroyed_at IS NULL",
            (at, parent),
        )


def values(row: KeyRow) -> tuple[Value, ...]:
    """A row as `INSERT` takes it."""
    return tuple(getattr(row, name) for name in KeyRow.__struct_fields__)
