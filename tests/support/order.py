"""The order of the tests: what takes long begins first, what shares a server stays together.

script/test runs several workers that take one test, or one group, after the other. What is short
comes last, so that all of them end at about the same time.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent.parent
ROOMS = (
    "benchmarks", "e2e", "operations", "support", "node", "cli", "integrations", "protocols",
    "domain", "store", "fuzz", "kernel", "formats",
)  # fmt: skip
"""From those whose tests take long to those whose tests are quick; the others come last."""
_FOLDER = pytest.StashKey[Path]()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collected tests, which live as long as the run, out of the garbage collector."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by room, crash tests before all; in a room pytest's own order stays."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("crash"):
        return -1
    room = item.path.relative_to(TESTS).parts[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


# --- groups: one worker runs the tests that share a module's fixtures, each of their parameters ---
#
# pytest-xdist's own `loadgroup` writes groups into the names of tests, which pytest 9.2 ignores.


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a group to one worker; a test of no group is one by itself."""

    def __init__(self, config: pytest.Config, log: Any, file: Path) -> None:
        super().__init__(config, log)
        self._file = file
        self._groups: dict[str, str] | None = None

    def _split_scope(self, nodeid: str) -> str:
        if self._groups is None:
            self._groups = json.loads(self._file.read_bytes())
        return self._groups.get(nodeid, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log, _file(config)) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the groups are to be written."""
    node.workerinput["groups"] = str(_file(node.config))


def _file(config: pytest.Config) -> Path:
    if _FOLDER not in config.stash:
        folder = config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="wp-groups-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    return config.stash[_FOLDER] / "groups.json"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In a worker: write the groups of the tests, before their names are sent."""
    told = getattr(session.config, "workerinput", {}).get("groups")
    if told is not None:
        found = {item.nodeid: group for item in session.items if (group := group_of(item))}
        file = Path(told)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(found))
        fresh.replace(file)  # all workers write the same


def group_of(item: pytest.Item) -> str:
    """The group of a test, "" where it shares no fixture with its module."""
    assert isinstance(item, pytest.Function)
    fixtures = item._fixtureinfo.name2fixturedefs
    shared = [name for name, found in fixtures.items() if found[-1].scope in {"class", "module"}]
    if not shared:
        return ""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    values = [str(parameters[name]) for name in shared if name in parameters]
    return "-".join([str(item.path), *values])
