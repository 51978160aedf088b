"""NextToken: opaque, bound to its listing, good for a day."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api import ACCOUNT, NOW, ORGANIZATION, services
from workpost.kernel.clock import FixedEnvironment
from workpost.kernel.errors import InvalidParameter
from workpost.protocols.api.pagination import LIFETIME_MS, PageTokens

KEY = bytes(range(32))
LISTING: dict[str, Any] = {
    "operation": "ListUsers",
    "account": ACCOUNT,
    "organization": ORGANIZATION,
    "filters": {"State": "ENABLED", "UsernamePrefix": "a"},
}


def make() -> tuple[PageTokens, FixedEnvironment]:
    environment = FixedEnvironment(NOW)
    return PageTokens(KEY, environment), environment


@given(
    st.tuples(st.text(max_size=100), st.integers(0, 2**63 - 1), st.binary(max_size=20), st.none())
)
def test_positions_come_back(position: tuple[str, int, bytes, None]) -> None:
    tokens, _ = make()
    token = tokens.seal(position, **LISTING)
    assert tokens.open(token, **LISTING) == position


def test_tokens_fit_the_model() -> None:
    tokens, _ = make()
    validate = services()["workmail"].operations["ListUsers"].validate
    token = tokens.seal(("ÿ" * 256, 2**62, "x" * 36), **LISTING)
    document = {"OrganizationId": ORGANIZATION, "NextToken": token}
    assert validate(document) == (document, [])
    with pytest.raises(ValueError, match="over the limit"):
        tokens.seal(("x" * 800,), **LISTING)


def test_order_of_filters_does_not_matter() -> None:
    tokens, _ = make()
    token = tokens.seal((1,), **LISTING)
    turned = dict(reversed(list(LISTING["filters"].items())))
    assert tokens.open(token, **{**LISTING, "filters": turned}) == (1,)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "ListGroups"},
        {"account": "444455556666"},
        {"organization": "m-" + "f" * 32},
        {"filters": {"State": "ENABLED"}},
        {"filters": None},
    ],
)
def test_a_token_belongs_to_one_listing(change: dict[str, object]) -> None:
    tokens, _ = make()
    token = tokens.seal((1,), **LISTING)
    with pytest.raises(InvalidParameter, match="does not belong"):
        tokens.open(token, **{**LISTING, **change})


def test_a_token_lives_for_a_day() -> None:
    tokens, environment = make()
    token = tokens.seal((1,), **LISTING)
    environment.advance(LIFETIME_MS)
    assert tokens.open(token, **LISTING) == (1,)
    environment.advance(1)
    with pytest.raises(InvalidParameter, match="expired"):
        tokens.open(token, **LISTING)


def test_another_installations_token_is_refused() -> None:
    tokens, environment = make()
    token = PageTokens(bytes(32), environment).seal((1,), **LISTING)
    with pytest.raises(InvalidParameter):
        tokens.open(token, **LISTING)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.hex()))
def test_made_up_tokens_are_refused(token: str) -> None:
    tokens, _ = make()
    with pytest.raises(InvalidParameter):
        tokens.open(token, **LISTING)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_altered_tokens_are_refused(place: int, flip: int) -> None:
    import base64

    tokens, _ = make()
    raw = bytearray(base64.b64decode(tokens.seal((1, "a"), **LISTING)))
    raw[place % len(raw)] ^= flip
    with pytest.raises(InvalidParameter):
        tokens.open(base64.b64encode(bytes(raw)).decode(), **LISTING)
