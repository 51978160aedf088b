"""The order of the tests: what takes long begins first, what shares a server stays together.

script/test runs several workers that take one group of tests after the other (`--dist loadgroup`).
What is short comes last, so that all of them end at about the same time.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
ROOMS = (
    "benchmarks", "e2e", "operations", "support", "node", "cli", "integrations", "protocols",
    "domain", "store", "fuzz", "kernel", "formats",
)  # fmt: skip
"""From those whose tests take long to those whose tests are quick; the others come last."""


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


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Let one worker run the tests that share a module's fixtures, each of their parameters."""
    if isinstance(item, pytest.Function) and (shared := shared_by_module(item)) is not None:
        name = item.path.relative_to(TESTS).with_suffix("").as_posix()
        item.add_marker(pytest.mark.xdist_group("-".join([name, *shared])))


def shared_by_module(item: pytest.Function) -> list[str] | None:
    """The parameters of the fixtures that a test shares with its module; None: it shares none."""
    fixtures = item._fixtureinfo.name2fixturedefs
    shared = [name for name, found in fixtures.items() if found[-1].scope in {"class", "module"}]
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return [str(parameters[name]) for name in shared if name in parameters] if shared else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by room, crash tests before all; in a room pytest's own order stays."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("crash"):
        return -1
    room = item.path.relative_to(TESTS).parts[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)
