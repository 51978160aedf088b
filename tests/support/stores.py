"""Stores for tests: every test that asks for `store` runs on both engines.

Tests may be `async def`: they run on the loop of the fixture `runner`, where the store lives.
Plain tests use `run(store.write(...))`. `tests/conftest.py` loads this module as a plugin.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.support.peers import require_peer
from tests.support.postgres import PostgresServer
from workpost.integrations.dns.memory import MemoryResolver
from workpost.kernel.clock import Environment, SystemEnvironment
from workpost.kernel.settings import Database, Settings
from workpost.store.content.facade import open_contents
from workpost.store.core import Core
from workpost.store.database.build import open_store
from workpost.store.database.store import Store
from workpost.store.keys.build import open_keys

R = TypeVar("R")
Run = Callable[[Coroutine[Any, Any, R]], R]

ENGINES = ("sqlite", "postgresql")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests on the runner's loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    runner: asyncio.Runner = pyfuncitem._request.getfixturevalue("runner")
    names = pyfuncitem._fixtureinfo.argnames
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """An event loop for one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def run(runner: asyncio.Runner) -> Run[Any]:
    """`run(coroutine)` from a plain test."""
    return runner.run


@pytest.fixture
def env() -> Environment:
    """The real world; a test that needs a fixed one overrides this fixture."""
    return SystemEnvironment()


@pytest.fixture(params=ENGINES)
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty store, once for each engine; PostgreSQL is skipped where absent."""
    with settings_of(request, request.param, tmp_path / "data") as settings:
        yield settings


@pytest.fixture(scope="session", params=ENGINES)
def shared_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of one store for many tests, once for each engine: leave it as empty as it was."""
    data = tmp_path_factory.mktemp("shared") / "data"
    with settings_of(request, request.param, data) as settings:
        yield settings


@contextmanager
def settings_of(request: pytest.FixtureRequest, engine: str, data: Path) -> Iterator[Settings]:
    """Settings of an empty store on an engine, for fixtures of any scope."""
    if engine == "sqlite":
        yield Settings(data_dir=str(data))
        return
    require_peer("postgres")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database(server.template("workpost", migrate_template))
    yield Settings(data_dir=str(data), database=Database(url=server.url(name)))
    server.drop_database(name)


def migrate_template(url: str) -> None:
    """Fill a template database with the current schema."""

    async def go() -> None:
        settings = Settings(database=Database(url=url, connections=2))
        await (await open_store(settings, SystemEnvironment())).close()

    asyncio.run(go())


@pytest.fixture
def store(runner: asyncio.Runner, store_settings: Settings, env: Environment) -> Iterator[Store]:
    """An empty store on the test's loop; on SQLite the writer is a thread."""
    opened = runner.run(open_store(store_settings, env))
    yield opened
    runner.run(opened.close())


def make_core(store: Store, settings: Settings, env: Environment) -> Core:
    """A core over an open store; whoever closes that closes its `keys`, too."""
    return Core(
        store=store,
        keys=open_keys(settings, env),
        contents=open_contents(settings, store),
        resolver=MemoryResolver(),
        env=env,
        settings=settings,
    )


@pytest.fixture
def core(
    runner: asyncio.Runner, store: Store, store_settings: Settings, env: Environment
) -> Iterator[Core]:
    """A whole core over the store: keys under a local key ring, contents in database and files."""
    made = make_core(store, store_settings, env)
    yield made
    runner.run(made.keys.close())
