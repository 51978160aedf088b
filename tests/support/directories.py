"""Organizations and people for tests, made through the shells that the API uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tests.support.stores import Run
from workpost.domain.access.accounts import administer, create_account
from workpost.domain.directory import shell as directory
from workpost.domain.mailboxes.registration import register_to_workmail
from workpost.domain.organizations.shell import NewOrganization, create_organization
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import Environment
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Passwords, Settings
from workpost.operations.jobs.build import build_jobs
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.unit import Reader, Tx, command
from workpost.store.dump.tables import tables_of
from workpost.store.keys.build import open_keys
from workpost.store.schema.migrate import migrations

PASSWORD = "Correct-Horse7"
TABLES = tables_of(migrations()[-1].number)
CHEAP = Passwords(time_cost=1, memory_kib=8192, parallelism=1)


def grant_for(account: str, organization: str = "") -> Grant:
    """What an API caller of the account works with."""
    caller = f"arn:aws:iam::{account}:root"
    return administer(
        account=account, caller=caller, organization=organization, address="127.0.0.1"
    )


@dataclass(frozen=True)
class Directory:
    """An organization and shorthand for what is done to it."""

    core: Core
    account: str
    organization: str
    domain: str

    @property
    def grant(self) -> Grant:
        return grant_for(self.account, self.organization)

    async def user(self, name: str, *, enabled: bool = True, **more: Any) -> str:
        values = {"display": name.title(), "password": PASSWORD, **more}
        user = await directory.create_user(self.core, self.grant, name=name, **values)
        if enabled:
            await self.register(user, f"{name}@{self.domain}")
        return user

    async def group(self, name: str, *members: str, enabled: bool = True, **more: Any) -> str:
        group = await directory.create_group(self.core, self.grant, name=name, **more)
        if enabled:
            await self.register(group, f"{name}@{self.domain}")
        for member in members:
            await directory.add_member(self.core, self.grant, group=group, member=member)
        return group

    async def register(self, entity: str, address: str) -> None:
        await register_to_workmail(self.core, self.grant, entity, address)

    async def work(self) -> int:
        """Work on all jobs that are due."""
        return await build_jobs(self.core).run_due()

    async def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, for what no query shows."""
        return await self.core.store.read(_rows, statement, *values)

    async def change(self, statement: str, *values: Any) -> None:
        """Change rows behind the domain's back."""
        await self.core.store.write(_change, statement=statement, values=list(values))


@command
def _change(tx: Tx, *, statement: str, values: list[int | str]) -> None:
    tx.run(statement, *values)


def _rows(tx: Reader, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tx.rows(statement, *values)]


async def new_directory(core: Core, alias: str = "demo", account: str = "") -> Directory:
    """A fresh organization, in a fresh account unless one is given."""
    account = account or await create_account(core)
    new = NewOrganization(alias=alias)
    organization = await create_organization(core, grant_for(account), account, new)
    return Directory(core, account, organization, f"{alias}.test")


@pytest.fixture
def bare_core(run: Run[Any], shared_settings: Settings, env: Environment) -> Iterator[Core]:
    """A core without accounts and without contents, whose passwords are cheap to hash."""
    settings = msgspec.structs.replace(shared_settings, passwords=CHEAP)
    store = run(open_store(settings, env))
    keys = open_keys(settings, env)
    yield Core(
        store=store,
        keys=keys,
        contents=None,  # type: ignore[arg-type]
        resolver=MemoryResolver(),
        env=env,
        settings=settings,
    )
    run(store.write(clear))
    run(store.close())
    run(keys.close())


@command
def clear(tx: Tx) -> None:
    """Empty every table but the store's own."""
    statements = [f"DELETE FROM {table}" for table in TABLES]
    if tx.engine == "postgresql":  # in one go over the line
        statements = [f"DO $$ BEGIN {'; '.join(statements)}; END $$"]
    for statement in statements:
        tx.run(statement)


@pytest.fixture
def demo(run: Run[Any], bare_core: Core) -> Directory:
    """The organization `demo` with the domain demo.test."""
    directory: Directory = run(new_directory(bare_core))
    return directory


@pytest.fixture
def other(run: Run[Any], bare_core: Core) -> Directory:
    """The organization `other` of another account."""
    directory: Directory = run(new_directory(bare_core, "other"))
    return directory
