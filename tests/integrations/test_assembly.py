"""An object is put together of its parts with room for one more, whenever it is interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import killed_completion
from tests.support.killed_completion import BOUNDS, NAME, put_parts
from workpost.integrations.s3 import chosen, folder_assembly
from workpost.integrations.s3.depot import Chosen, Gone, PartsRefused
from workpost.integrations.s3.folder import FolderDepot

PARTS = ["one-", "second-", "3"]
WHOLE = "".join(PARTS).encode()


def size_below(top: Path) -> int:
    return sum(each.stat().st_size for each in top.rglob("*") if each.is_file())


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderDepot:
    monkeypatch.setattr(chosen, "MIN_PART", 1)
    made = FolderDepot(tmp_path / "outside" / "bucket", BOUNDS)
    made.check()
    return made


def usage(tmp_path: Path) -> list[bytes]:
    return (tmp_path / "outside" / ".bucket.usage").read_bytes().split()[:2]


def interrupted(
    depot: FolderDepot, monkeypatch: pytest.MonkeyPatch, after: int
) -> tuple[str, list[Chosen]]:
    """An upload whose completing has failed when so many parts were taken."""
    upload, parts = put_parts(depot, [each.encode() for each in PARTS])
    copy = folder_assembly.copy_into
    taken: list[Path] = []

    def failing(handle: int, path: Path, start: int) -> None:
        if len(taken) == after:
            raise OSError(28, "No space left on device")
        taken.append(path)
        copy(handle, path, start)

    with monkeypatch.context() as patched:
        patched.setattr(folder_assembly, "copy_into", failing)
        with pytest.raises(Exception, match="No space left"):
            depot.uploads.complete(NAME, upload, parts)
    return upload, parts


def test_a_kill_at_any_step_leaves_an_upload_or_the_object(tmp_path: Path) -> None:
    script = killed_completion.__file__
    done = subprocess.run(
        [sys.executable, script, str(tmp_path), *PARTS],
        capture_output=True,
        timeout=120,
        check=True,
        cwd=Path(script).parents[2],
    )
    lines = [each.split() for each in done.stdout.decode().splitlines()]
    assert len(lines) > 30
    assert [each[1] for each in lines] == ["True"] * (len(lines) - 1) + ["False"]
    for step, _, left, completed, over in lines:
        assert left in {str(b"before"), str(WHOLE)}, step
        assert (completed, over) == (str(WHOLE), "0"), step
    assert {each[2] for each in lines} == {str(b"before"), str(WHOLE)}


def test_the_disk_holds_one_part_more_at_the_most(
    depot: FolderDepot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 100_000
    upload, parts = put_parts(depot, [bytes(size)] * 5)
    sizes = []
    copy = folder_assembly.copy_into

    def copying(handle: int, path: Path, start: int) -> None:
        copy(handle, path, start)
        sizes.append(size_below(tmp_path))
        counted = usage(tmp_path)
        depot.usage.sweep(0)
        assert usage(tmp_path) == counted

    monkeypatch.setattr(folder_assembly, "copy_into", copying)
    depot.uploads.complete(NAME, upload, parts)
    assert len(sizes) == 5
    assert max(sizes) < 6 * size + 10_000
    counted = usage(tmp_path)
    depot.usage.sweep(0)
    assert usage(tmp_path) == counted == [b"%d" % (5 * size), b"3"]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_completing_goes_on_where_it_has_stopped(
    depot: FolderDepot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    upload, parts = interrupted(depot, monkeypatch, after)
    assert [each.number for each in depot.uploads.parts(NAME, upload, 0, 9)] == [1, 2, 3]
    assert list(depot.entries("", "", 9)) == []
    with pytest.raises(PartsRefused):
        depot.uploads.complete(NAME, upload, parts[:2])
    with pytest.raises(Gone):
        depot.uploads.write_part(NAME, upload, 1, 1)
    # What is old goes with its upload, not before.
    os.utime(depot.assembled(upload), (0, 0))
    depot.usage.sweep(0)
    depot.uploads.complete(NAME, upload, parts)
    assert depot.fetch(NAME, "", 100) == WHOLE
    assert usage(tmp_path) == [b"%d" % len(WHOLE), b"3"]


def test_what_is_not_completed_can_be_aborted(
    depot: FolderDepot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, parts = interrupted(depot, monkeypatch, 2)
    depot.uploads.abort(NAME, upload)
    assert usage(tmp_path) == [b"0", b"0"]
    assert size_below(tmp_path) < 100
    with pytest.raises(Gone):
        depot.uploads.complete(NAME, upload, parts)
