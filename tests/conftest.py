"""Fixtures for every room: real peers, started when first asked for and shared by a session."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.moto import MotoServer
from tests.support.peers import require_peer
from tests.support.postgres import PostgresServer
from tests.support.slapd import Slapd

pytest_plugins = ["tests.support.order", "tests.support.stores"]

# Examples are few and have no deadline: the machine is shared and the whole suite has minutes.
settings.register_profile(
    "suite", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# What the machine's owner set for AWS or for Workpost must not leak into tests.
for _name in [name for name in os.environ if name.startswith(("AWS_", "WORKPOST_"))]:
    del os.environ[_name]
os.environ.update(
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    NO_PROXY="127.0.0.1,localhost",
    no_proxy="127.0.0.1,localhost",
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let `@pytest.mark.peer("name")` skip, or fail where peers are required."""
    for marker in item.iter_markers("peer"):
        require_peer(marker.args[0])


@pytest.fixture(autouse=True)
def _unconfigured_logs() -> Iterator[None]:
    """A test that sets the logs up leaves no closed stream behind for the next one."""
    handlers = logging.getLogger().handlers[:]
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = handlers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server."""
    require_peer("postgres")
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """URL of a database that all tests of the session share: leave nothing behind in it."""
    return postgres_server.url("postgres")


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of an empty database of this test's own."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def moto_process() -> Iterator[MotoServer]:
    """The session's moto server; prefer `moto_server`, which is clean and sets the environment."""
    server = MotoServer()
    yield server
    server.close()


@pytest.fixture
def moto_server(moto_process: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    """Empty S3, KMS and CloudWatch Logs, with the environment that leads the AWS SDK there."""
    moto_process.reset()
    for name, value in moto_process.environment.items():
        monkeypatch.setenv(name, value)
    return moto_process


@pytest.fixture(scope="session")
def slapd_process() -> Iterator[Slapd]:
    """The session's OpenLDAP; prefer `slapd`, which has nobody in it."""
    server = Slapd()
    yield server
    server.close()


@pytest.fixture
def slapd(slapd_process: Slapd) -> Iterator[Slapd]:
    """An OpenLDAP without people and groups, which is running again afterwards."""
    yield slapd_process
    if not slapd_process.is_running:
        slapd_process.start()
    slapd_process.clear()
