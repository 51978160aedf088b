"""The rules of the house that the import contracts in pyproject.toml cannot say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
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


def imports_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def wire_package_of(module: Path) -> str | None:
    """Name the wire package that holds the module, as Python imports it."""
    parts = module.relative_to(SOURCE.parent).parts
    return ".".join(parts[: parts.index("wire") + 1]) if "wire" in parts else None


PURE = [m for m in MODULES if wire_package_of(m) or name_of(m).startswith("formats/")]


@pytest.mark.parametrize("module", [m for m in MODULES if wire_package_of(m)], ids=name_of)
def test_wire_packages_import_nothing_else_of_workpost(module: Path) -> None:
    own = wire_package_of(module)
    assert own is not None
    foreign = {
        name
        for name in imports_of(module)
        if name.split(".")[0] == "workpost" and not f"{name}.".startswith(f"{own}.")
    }
    assert not foreign


@pytest.mark.parametrize("module", PURE, ids=name_of)
def test_formats_and_wire_packages_do_no_io(module: Path) -> None:
    assert not OUTSIDE_WORLD & {name.split(".")[0] for name in imports_of(module)}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_sql_is_written_in_the_store_only(module: Path) -> None:
    if name_of(module).startswith("store/"):
        return
    statements = [
        node.value
        for node in ast.walk(ast.parse(module.read_bytes()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and STATEMENT.match(node.value)
    ]
    assert not statements


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_suppressed_findings_are_named(module: Path) -> None:
    text = module.read_text()
    assert not re.search(r"#\s*type:\s*ignore(?!\[)", text)
    assert not re.search(r"#\s*noqa(?!:)", text)
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text)
