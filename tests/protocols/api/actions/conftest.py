"""The API over HTTP, once for each engine: one server, emptied after every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import ApiServer, Tenant, serving
from tests.support.exports import Exporter
from tests.support.identity import Center, configure
from tests.support.log_groups import LogGroups
from tests.support.message_flow import Flow
from tests.support.outside_directory import Outside
from tests.support.slapd import Slapd
from tests.support.stores import ENGINES


@pytest.fixture(scope="package", params=ENGINES)
def api_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    with serving(request, tmp_path_factory, request.param) as server:
        yield server


@pytest.fixture
def api(api_server: ApiServer) -> Iterator[ApiServer]:
    """An installation without accounts."""
    yield api_server
    api_server.clear()


@pytest.fixture
def demo(api: ApiServer) -> Tenant:
    """The organization `demo`."""
    return api.tenant("demo")


@pytest.fixture
def other(api: ApiServer) -> Tenant:
    """The organization `other` of another account."""
    return api.tenant("other")


@pytest.fixture
def center(api: ApiServer, demo: Tenant) -> Iterator[Center]:
    """The Identity Center instance of demo's account."""
    before = api.core.settings
    configure(api.core, demo.account)
    yield Center(api, demo)
    api.core.settings = before


@pytest.fixture
def exporter(api: ApiServer, demo: Tenant) -> Exporter:
    """The organization `demo`, whose account has a bucket for exports."""
    made = Exporter(api, demo)
    made.map()
    return made


@pytest.fixture
def flow(api: ApiServer, demo: Tenant) -> Flow:
    """The organization `demo`, whose account has a bucket for what functions put."""
    made = Flow(api, demo)
    made.map()
    return made


@pytest.fixture
def log_groups(api: ApiServer, demo: Tenant, tmp_path: Path) -> LogGroups:
    """The organization `demo`, whose account has log groups in folders."""
    made = LogGroups(api, demo, tmp_path / "data")
    made.map()
    return made


@pytest.fixture
def outside(api: ApiServer, slapd: Slapd) -> Iterator[Outside]:
    """An account that has an OpenLDAP as a directory."""
    made = Outside(api, slapd, "open")
    yield made
    made.close()


@pytest.fixture
def active(api: ApiServer, slapd: Slapd) -> Iterator[Outside]:
    """An account that has an Active Directory as a directory."""
    made = Outside(api, slapd, "active")
    yield made
    made.close()
