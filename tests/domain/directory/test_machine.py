"""Any order of changes to a directory equals a small model of it, and leaves no orphan."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.support.directories import Directory, new_directory
from tests.support.orphans import assert_no_orphans
from tests.support.stores import Run
from workpost.domain.directory import resource_shell, shell
from workpost.domain.directory.booking import BookingOptions
from workpost.domain.directory.resources import ResourceChanges
from workpost.domain.mailboxes.registration import (
    KEPT_MS,
    deregister_from_workmail,
    register_to_workmail,
)
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.errors import (
    EmailAddressInUse,
    EntityAlreadyRegistered,
    EntityNotFound,
    EntityStateInvalid,
    InvalidConfiguration,
    InvalidParameter,
    LimitExceeded,
    NameUnavailable,
    WorkpostError,
)
from workpost.store.core import Core

KINDS = ("USER", "GROUP", "RESOURCE")
FIRST = (("USER", "u1"), ("USER", "u2"), ("GROUP", "g1"), ("GROUP", "g2"), ("RESOURCE", "r1"))
NAMES = st.sampled_from(["ada", "Ada", "grace", "room", "everyone", "board"])
ADDRESSES = st.sampled_from(["a@demo", "A@demo", "b@demo", "c@demo", "d@demo", "e@demo"])
aliases_of_machines = itertools.count()


class MovedClock(SystemEnvironment):
    """The real world, some days later."""

    moved = 0

    def now(self) -> int:
        return super().now() + self.moved


@pytest.fixture
def env() -> MovedClock:
    return MovedClock()


@dataclass
class Thing:
    """A user, group or resource as the model knows it."""

    id: str
    kind: str
    name: str
    state: str = "DISABLED"
    primary: str = ""
    aliases: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    delegates: set[str] = field(default_factory=set)
    accepts: bool = True
    mailbox: int | None = None
    kept_until: int = 0


class DirectoryMachine(RuleBasedStateMachine):
    """A directory and its model; every call is answered as the model says."""

    things = Bundle("things")

    def __init__(self, core: Core, run: Run[Any]) -> None:
        super().__init__()
        self.core = core
        self.run = run
        self.alias = f"demo{next(aliases_of_machines)}"
        self.model: dict[str, Thing] = {}
        self.held: dict[str, str] = {}

    @initialize(target=things)
    def begin(self) -> Any:
        self.demo: Directory = self.run(new_directory(self.core, self.alias))
        made = []
        for number, (kind, name) in enumerate(FIRST):
            made.append(self.create(kind, name))
            self.register(made[-1], f"first{number}@demo")
        one, two, group, inner, room = made
        for member in (one, inner):
            self.change_member(group, member, remove=False)
            self.change_delegate(room, member, remove=False)
        self.change_member(inner, two, remove=False)
        return multiple(*made)

    def address(self, text: str) -> str:
        return f"{text.partition('@')[0]}@{self.demo.domain}"

    def call(self, expected: type[WorkpostError] | None, work: Coroutine[Any, Any, Any]) -> Any:
        """Make a call that must succeed, or fail as expected; True when it succeeded."""
        if expected is None:
            return self.run(work)
        with pytest.raises(expected):
            self.run(work)
        return None

    def named(self, name: str) -> Thing | None:
        live = (thing for thing in self.model.values() if thing.state != "DELETED")
        return next((thing for thing in live if thing.name.lower() == name.lower()), None)

    @rule(target=things, kind=st.sampled_from(KINDS), name=NAMES)
    def create(self, kind: str, name: str) -> str:
        expected = NameUnavailable if self.named(name) else None
        if kind == "USER":
            work = shell.create_user(
                self.core, self.demo.grant, name=name, display=name, password=None
            )
        elif kind == "GROUP":
            work = shell.create_group(self.core, self.demo.grant, name=name)
        else:
            work = resource_shell.create_resource(self.core, self.demo.grant, name=name)
        entity: str | None = self.call(expected, work)
        if entity is None:
            holder = self.named(name)
            assert holder is not None
            return holder.id
        self.model[entity] = Thing(entity, kind, name)
        return entity

    @rule(entity=things, address=ADDRESSES)
    def register(self, entity: str, address: str) -> None:
        thing, given = self.model[entity], self.address(address)
        expected: type[WorkpostError] | None = None
        if thing.state == "DELETED":
            expected = EntityStateInvalid
        elif thing.state == "ENABLED":
            expected = None if thing.primary == given.lower() else EntityAlreadyRegistered
        elif given.lower() in self.held:
            expected = EmailAddressInUse
        self.call(expected, register_to_workmail(self.core, self.demo.grant, entity, given))
        if expected is None and thing.state == "DISABLED":
            thing.state, thing.primary = "ENABLED", given.lower()
            self.held[thing.primary] = entity
            self._check_mailbox(thing)

    def _check_mailbox(self, thing: Thing) -> None:
        [(mailbox,)] = self.run(self.demo.run("SELECT mailbox FROM entity WHERE id = ?", thing.id))
        assert (mailbox is None) == (thing.kind == "GROUP")
        if thing.mailbox is not None:
            assert mailbox == thing.mailbox
        thing.mailbox = mailbox

    @rule(entity=things)
    def deregister(self, entity: str) -> None:
        thing = self.model[entity]
        expected = EntityStateInvalid if thing.state == "DELETED" else None
        self.call(expected, deregister_from_workmail(self.core, self.demo.grant, entity))
        if thing.state == "ENABLED":
            self.held = {key: value for key, value in self.held.items() if value != entity}
            thing.state, thing.primary, thing.aliases = "DISABLED", "", set()
            thing.kept_until = self.core.env.now() + KEPT_MS

    @rule(entity=things, even_if_enabled=st.booleans())
    def delete(self, entity: str, even_if_enabled: bool) -> None:
        thing = self.model[entity]
        if thing.state == "ENABLED" and not even_if_enabled:
            self.deregister(entity)
        delete: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
            "USER": shell.delete_user,
            "GROUP": shell.delete_group,
            "RESOURCE": resource_shell.delete_resource,
        }
        expected = EntityStateInvalid if thing.state == "ENABLED" else None
        self.call(expected, delete[thing.kind](self.core, self.demo.grant, entity))
        if thing.state == "DISABLED":
            thing.state = "DELETED"
            thing.members, thing.delegates = set(), set()
            for other in self.model.values():
                other.members.discard(entity)
                other.delegates.discard(entity)

    def _new_address(self, thing: Thing, given: str) -> type[WorkpostError] | None:
        if thing.state != "ENABLED":
            return EntityStateInvalid
        holder = self.held.get(given.lower(), thing.id)
        return None if holder == thing.id else EmailAddressInUse

    @rule(entity=things, address=ADDRESSES)
    def create_alias(self, entity: str, address: str) -> None:
        thing, given = self.model[entity], self.address(address)
        expected = self._new_address(thing, given)
        self.call(expected, shell.create_alias(self.core, self.demo.grant, entity, given))
        if expected is None and given.lower() != thing.primary:
            thing.aliases.add(given.lower())
            self.held[given.lower()] = entity

    @rule(entity=things, address=ADDRESSES)
    def delete_alias(self, entity: str, address: str) -> None:
        thing, given = self.model[entity], self.address(address)
        expected: type[WorkpostError] | None = None
        if thing.state == "DELETED":
            expected = EntityStateInvalid
        elif given.lower() == thing.primary:
            expected = InvalidParameter
        self.call(expected, shell.delete_alias(self.core, self.demo.grant, entity, given))
        if expected is None and given.lower() in thing.aliases:
            thing.aliases.remove(given.lower())
            del self.held[given.lower()]

    @rule(entity=things, address=ADDRESSES)
    def update_primary(self, entity: str, address: str) -> None:
        thing, given = self.model[entity], self.address(address)
        expected = self._new_address(thing, given)
        self.call(expected, shell.update_primary(self.core, self.demo.grant, entity, given))
        if expected is None and given.lower() != thing.primary:
            thing.aliases = (thing.aliases | {thing.primary}) - {given.lower()}
            thing.primary = given.lower()
            self.held[thing.primary] = entity

    def _pair(
        self,
        one: Thing,
        kind: str,
        other: Thing,
        kinds: tuple[str, ...],
        wrong: type[WorkpostError],
    ) -> type[WorkpostError] | None:
        if one.kind != kind:
            return EntityNotFound
        if one.state == "DELETED":
            return EntityStateInvalid
        if other.kind not in kinds and wrong is EntityNotFound:
            return EntityNotFound
        if other.state == "DELETED":
            return EntityStateInvalid
        return None if other.kind in kinds else wrong

    @rule(group=things, member=things, remove=st.booleans())
    def change_member(self, group: str, member: str, remove: bool) -> None:
        one, other = self.model[group], self.model[member]
        expected = self._pair(one, "GROUP", other, ("USER", "GROUP"), EntityNotFound)
        change = shell.remove_member if remove else shell.add_member
        if expected is None and not remove:
            if {one.state, other.state} != {"ENABLED"}:
                expected = EntityStateInvalid
            elif group in self._inside(member):
                expected = InvalidParameter
        self.call(expected, change(self.core, self.demo.grant, group=group, member=member))
        if expected is None:
            (one.members.discard if remove else one.members.add)(member)

    def _inside(self, entity: str) -> set[str]:
        found = {entity}
        for member in self.model[entity].members:
            found |= self._inside(member)
        return found

    @rule(resource=things, entity=things, remove=st.booleans())
    def change_delegate(self, resource: str, entity: str, remove: bool) -> None:
        one, other = self.model[resource], self.model[entity]
        expected = self._pair(one, "RESOURCE", other, ("USER", "GROUP"), InvalidParameter)
        change = resource_shell.remove_delegate if remove else resource_shell.add_delegate
        if expected is None and not remove and {one.state, other.state} != {"ENABLED"}:
            expected = EntityStateInvalid
        self.call(expected, change(self.core, self.demo.grant, resource=resource, entity=entity))
        if expected is None:
            (one.delegates.discard if remove else one.delegates.add)(entity)

    @rule(resource=things, name=NAMES, accepts=st.booleans())
    def update_resource(self, resource: str, name: str, accepts: bool) -> None:
        thing, holder = self.model[resource], self.named(name)
        expected: type[WorkpostError] | None = None
        if thing.kind != "RESOURCE":
            expected = EntityNotFound
        elif thing.state == "DELETED":
            expected = EntityStateInvalid
        elif holder is not None and holder.id != resource:
            expected = NameUnavailable
        elif not accepts and not thing.delegates:
            expected = InvalidConfiguration
        changes = ResourceChanges(name=name, options=BookingOptions(auto_accept=accepts))
        work = resource_shell.update_resource(self.core, self.demo.grant, resource, changes)
        self.call(expected, work)
        if expected is None:
            thing.name, thing.accepts = name, accepts

    @rule(days=st.sampled_from([1, 15, 31]))
    def time_passes(self, days: int) -> None:
        assert isinstance(self.core.env, MovedClock)
        self.core.env.moved += days * 24 * 3600 * 1000
        self.run(self.demo.work())
        for thing in self.model.values():
            if thing.state != "ENABLED" and thing.kept_until <= self.core.env.now():
                thing.mailbox = None

    @invariant()
    def the_directory_equals_the_model(self) -> None:
        if not hasattr(self, "demo"):
            return
        org = self.demo.organization
        rows = self.run(
            self.demo.run(
                "SELECT id, kind, name, state, COALESCE(primary_fold, '') FROM entity"
                " WHERE org = ?",
                org,
            )
        )
        assert {row[0]: row[1:] for row in rows} == {
            thing.id: (thing.kind, thing.name, thing.state, thing.primary)
            for thing in self.model.values()
        }
        addresses = self.run(
            self.demo.run("SELECT addr_fold, entity, is_primary FROM address WHERE org = ?", org)
        )
        expected = {(alias, t.id, 0) for t in self.model.values() for alias in t.aliases}
        expected |= {(t.primary, t.id, 1) for t in self.model.values() if t.primary}
        assert set(addresses) == expected
        for table, columns, links in (
            ("member", "grp, member", [(t.id, m) for t in self.model.values() for m in t.members]),
            (
                "delegate",
                "resource, delegate",
                [(t.id, d) for t in self.model.values() for d in t.delegates],
            ),
        ):
            found = self.run(self.demo.run(f"SELECT {columns} FROM {table} WHERE org = ?", org))
            assert sorted(found) == sorted(links)

    def teardown(self) -> None:
        if hasattr(self, "demo"):
            self.run(assert_no_orphans(self.demo))


def test_any_order_of_changes(bare_core: Core, run: Run[Any]) -> None:
    on_sqlite = not bare_core.settings.database.url
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: DirectoryMachine(bare_core, run),
        settings=settings(
            max_examples=30 if on_sqlite else 8, stateful_step_count=40, deadline=None
        ),
    )


# --- many clients at once ------------------------------------------------------------------------


async def test_of_two_creations_of_one_name_one_wins(demo: Directory) -> None:
    core, grant = demo.core, demo.grant
    for name in ("ada", "grace", "room"):
        results = await asyncio.gather(
            shell.create_user(core, grant, name=name, display=name, password=None),
            shell.create_group(core, grant, name=name.title()),
            resource_shell.create_resource(core, grant, name=name.upper()),
            shell.create_user(core, grant, name=name, display=name, password=None),
            return_exceptions=True,
        )
        assert sum(isinstance(result, str) for result in results) == 1
        assert sum(isinstance(result, NameUnavailable) for result in results) == 3
    await assert_no_orphans(demo)


EXPECTED = (
    EmailAddressInUse,
    EntityAlreadyRegistered,
    EntityNotFound,
    EntityStateInvalid,
    InvalidParameter,
    LimitExceeded,
    NameUnavailable,
)


@pytest.mark.parametrize("seed", range(3))
async def test_no_order_of_many_clients_leaves_an_orphan(demo: Directory, seed: int) -> None:
    chance = random.Random(seed)
    core, grant = demo.core, demo.grant
    ids = [await demo.user(f"user{number}", password=None) for number in range(3)]
    groups = [await demo.group(f"group{number}") for number in range(2)]
    room = await resource_shell.create_resource(core, grant, name="room")
    await demo.register(room, f"room@{demo.domain}")

    def some_call() -> Awaitable[Any]:
        entity = chance.choice([*ids, *groups, room])
        address = f"{chance.choice('abc')}@{demo.domain}"
        return chance.choice(
            [
                lambda: register_to_workmail(core, grant, entity, address),
                lambda: deregister_from_workmail(core, grant, entity),
                lambda: shell.create_alias(core, grant, entity, address),
                lambda: shell.update_primary(core, grant, entity, address),
                lambda: shell.delete_user(core, grant, chance.choice(ids)),
                lambda: shell.delete_group(core, grant, chance.choice(groups)),
                lambda: shell.add_member(
                    core, grant, group=chance.choice(groups), member=chance.choice([*ids, *groups])
                ),
                lambda: resource_shell.add_delegate(
                    core, grant, resource=room, entity=chance.choice(ids)
                ),
            ]
        )()

    async def client() -> None:
        for _ in range(12):
            try:
                await some_call()
            except EXPECTED:
                continue

    await asyncio.gather(*(client() for _ in range(6)))
    await assert_no_orphans(demo)
