"""The S3 door behind a real HTTP server, with a bucket in a folder and a function's session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api_server import ApiServer, serving
from tests.support.buckets import Buckets


@pytest.fixture(scope="module")
def api_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    with serving(request, tmp_path_factory) as server:
        yield server


@pytest.fixture
def buckets(api_server: ApiServer) -> Iterator[Buckets]:
    yield Buckets(api_server)
    api_server.clear()
