"""The data directory of a running server: its lock and its announcements."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from workpost.kernel.settings import Settings
from workpost.node import datadir
from workpost.node.datadir import AlreadyServed


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "deep" / "data"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "PATIENCE", 0.05)


def announced(settings: Settings) -> Path:
    return settings.run_dir / "endpoints.json"


def test_the_directory_is_made_for_its_owner_only(settings: Settings) -> None:
    datadir.prepare(settings).close()
    for folder in (settings.data, settings.run_dir):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_only_one_may_serve(settings: Settings) -> None:
    with (
        datadir.prepare(settings),
        pytest.raises(AlreadyServed, match="served by another process"),
    ):
        datadir.prepare(settings)
    datadir.prepare(settings).close()


def test_a_predecessor_that_is_ending_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datadir, "PATIENCE", 10)
    ending = datadir.prepare(settings)
    threading.Timer(0.05, ending.close).start()
    datadir.prepare(settings).close()


def test_the_announcement_of_a_dead_server_is_dropped(settings: Settings) -> None:
    datadir.prepare(settings).close()
    datadir.write_endpoints(settings, {"pid": 1})
    datadir.prepare(settings).close()
    assert not announced(settings).exists()


def test_a_refused_second_server_leaves_the_announcement_alone(settings: Settings) -> None:
    with datadir.prepare(settings):
        datadir.write_endpoints(settings, {"pid": 1})
        with pytest.raises(AlreadyServed):
            datadir.prepare(settings)
        assert json.loads(announced(settings).read_bytes()) == {"pid": 1}


def test_files_are_private_and_replaced_whole(settings: Settings) -> None:
    datadir.prepare(settings).close()
    path = settings.data / "demo.json"
    for value in ({"first": 1}, {"second": 2}):
        datadir.write_private(path, value)
        assert json.loads(path.read_bytes()) == value
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in settings.data.iterdir() if one.is_file()] == ["demo.json"]


def test_only_ones_own_announcement_is_taken_back(settings: Settings) -> None:
    datadir.prepare(settings).close()
    datadir.remove_endpoints(settings, 7)
    datadir.write_endpoints(settings, {"pid": 7})
    datadir.remove_endpoints(settings, 8)
    assert announced(settings).exists()
    datadir.remove_endpoints(settings, 7)
    assert not announced(settings).exists()
