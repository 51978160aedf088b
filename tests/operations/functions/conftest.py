"""An organization whose functions run here, behind a URL or at a Lambda endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.api_server import ApiServer
from tests.support.functions import Functions
from tests.support.stores import settings_of


@pytest.fixture(scope="module")
def api_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    data: Path = tmp_path_factory.mktemp("functions") / "data"
    with settings_of(request, "sqlite", data) as settings:
        server = ApiServer(settings)
        yield server
        server.close()


@pytest.fixture
def functions(api_server: ApiServer) -> Iterator[Functions]:
    """The organization `demo` with a bucket; functions are mapped by the test."""
    before = api_server.core.settings
    made = Functions(api_server, api_server.tenant("demo"))
    yield made
    msgspec.structs.force_setattr(api_server.core, "settings", before)
    api_server.clear()
