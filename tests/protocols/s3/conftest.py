"""The S3 door behind a real HTTP server, with a bucket in a folder and a function's session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.api_server import ApiServer
from tests.support.buckets import Buckets
from tests.support.stores import settings_of


@pytest.fixture(scope="module")
def api_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    data: Path = tmp_path_factory.mktemp("s3") / "data"
    with settings_of(request, "sqlite", data) as settings:
        server = ApiServer(settings)
        yield server
        server.close()


@pytest.fixture
def buckets(api_server: ApiServer) -> Iterator[Buckets]:
    before = api_server.core.settings
    made = Buckets(api_server)
    yield made
    msgspec.structs.force_setattr(api_server.core, "settings", before)
    api_server.clear()
