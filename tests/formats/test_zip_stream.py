"""Zip files written front to back, read by the zipfile of the standard library."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats import zip_stream
from workpost.formats.zip_stream import ZipStream

NOON = 1_767_268_800_000
names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40)
times = st.integers(-(2**40), 2**43)
members = st.lists(
    st.tuples(names, times, st.lists(st.binary(max_size=3000), max_size=4)),
    max_size=8,
    unique_by=lambda member: member[0],
)


def written(files: list[tuple[str, int, list[bytes]]], *, offset: int = 0) -> bytes:
    stream = ZipStream(offset)
    out, directory = bytearray(), bytearray()
    for name, modified, pieces in files:
        out += stream.begin(name, modified, sum(map(len, pieces)))
        for piece in pieces:
            out += stream.data(piece)
        out += stream.end()
        directory += stream.take_directory()
    out += directory
    out += stream.finish(len(directory))
    assert stream.offset == offset + len(out)
    return bytes(out)


@given(members)
def test_zipfile_reads_what_was_written(files: list[tuple[str, int, list[bytes]]]) -> None:
    with zipfile.ZipFile(io.BytesIO(written(files))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _, _ in files]
        for name, _, pieces in files:
            assert archive.read(name) == b"".join(pieces)
            info = archive.getinfo(name)
            assert info.external_attr >> 16 == 0o100600
            assert 1980 <= info.date_time[0] <= 2107


def test_folders_and_times() -> None:
    stream = ZipStream()
    out = stream.folder("Päckchen/", NOON) + stream.begin("Päckchen/1.eml", NOON, 2)
    out += stream.data(b"hi") + stream.end()
    directory = stream.take_directory()
    out += directory + stream.finish(len(directory))
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        folder, file = archive.infolist()
        assert folder.is_dir()
        assert file.date_time == (2026, 1, 1, 12, 0, 0)
        assert struct.unpack("<2HBl", file.extra) == (0x5455, 5, 1, NOON // 1000)
        assert archive.read("Päckchen/1.eml") == b"hi"


def test_an_entry_beyond_4_gib_is_found(tmp_path: Path) -> None:
    start = 5 << 30
    path = tmp_path / "sparse.zip"
    with path.open("wb") as file:
        file.seek(start)
        file.write(written([("far.eml", NOON, [b"away"])], offset=start))
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("far.eml").header_offset == start
        assert archive.read("far.eml") == b"away"


def test_a_file_that_may_be_large_has_64_bit_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_stream, "LARGE", 4)
    out = written([("small", NOON, [b"abc"]), ("large", NOON, [b"abcd", b"e" * 100])])
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        assert archive.testzip() is None
        assert archive.read("large") == b"abcd" + b"e" * 100
        assert archive.getinfo("large").extract_version == zip_stream.ZIP64_VERSION


def test_more_than_65535_files() -> None:
    stream = ZipStream()
    out = bytearray()
    for number in range(65_540):
        out += stream.folder(f"{number}/", NOON)
    directory = stream.take_directory()
    out += directory + stream.finish(len(directory))
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        assert len(archive.namelist()) == 65_540


def test_what_cannot_be_written_is_refused() -> None:
    stream = ZipStream()
    with pytest.raises(ValueError, match="no file"):
        stream.data(b"x")
    with pytest.raises(ValueError, match="1 to 65535"):
        stream.begin("", NOON, 0)
    with pytest.raises(ValueError, match="1 to 65535"):
        stream.begin("é" * 40_000, NOON, 0)
    stream.begin("x", NOON, 2)
    stream.data(b"x")
    with pytest.raises(ValueError, match="2 bytes were announced, 1 came"):
        stream.end()
