"""Servers for end-to-end tests: one for a module and engine, or one of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.peers import require_peer
from tests.support.postgres import PostgresServer
from tests.support.server import Server
from tests.support.stores import migrate_template

ENGINES = ("sqlite", "postgresql")

MakeServer = Callable[..., Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def database_of(engine: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment that makes a server use a database of this engine, with a schema at most."""
    if engine == "sqlite":
        yield {}
        return
    require_peer("postgres")
    postgres: PostgresServer = request.getfixturevalue("postgres_server")
    name = postgres.create_database(postgres.template("workpost", migrate_template))
    yield {"WORKPOST_DATABASE__URL": postgres.url(name)}
    postgres.drop_database(name)


@pytest.fixture(scope="module", params=ENGINES)
def engine_environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    yield from database_of(request.param, request)


@pytest.fixture(scope="module")
def server(
    engine_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A demo server that the tests of a module share, once for each engine."""
    environment = {**engine_environment, "WORKPOST_LIMITS__MAILBOX_MEGABYTES": "1"}
    started = Server(tmp_path_factory.mktemp("e2e") / "data", env=environment).start()
    yield started
    started.kill()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Make servers that are not started yet; all are killed at the end."""
    made: list[Server] = []

    def make(name: str = "data", *options: str, **more: object) -> Server:
        made.append(Server(tmp_path / name, *options, **more))
        return made[-1]

    yield make
    for server in made:
        server.kill()
