"""The rules of the house that the import contracts in pyproject.toml cannot say."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "workpost"
MODULES = sorted(SOURCE.rglob("*.py"))
OUTSIDE_WORLD = {
    "apsw", "asyncio", "httptools", "multiprocessing", "psycopg", "requests", "select", "selectors",
    "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading",
    "urllib3", "uvloop",
}  # fmt: skip
STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+(TABLE|"
    r"UNIQUE|INDEX)|ALTER\s+TABLE|DROP\s+TABLE|PRAGMA\s)",
    re.DOTALL,
)


def name_of(module: Path) -> str:
    return module.relative_to(SOURCE).as_posix()


def wire_package_of(module: Path) -> str | None:
    """Name the wire package that holds the module, as Python imports it."""
    parts = module.relative_to(SOURCE.parent).parts
    return ".".join(parts[: parts.index("wire") + 1]) if "wire" in parts else None


IN_WIRE = [m for m in MODULES if wire_package_of(m)]
PURE = [m for m in MODULES if wire_package_of(m) or name_of(m).startswith("formats/")]
OUTSIDE_THE_STORE = [m for m in MODULES if not name_of(m).startswith("store/")]


@functools.cache
def nodes_of(module: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(module.read_bytes())))


def imports_of(module: Path) -> Iterator[str]:
    for node in nodes_of(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def offenders(modules: Iterable[Path], judge: Callable[[Path], object]) -> dict[str, object]:
    """What was found in which modules: one test for all, there are too many for one each."""
    assert modules
    return {name_of(module): found for module in modules if (found := judge(module))}


def test_wire_packages_import_nothing_else_of_workpost() -> None:
    def foreign(module: Path) -> set[str]:
        own = wire_package_of(module)
        return {
            name
            for name in imports_of(module)
            if name.split(".")[0] == "workpost" and not f"{name}.".startswith(f"{own}.")
        }

    assert offenders(IN_WIRE, foreign) == {}


def test_formats_and_wire_packages_do_no_io() -> None:
    def outside(module: Path) -> set[str]:
        return OUTSIDE_WORLD & {name.split(".")[0] for name in imports_of(module)}

    assert offenders(PURE, outside) == {}


def test_sql_is_written_in_the_store_only() -> None:
    def statements(module: Path) -> list[str]:
        return [
            node.value
            for node in nodes_of(module)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and STATEMENT.match(node.value)
        ]

    assert offenders(OUTSIDE_THE_STORE, statements) == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"#\s*type:\s*ignore(?!\[)",
        r"#\s*noqa(?!:)",
        r"\b(TODO|FIXME|XXX|NotImplementedError)\b",
    ],
)
def test_suppressed_findings_are_named(pattern: str) -> None:
    assert offenders(MODULES, lambda module: re.findall(pattern, module.read_text())) == {}
