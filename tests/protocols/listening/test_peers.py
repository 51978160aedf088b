"""Places of sessions: strangers give way, those who have logged in do not."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.listening.occupants import Somebody
from workpost.protocols.listening import peers as peers_module
from workpost.protocols.listening.peers import FEW, LOOK, SHARE, PeerCounter


def enter(peers, network="a", *, idle=True):
    """Whoever got a place."""
    somebody = Somebody(idle=idle)
    assert peers.enter(network, somebody)
    return somebody


def test_a_peer_has_its_share_of_connections():
    peers = PeerCounter(2)
    first = enter(peers, "a")
    enter(peers, "a")
    assert not peers.enter("a", Somebody())
    enter(peers, "b")
    peers.leave(first)
    enter(peers, "a")


def test_all_places_may_be_those_of_people():
    peers = PeerCounter(total=3)
    people = [enter(peers, peer) for peer in "abc"]
    for each in people:
        peers.know(each)
    assert not peers.enter("d", Somebody())
    peers.leave(people[1])
    assert peers.open == 2
    enter(peers, "d")
    assert not any(each.gone for each in people)


def test_peers_that_left_cost_nothing():
    peers = PeerCounter(2)
    somebody, beginner = enter(peers), Somebody()
    assert peers.begin("a", beginner)
    assert peers.hold(somebody)
    for _ in range(2):
        peers.leave(somebody)
        peers.begun(beginner)
    kept = (value for name, value in vars(peers).items() if isinstance(value, dict | set))
    assert (peers.open, peers.beginning) == (0, 0)
    assert not any(kept)


def test_the_oldest_idle_stranger_gives_way():
    peers = PeerCounter(total=4)
    busy, known, oldest, youngest = [enter(peers, peer, idle=peer != "a") for peer in "abcd"]
    peers.know(known)
    enter(peers, "e")
    assert [each.gone for each in (busy, known, oldest, youngest)] == [False, False, True, False]
    assert peers.open == 4


def test_where_nobody_is_idle_the_oldest_stranger_gives_way():
    peers = PeerCounter(total=LOOK + 2)
    strangers = [enter(peers, str(number), idle=False) for number in range(LOOK + 2)]
    enter(peers, "new")
    assert [each.gone for each in strangers] == [True] + [False] * (LOOK + 1)


def test_a_network_of_many_strangers_takes_their_places_first():
    peers = PeerCounter(total=FEW + 2)
    oldest = enter(peers, "other")
    theirs = [enter(peers, "many") for _ in range(FEW + 1)]
    enter(peers, "many")
    assert theirs[0].gone
    assert not oldest.gone


def test_strangers_hold_no_more_than_leaves_people_a_share():
    peers = PeerCounter(total=SHARE)
    strangers = [enter(peers, str(number)) for number in range(SHARE)]
    assert [peers.hold(each) for each in strangers] == [True] * (SHARE - 1) + [False]
    person = enter(peers, "home")
    assert [each.gone for each in strangers] == [False] * (SHARE - 1) + [True]
    peers.know(person)
    assert peers.hold(person)
    assert not peers.enter("late", Somebody())
    peers.release(strangers[0])
    enter(peers, "late")
    assert strangers[0].gone


def test_whoever_logs_out_is_a_stranger_again():
    peers = PeerCounter(total=1)
    person = enter(peers)
    peers.know(person)
    assert not peers.enter("b", Somebody())
    peers.forget(person)
    enter(peers, "b")
    assert person.gone


def test_a_handshake_gives_way_too():
    peers = PeerCounter(total=2)
    silent, stranger = Somebody(), Somebody()
    assert peers.begin("a", silent)
    assert peers.enter("b", stranger)
    assert peers.begin("c", Somebody())
    assert (silent.gone, stranger.gone) == (True, False)
    assert peers.begin("d", Somebody())
    assert (stranger.gone, peers.open, peers.beginning) == (True, 0, 2)


def test_handshakes_and_sessions_share_the_places():
    """Else they would take the descriptors of twice as many."""
    peers = PeerCounter(total=4)
    handshakes = [Somebody() for _ in range(4)]
    for number, each in enumerate(handshakes):
        assert peers.begin(f"h{number}", each)
    for number in range(4):
        peers.know(enter(peers, f"p{number}"))
        assert peers.open + peers.beginning <= peers.total + 1
    # The last of them may be on its way to one of these sessions.
    assert [each.gone for each in handshakes] == [True, True, True, False]


def test_who_gave_way_changes_nothing_any_more():
    peers = PeerCounter(total=1)
    gone = enter(peers)
    enter(peers, "b")
    for tell in (peers.know, peers.forget, peers.release, peers.leave):
        tell(gone)
    assert not peers.hold(gone)
    assert peers.open == 1


def test_fewer_places_are_taken_up_by_whoever_comes_next():
    peers = PeerCounter(total=5)
    strangers = [enter(peers, str(number)) for number in range(5)]
    peers.total = 3
    enter(peers, "new")
    assert [each.gone for each in strangers] == [True] * 3 + [False] * 2


def test_it_is_told_once_a_minute(monkeypatch):
    said = []
    monkeypatch.setattr(peers_module.log, "warning", lambda event, **_: said.append(event))
    peers = PeerCounter(total=1)
    for number in range(5):
        enter(peers, str(number))
    assert len(said) == 1


@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32))
def test_who_can_log_in_gets_in_unless_all_places_are_peoples(total, networks, seed):
    chance = random.Random(seed)
    peers = PeerCounter(each=1_000, total=total)
    known: list[Somebody] = []
    others: list[Somebody] = []
    for _ in range(80):
        others = [each for each in others if not each.gone]
        step = chance.choice(("enter", "enter", "know", "hold", "release", "leave", "begin"))
        if step in ("enter", "begin"):
            new = Somebody(idle=chance.random() < 0.5)
            admit = peers.enter if step == "enter" else peers.begin
            if admit(str(chance.randrange(networks)), new):
                others.append(new)
        elif others:
            one = chance.choice(others)
            getattr(peers, step)(one)
            if step in ("leave", "know"):
                others.remove(one)
            if step == "know" and one in peers._sessions:
                known.append(one)
        assert peers.open <= total
        assert not any(each.gone for each in known)
    newcomer = Somebody()
    share = max(1, total // SHARE)
    if len(known) < min(share, total - 1) or len(known) + len(peers._held) < total:
        assert peers.enter("home", newcomer)
