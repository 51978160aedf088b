"""What changed since: pages of one answer come from several moments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from workpost.domain.messages import shell as messages
from workpost.domain.messages.changes import FlagRow
from workpost.domain.messages.queries import ChangePage
from workpost.kernel.principal import Grant
from workpost.store.core import Core


class Pages:
    """A store that answers with these pages."""

    def __init__(self, *pages: ChangePage) -> None:
        self.pages = list(pages)
        self.asked: list[tuple[int, int]] = []

    async def read(self, _query: Any, **values: Any) -> ChangePage:
        self.asked.append(values["gone_since"])
        return self.pages.pop(0)


async def test_tombstones_dropped_between_two_pages_make_the_answer_incomplete() -> None:
    gone = [(10, uid) for uid in range(1, messages.PAGE + 1)]
    store = Pages(
        ChangePage(modseq=20, complete=True, rows=[], gone=gone),
        ChangePage(modseq=30, complete=False, rows=[FlagRow(900, 0, 30)], gone=[]),
    )
    core = cast(Core, SimpleNamespace(store=store))
    changes = await messages.changes_since(core, Grant.system("test", "m-1", 1), 1, 5)
    assert (changes.modseq, changes.complete) == (20, False)
    assert store.asked == [(5, 2**32), gone[-1]]
