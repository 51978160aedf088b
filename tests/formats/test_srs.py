"""The Sender Rewriting Scheme: what goes out comes back, what others make does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats import addresses as syntax
from workpost.formats.srs import (
    TOLERATED_DAYS,
    VALID_DAYS,
    SrsError,
    is_srs,
    reverse,
    rewrite,
)

KEY, OTHER = b"k" * 32, b"o" * 32
TODAY = 20_784
HERE = "demo.test"

label = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,8}[A-Za-z0-9])?", fullmatch=True)
domains = st.lists(label, min_size=1, max_size=3).map(".".join)
atoms = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}", fullmatch=True)
quoted = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
locals_ = atoms | quoted.map(syntax.quote_local)
senders = st.builds("{}@{}".format, locals_, domains)


@given(senders, st.integers(0, 10**6), st.integers(0, VALID_DAYS))
def test_a_sender_comes_back_as_it_was(sender: str, day: int, later: int) -> None:
    made = rewrite(KEY, sender, HERE, day)
    assert syntax.split(made)[1] == HERE
    assert is_srs(made)
    back = reverse(KEY, made, day + later)
    if is_srs(sender):
        assert back.lower() == sender.lower()
    else:
        assert back == sender


@given(senders, st.integers(0, 10**6))
def test_it_survives_hosts_that_change_case(sender: str, day: int) -> None:
    made = rewrite(KEY, sender, HERE, day)
    for changed in (made.lower(), made.upper()):
        assert reverse(KEY, changed, day).lower() == sender.lower()


def test_further_forwarders_name_the_first_one_and_do_not_grow() -> None:
    first = rewrite(OTHER, "ada@first.example", "one.example", TODAY)
    second = rewrite(OTHER, first, "two.example", TODAY)
    third = rewrite(KEY, second, HERE, TODAY)
    fourth = rewrite(KEY, third, HERE, TODAY)
    assert len(fourth) == len(third)
    for made in (third, fourth):
        assert made.startswith("SRS1=")
        assert reverse(KEY, made, TODAY) == first


@given(st.text(max_size=80), st.integers(0, 10**6))
def test_what_others_write_is_refused_whatever_it_is(local: str, day: int) -> None:
    for form in (f"{local}@{HERE}", f"SRS0={local}@{HERE}", f"SRS1={local}@{HERE}", local):
        with pytest.raises(SrsError):
            reverse(KEY, form, day)


def test_a_forged_or_moved_address_is_refused() -> None:
    made = rewrite(KEY, "ada@example.test", HERE, TODAY)
    for wrong in (
        made.replace("ada", "eve"),
        made.replace("example.test", "example.example"),
        made.replace(HERE, "other.test"),
        rewrite(OTHER, "ada@example.test", HERE, TODAY),
        made.replace("SRS0=", "SRS1="),
    ):
        with pytest.raises(SrsError):
            reverse(KEY, wrong, TODAY)


def test_it_ends_after_three_weeks_and_takes_a_clock_that_is_ahead() -> None:
    made = rewrite(KEY, "ada@example.test", HERE, TODAY)
    assert reverse(KEY, made, TODAY - TOLERATED_DAYS) == "ada@example.test"
    assert reverse(KEY, made, TODAY + VALID_DAYS) == "ada@example.test"
    for day in (TODAY - TOLERATED_DAYS - 1, TODAY + VALID_DAYS + 1, TODAY + 500):
        with pytest.raises(SrsError, match="expired"):
            reverse(KEY, made, day)


@pytest.mark.parametrize(
    "sender", ["", "postmaster", "x" * 240 + "@example.test"], ids=["null", "no domain", "long"]
)
def test_what_cannot_be_rewritten_says_so(sender: str) -> None:
    with pytest.raises(SrsError):
        rewrite(KEY, sender, HERE, TODAY)


def test_senders_of_other_software_are_chained() -> None:
    for sender in ("SRS0+HH+TT=x.example=ada@f.example", "srs0-HH-TT=x.example=ada@f.example"):
        made = rewrite(KEY, sender, HERE, TODAY)
        assert made.startswith("SRS1=")
        assert reverse(KEY, made, TODAY).lower() == sender.lower()
