"""An organization whose functions run here, behind a URL or at a Lambda endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api_server import ApiServer, serving
from tests.support.functions import Functions


@pytest.fixture(scope="module")
def api_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    with serving(request, tmp_path_factory) as server:
        yield server


@pytest.fixture
def functions(api_server: ApiServer) -> Iterator[Functions]:
    """The organization `demo` with a bucket; functions are mapped by the test."""
    yield Functions(api_server, api_server.tenant("demo"))
    api_server.clear()
