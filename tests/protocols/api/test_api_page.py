"""docs/api.md and the README's count are what `script/docs` writes, and its tables fit the code."""

from __future__ import annotations

from tests.protocols.api.effects import EFFECTS, LIMITS, PENDING
from tests.support.api_page import (
    MARKED,
    ROOT,
    modules_of,
    operations,
    own_operations,
    page,
    with_count,
)
from workpost.kernel.configuration import KEYS
from workpost.protocols.api.actions import registry

OWN = own_operations()
LISTED = [*operations(), *OWN]
BUILT = registry(operation.name for operation in LISTED)


def test_the_page_of_actions_is_current() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == page(), "run script/docs"


def test_the_count_in_the_readme_is_current() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(MARKED.findall(readme)) == 1
    assert with_count(readme) == readme, "run script/docs"


def test_every_action_has_one_row() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| ") and line.count("|") > 7]
    heads = 2
    assert len(rows) - heads == len(LISTED) == 94 + len(OWN)


def test_every_action_of_our_own_is_built() -> None:
    assert OWN
    assert {operation.name for operation in OWN} <= set(BUILT)


def test_every_action_that_is_built_is_tested() -> None:
    assert [name for name in BUILT if not modules_of(name)] == []


def test_every_change_tells_its_effect() -> None:
    assert set(EFFECTS) == {
        operation.name for operation in LISTED if operation.name in BUILT and not operation.reads
    }


def test_pending_effects_and_limits_are_of_actions_that_are_built() -> None:
    assert set(PENDING) | set(LIMITS) <= set(BUILT)


def test_limits_are_settings() -> None:
    assert {key for keys in LIMITS.values() for key in keys} <= set(KEYS)
