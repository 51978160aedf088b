"""Bounds that listeners share."""

import pytest

from workpost.protocols.listening.limits import (
    ByteBudget,
    is_loopback,
    peer_network,
)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("somewhere", "somewhere"),
    ],
)
def test_what_counts_as_one_peer(host, network):
    assert peer_network(host) == network


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_a_budget_holds_what_it_holds():
    budget = ByteBudget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert (budget.used, budget.free) == (7, 3)
    budget.release(7)
    assert budget.take(10)
    assert budget.free == 0
