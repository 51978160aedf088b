"""Names that every operating system takes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workpost.formats import file_names
from workpost.formats.file_names import FolderNames, message_name, safe_name

DEVICES = ["CON", "nul", "Aux.txt", "com1", "LPT9.old.x", "COM¹"]
parts = st.text(min_size=1, max_size=300) | st.sampled_from(
    ["a", "A", "á", "á", "CON", "x.", "x ", "..", ".", "1.eml", "ß", "ss", "a/b", "\\", "\u202e"]
)


@given(parts)
def test_any_name_becomes_one_that_every_system_takes(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 210
    assert not set('<>:"/\\|?*') & set(safe)
    assert not any(unicodedata.category(each)[0] == "C" for each in safe)
    assert safe == safe.strip()
    assert not safe.endswith(".")
    assert safe.partition(".")[0].upper() not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT9"}
    assert not safe.lower().endswith(".eml")


@pytest.mark.parametrize("name", DEVICES)
def test_names_of_devices_are_marked(name: str) -> None:
    assert safe_name(name) == f"_{name}"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Sent Items", "Sent Items"),
        ("Überweisungen 2026", "Überweisungen 2026"),
        ("..", "_"),
        ("../../etc", ".._.._etc"),
        ("C:\\Windows", "C__Windows"),
        ("a\x00b\u202eexe", "a_b_exe"),
        ("  .hidden. ", ".hidden"),
        ("0000000001.eml", "0000000001.eml_"),
    ],
)
def test_examples(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.lists(st.lists(parts, min_size=1, max_size=4), max_size=12))
def test_no_two_folders_are_the_same_to_any_system(paths: list[list[str]]) -> None:
    names = FolderNames()
    claimed = [names.claim(path) for path in paths]
    seen = {unicodedata.normalize("NFC", path).upper() for path in claimed}
    assert len(seen) == len({unicodedata.normalize("NFD", p).casefold() for p in claimed})
    assert len(seen) == len(paths)
    for path, given_path in zip(paths, claimed, strict=True):
        assert given_path.endswith("/")
        assert given_path.count("/") == len(path)
        assert not given_path.startswith("/")


def test_a_folder_lies_in_the_one_above_it() -> None:
    names = FolderNames()
    assert names.claim(["Work"]) == "Work/"
    assert names.claim(["work"]) == "work (2)/"
    assert names.claim(["work", "a"]) == "work (2)/a/"
    assert names.claim(["Work", "a"]) == "Work/a/"
    assert names.claim(["Work", "a"]) == "Work/a (2)/"
    assert names.claim(["Work", "a", "b"]) == "Work/a (2)/b/"


def test_thousands_of_names_that_become_one_are_told_apart_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folded: list[str] = []
    real = file_names._fold

    def fold(path: str) -> str:
        folded.append(path)
        return real(path)

    monkeypatch.setattr(file_names, "_fold", fold)
    names = FolderNames()
    given = [names.claim(["x" * 80 + str(number)]) for number in range(2_000)]
    assert given[-1] == "x" * 80 + " (2000)/"
    assert len(set(given)) == len(given)
    assert len(folded) < 3 * len(given)


def test_messages_sort_as_they_came() -> None:
    shuffled = [4_294_967_295, 2, 10, 1]
    assert sorted(map(message_name, shuffled)) == [message_name(uid) for uid in sorted(shuffled)]
    assert message_name(42) == "0000000042.eml"
