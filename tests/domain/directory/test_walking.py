"""Whom an envelope reaches, beside a naive evaluator over random directories (no database)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from workpost.domain.directory import walking
from workpost.domain.directory.routing import Expansion
from workpost.domain.directory.walking import (
    EVERYONE,
    MAX_FORWARDS,
    MEMBERS,
    ORGANIZATION,
    Belongs,
    Found,
    Lookup,
    Members,
    Origin,
    Return,
    walk,
)
from workpost.store.tables.addresses import HolderRow
from workpost.store.tables.entities import GROUP, USER

ORG = "m-1"
PEOPLE = [f"p{n}" for n in range(6)]
GROUPS = [f"g{n}" for n in range(4)]
OUTSIDE = [f"x{n}@elsewhere.example" for n in range(3)]
NOBODY = "nobody@demo.test"


def address(name: str) -> str:
    return f"{name}@demo.test"


@dataclass
class World:
    """A directory in memory that answers `walk`."""

    mailboxes: dict[str, bool] = field(default_factory=dict)
    forwards: dict[str, str] = field(default_factory=dict)
    keeps: dict[str, bool] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)

    def holder(self, name: str) -> HolderRow:
        if name in self.members:
            values = (ORG, name, GROUP, address(name), 0, 0, 0)
            return HolderRow(*values, senders=self.senders.get(name, EVERYONE))
        mailbox = int(self.mailboxes[name])
        forward, keeps = self.forwards.get(name, ""), int(self.keeps.get(name, True))
        return HolderRow(ORG, name, USER, address(name), mailbox, 0, 1 << 30, forward, keeps)

    def find(self, addr: str) -> tuple[HolderRow | None, bool]:
        name, _, domain = addr.partition("@")
        if domain != "demo.test":
            return None, False
        if name in self.members or self.mailboxes.get(name) or self.forwards.get(name):
            return self.holder(name), True
        return None, True

    def above(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        for one in waiting:
            for group, members in self.members.items():
                if one in members and group not in found:
                    found.add(group)
                    waiting.append(group)
        return found

    def answer(self, question: walking.Question) -> Found:
        if isinstance(question, Lookup):
            return [self.find(one) for one in question.rcpts]
        if isinstance(question, Belongs):
            return [(None, question.group in self.above(question.entity))]
        assert isinstance(question, Members)
        after = sorted(one for one in self.members[question.group] if one > question.after)
        return [(self.holder(one), True) for one in after[: walking.PAGE]]

    def route(
        self,
        *rcpts: str,
        origin: Origin = walking.STRANGER,
        returns: dict[str, Return] | None = None,
    ) -> Expansion:
        steps = walk(list(rcpts), origin, returns or {})
        try:
            question = next(steps)
            while True:
                question = steps.send(self.answer(question))
        except StopIteration as done:
            result: Expansion = done.value
            return result

    # --- the naive evaluator ---

    def closure(self, rcpts: list[str], origin: Origin) -> set[str]:
        """Everyone and every address outside that some way leads to."""
        found: set[str] = set()
        waiting = list(rcpts)
        for addr in waiting:
            if addr in found:
                continue
            name = addr.partition("@")[0]
            holder, local = self.find(addr)
            if holder is None:
                if not local:
                    found.add(addr)
                continue
            if name in self.members and not self.takes(name, origin):
                continue
            found.add(addr)
            waiting += [address(one) for one in self.members.get(name, [])]
            if name in self.forwards:
                waiting.append(self.forwards[name])
        return found

    def takes(self, group: str, origin: Origin) -> bool:
        senders = self.senders.get(group, EVERYONE)
        if senders == EVERYONE:
            return True
        if origin.organization != ORG:
            return False
        return senders == ORGANIZATION or group in self.above(origin.entity)


targets = st.sampled_from([*map(address, PEOPLE + GROUPS), *OUTSIDE, NOBODY])
envelopes = st.lists(targets, min_size=1, max_size=4)


@st.composite
def worlds(draw: st.DrawFn, *, forwards: bool, restricted: bool) -> World:
    """Loops of groups, of forwards, and of both are as likely as anything."""
    world = World()
    for name in PEOPLE:
        world.mailboxes[name] = draw(st.integers(0, 4)) > 0
        if forwards and draw(st.booleans()):
            world.forwards[name] = draw(targets)
            world.keeps[name] = draw(st.booleans())
    for name in GROUPS:
        members = st.lists(st.sampled_from(PEOPLE + GROUPS), max_size=4, unique=True)
        world.members[name] = draw(members)
        if restricted:
            world.senders[name] = draw(st.sampled_from([EVERYONE, ORGANIZATION, MEMBERS]))
    return world


def places(routed: Expansion) -> Iterator[str]:
    yield from (one.address for one in routed.local)
    yield from (one.address for one in routed.forwards)
    yield from routed.external


@given(worlds(forwards=True, restricted=False), envelopes)
def test_nobody_gets_a_message_twice(world: World, rcpts: list[str]) -> None:
    got = list(places(world.route(*rcpts)))
    assert len(got) == len(set(got))


@given(worlds(forwards=True, restricted=False), envelopes)
def test_with_copies_kept_everyone_on_any_way_gets_it(world: World, rcpts: list[str]) -> None:
    world.keeps = {}
    routed = world.route(*rcpts)
    wanted = {
        one
        for one in world.closure(rcpts, walking.STRANGER)
        if one in OUTSIDE or world.mailboxes.get(one.partition("@")[0])
    }
    assert set(places(routed)) == wanted


@given(worlds(forwards=True, restricted=False), envelopes)
def test_nothing_is_lost_in_loops_and_dead_ends(world: World, rcpts: list[str]) -> None:
    routed = world.route(*rcpts)
    reached = set(places(routed))
    # Whoever has sent on is served where that reaches somebody: the least fixed point.
    grown = True
    while grown:
        grown = False
        for name in PEOPLE + GROUPS:
            onward = [address(one) for one in world.members.get(name, [])]
            onward += [world.forwards[name]] if name in world.forwards else []
            if address(name) not in reached and reached.intersection(onward):
                reached.add(address(name))
                grown = True
    for addr in world.closure(rcpts, walking.STRANGER):
        if world.mailboxes.get(addr.partition("@")[0]):
            assert addr in reached
    for rcpt in rcpts:
        assert rcpt in reached or rcpt in (*routed.unknown, *routed.empty)


@given(worlds(forwards=True, restricted=False), envelopes)
def test_who_wants_no_copy_keeps_none_where_the_mail_gets_out(
    world: World, rcpts: list[str]
) -> None:
    routed = world.route(*rcpts)
    here = {one.entity for one in routed.local}
    for name, target in world.forwards.items():
        if target in OUTSIDE and not world.keeps[name]:
            assert name not in here


@given(worlds(forwards=True, restricted=False), envelopes)
def test_automatic_mail_stays_with_whoever_has_a_mailbox(world: World, rcpts: list[str]) -> None:
    routed = world.route(*rcpts, origin=Origin(automatic=True))
    assert not any(one.by for one in routed.forwards)


@given(
    worlds(forwards=False, restricted=True),
    envelopes,
    st.sampled_from([walking.STRANGER, *(Origin(ORG, name) for name in PEOPLE[:3])]),
)
def test_groups_ask_who_writes_on_every_level(
    world: World, rcpts: list[str], origin: Origin
) -> None:
    routed = world.route(*rcpts, origin=origin)
    closure = world.closure(rcpts, origin)
    assert set(places(routed)) == {
        one for one in closure if one in OUTSIDE or world.mailboxes.get(one.partition("@")[0])
    }
    for one in routed.refused:
        assert not world.takes(one.group.partition("@")[0], origin)
    for rcpt in rcpts:
        name = rcpt.partition("@")[0]
        if name in world.members and not world.takes(name, origin):
            assert rcpt in {one.rcpt for one in routed.refused}
            assert rcpt not in routed.empty
    trusted = world.route(*rcpts, origin=Origin(trusted=True))
    assert trusted.refused == []


def test_a_chain_of_forwards_ends() -> None:
    world = World(members={})
    names = [f"p{n}" for n in range(MAX_FORWARDS + 3)]
    for name, following in itertools.pairwise(names):
        world.forwards[name] = address(following)
    world.mailboxes = dict.fromkeys(names, True)
    world.keeps = dict.fromkeys(names, False)
    (kept,) = world.route(address(names[0])).local
    assert kept.entity == names[MAX_FORWARDS]


def test_two_who_forward_to_each_other_get_one_copy() -> None:
    world = World(
        mailboxes={"p0": True, "p1": True},
        forwards={"p0": address("p1"), "p1": address("p0")},
        keeps={"p0": False, "p1": False},
    )
    (kept,) = world.route(address("p0"), address("p1")).local
    assert (kept.entity, kept.rcpt) == ("p1", address("p0"))


def test_mail_that_a_person_has_forwarded_before_stays() -> None:
    world = World(mailboxes={"p0": True}, forwards={"p0": OUTSIDE[0]}, keeps={"p0": False})
    routed = world.route(address("p0"), origin=Origin(passed=frozenset([address("p0")])))
    assert [one.entity for one in routed.local] == ["p0"]
    assert routed.forwards == []
    (forward,) = world.route(address("p0")).forwards
    assert (forward.address, forward.by, forward.copy) == (OUTSIDE[0], address("p0"), False)


def test_what_people_forward_to_a_group_is_theirs() -> None:
    world = World(
        mailboxes={"p0": True, "p1": True},
        forwards={"p0": address("g0")},
        members={"g0": ["p1"]},
        senders={"g0": ORGANIZATION},
    )
    assert [one.entity for one in world.route(address("p0")).local] == ["p0", "p1"]
    world.senders["g0"] = MEMBERS
    routed = world.route(address("p0"))
    assert [one.entity for one in routed.local] == ["p0"]
    assert routed.refused == []


def test_who_is_written_to_outside_gets_no_second_copy_by_a_forward() -> None:
    world = World(mailboxes={"p0": True}, forwards={"p0": OUTSIDE[0]}, keeps={"p0": False})
    routed = world.route(address("p0"), OUTSIDE[0])
    assert (list(places(routed)), routed.external) == ([OUTSIDE[0]], [OUTSIDE[0]])


def test_a_returned_address_leads_to_the_original_sender() -> None:
    world = World(mailboxes={"p0": True})
    back = {"srs0=1@demo.test": Return(ORG, "Bob@elsewhere.example")}
    (forward,) = world.route("srs0=1@demo.test", returns=back).forwards
    assert (forward.organization, forward.address) == (ORG, "Bob@elsewhere.example")
    assert (forward.entity, forward.by) == ("", "")
    back = {"srs0=1@demo.test": Return(ORG, address("p0"))}
    assert [one.entity for one in world.route("srs0=1@demo.test", returns=back).local] == ["p0"]
