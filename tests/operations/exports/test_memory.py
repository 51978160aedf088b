"""Exports need the same memory for a mailbox of any size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from tests.operations.exports.conftest import Exporter
from tests.support.mailboxes import inbox, message
from tests.support.stores import settings_of
from workpost.domain.messages import shell as messages
from workpost.kernel.principal import Grant
from workpost.kernel.settings import Settings
from workpost.operations.exports import uploading

PART = 1 << 20
BOUND = 16 * PART
"""About seven parts are in use; on a busy machine, threads that are done let go of theirs late."""


@pytest.fixture(scope="module")
def shared_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """One engine is enough: rows come in pages on both."""
    data = tmp_path_factory.mktemp("memory") / "data"
    with settings_of(request, "sqlite", data) as settings:
        yield settings


async def test_memory_does_not_grow_with_the_mailbox(
    exporter: Exporter, ada: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART_BYTES", PART)
    core = exporter.house.core
    box = await inbox(core, ada)
    raw = message("Large") + core.env.random_bytes(3 * PART)
    await messages.append(core, ada, box, raw)
    for _ in range(5):
        uids = list(await messages.uid_map(core, ada, box))
        await messages.copy(core, ada, box, uids, box)
    id = await exporter.start()
    tracemalloc.start()
    await exporter.work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert int(exporter.log(id)["totalBytes"]) == 32 * len(raw) > 6 * BOUND
    assert peak < BOUND
