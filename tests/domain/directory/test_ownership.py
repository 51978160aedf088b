"""Who is in the address book, with and without interoperability."""

from __future__ import annotations

import pytest

from workpost.domain.directory.ownership import is_in_address_book
from workpost.store.tables.entities import EntityRow


@pytest.mark.parametrize(
    ("state", "hidden", "alone", "with_exchange"),
    [
        ("ENABLED", 0, True, True),
        ("ENABLED", 1, False, False),
        ("DISABLED", 0, False, True),
        ("DISABLED", 1, False, False),
        ("DELETED", 0, False, False),
    ],
)
def test_the_address_book(state: str, hidden: int, alone: bool, with_exchange: bool) -> None:
    names = ("ada", "ada", "Ada", "ada", None, None)
    dates = (0, None, None, None, None)
    row = EntityRow("m-1", "u-1", "USER", state, *names, hidden, None, None, *dates, "{}", 1)
    assert is_in_address_book(row, interoperability=False) is alone
    assert is_in_address_book(row, interoperability=True) is with_exchange
