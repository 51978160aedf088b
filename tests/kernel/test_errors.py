"""Domain errors keep their names across processes."""

from __future__ import annotations

import pytest

from workpost.kernel.errors import Fault, QuotaExceeded, WorkpostError, revive


def test_an_error_is_made_again_by_its_name() -> None:
    again = revive("QuotaExceeded", "The mailbox is full.")
    assert type(again) is QuotaExceeded
    assert again.message == "The mailbox is full."
    assert type(revive("NoSuchError", "x")) is Fault


def test_no_two_errors_have_one_name() -> None:
    with pytest.raises(TypeError, match="two errors QuotaExceeded"):
        type("QuotaExceeded", (WorkpostError,), {})
    assert WorkpostError.registry["QuotaExceeded"] is QuotaExceeded
