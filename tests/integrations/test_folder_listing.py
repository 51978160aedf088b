"""The order and the pages of a folder's objects, against sorting all of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.integrations.s3 import folder_listing
from workpost.integrations.s3.folder import FolderDepot

PARTS = st.sampled_from(["a", "a-", "a0", "b", "aa", "é", "a b", "\U0010ffff"])
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
PREFIXES = st.one_of(
    st.just(""), NAMES, NAMES.map(lambda name: f"{name}/"), NAMES.map(lambda name: name[:-1])
).filter(lambda name: not name.startswith("/") and "//" not in name)


@given(names=st.sets(NAMES, max_size=12), prefix=PREFIXES, after=st.one_of(PREFIXES, NAMES))
def test_pages_are_those_of_all_names_sorted(names: set[str], prefix: str, after: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        depot = FolderDepot(Path(folder, "bucket"))
        kept = {each for each in names if not any(other.startswith(f"{each}/") for other in names)}
        for name in kept:
            depot.put(name, b"")
        wanted = sorted(each for each in kept if each.startswith(prefix) and each > after)
        for limit in (1, 3, 100):
            found = [each.name for each in depot.entries(prefix, after, limit)]
            assert found == wanted[:limit]


def test_a_page_opens_only_the_folders_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot = FolderDepot(tmp_path / "bucket")
    for folder in range(20):
        for number in range(3):
            depot.put(f"{folder:02}/{number}", b"")
    opened: list[str] = []
    looked: list[Any] = []
    scan, look = os.scandir, Path.lstat

    def scanning(path: Any) -> Any:
        opened.append(os.path.basename(os.fsdecode(path).rstrip("/")))
        return scan(path)

    def looking(path: Path) -> Any:
        looked.append(path)
        return look(path)

    monkeypatch.setattr(os, "scandir", scanning)
    monkeypatch.setattr(Path, "lstat", looking)
    page = depot.entries("", "09/1", 5)
    assert [each.name for each in page] == ["09/2", "10/0", "10/1", "10/2", "11/0"]
    assert opened == ["bucket", "09", "10", "11"]
    assert len(looked) == 5


def test_names_of_a_folder_are_kept_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot = FolderDepot(tmp_path / "bucket")
    for number in range(5):
        depot.put(f"{number}", b"")
    os.utime(tmp_path / "bucket", (1, 1))
    opened = []
    scan = os.scandir

    def scanning(path: Any) -> Any:
        opened.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scanning)
    after, found = "", []
    while page := depot.entries("", after, 2):
        found += [each.name for each in page]
        after = found[-1]
    assert found == ["0", "1", "2", "3", "4"]
    assert len(opened) == 1
    depot.put("5", b"")
    assert [each.name for each in depot.entries("", "4", 2)] == ["5"]
    assert len(opened) == 2


def test_what_is_kept_of_names_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_listing, "MOST_KEPT", 3)
    depot = FolderDepot(tmp_path / "bucket")
    for folder in "abc":
        for number in range(3):
            depot.put(f"{folder}/{number}", b"")
        os.utime(tmp_path / "bucket" / folder, (1, 1))
    listing = depot._listing
    assert len(depot.entries("", "", 100)) == 9
    assert [len(kept.names) for kept in listing._kept.values()] == [3]


def test_names_that_are_no_text_are_no_objects(tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "bucket")
    depot.put("a", b"")
    Path(os.fsdecode(bytes(tmp_path / "bucket") + b"/\xff")).write_bytes(b"")
    assert [each.name for each in depot.entries("", "", 9)] == ["a"]
