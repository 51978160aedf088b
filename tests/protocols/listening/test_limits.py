"""Bounds that listeners share."""

import pytest

from workpost.protocols.listening.limits import (
    ByteBudget,
    PeerCounter,
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


def test_a_peer_has_its_share_of_connections():
    peers = PeerCounter(2)
    assert [peers.enter("a"), peers.enter("a"), peers.enter("a"), peers.enter("b")] == [
        True, True, False, True,
    ]  # fmt: skip
    peers.leave("a")
    assert peers.enter("a")


def test_all_peers_together_have_theirs():
    peers = PeerCounter(each=2, total=3)
    assert [peers.enter(peer) for peer in "abcd"] == [True, True, True, False]
    peers.leave("b")
    assert peers.open == 2
    assert peers.enter("d")


def test_peers_that_left_cost_nothing():
    peers = PeerCounter(2)
    peers.enter("a")
    peers.leave("a")
    assert (peers.open, peers._peers) == (0, {})


def test_a_budget_holds_what_it_holds():
    budget = ByteBudget(10)
    assert budget.take(7)
    assert not budget.take(4)
    assert (budget.used, budget.free) == (7, 3)
    budget.release(7)
    assert budget.take(10)
    assert budget.free == 0
