"""The command line as people meet it: help, usage, settings, one-line errors and exit codes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import workpost
from workpost.cli import main as entry
from workpost.cli.main import COMMANDS, main
from workpost.store.schema.migrate import SchemaTooNew


def exits(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(args)
    code = left.value.code
    assert isinstance(code, int)
    return code


def name_of(command: str) -> str:
    """What an operator types: `lambda` is no name for a module."""
    return {"functions": "lambda"}.get(command, command.replace("_", "-"))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits("--help") == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert name_of(command) in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exits(name_of(command), "--help") == 0
    assert "`workpost" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits("--version") == 0
    assert capsys.readouterr().out == f"workpost {workpost.__version__}\n"


def test_no_command_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: workpost" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["sing"], ["serve", "--loud"], ["queue"], ["queue", "eat"]])
def test_usage_errors_exit_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exits(*args) == 2
    assert "error:" in capsys.readouterr().err


def test_config_show_prints_a_file_that_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text)["data_dir"] == str(tmp_path)
    file = tmp_path / "workpost.toml"
    file.write_text(text)
    assert main(["config", "check", "--config", str(file)]) == 0
    assert capsys.readouterr().out == "The settings are fine.\n"


def test_config_show_masks_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKPOST_DATABASE__URL", "postgresql://ada:sesame@db.example/mail")
    assert main(["config", "show"]) == 0
    assert "sesame" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[imap]\nport = 1\n", "imap.port"),
        ("[listeners]\nimap = 'here'\n", "listeners.imap"),
        ("[log]\nlevel = 'loud'\n", "log.level"),
        ("not toml", "not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_exits_78_with_one_line(
    tmp_path: Path, text: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "workpost.toml"
    file.write_text(text)
    for command in (["config", "check"], ["serve"], ["queue", "list"]):
        assert main([*command, "--config", str(file)]) == 78
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith("workpost: ")
        assert word in said


def test_a_file_that_is_not_there_exits_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", "/nowhere/workpost.toml"]) == 78
    assert "/nowhere/workpost.toml" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["queue", "list"], ["access-key", "create", "--account", "1"]])
def test_a_mistyped_directory_is_refused_and_not_made(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "data"
    assert main([*command, "--data", str(missing)]) == 78
    assert "name its directory with --data" in capsys.readouterr().err
    assert not missing.exists()


def raising(error: BaseException):
    def run(_: object) -> int:
        raise error

    class Parser:
        def parse_args(self, _: object):
            return type("Args", (), {"command": "x", "path": "x", "run": staticmethod(run)})

    return Parser


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 1),
        (SchemaTooNew("the database is of a newer version"), 78),
    ],
)
def test_what_ends_a_command_becomes_an_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "build_parser", raising(error))
    assert main([]) == code


def test_a_data_directory_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert main(["serve", "--data", str(blocked)]) == 78
    assert capsys.readouterr().err == f"workpost: {blocked}: File exists\n"


def test_data_that_cannot_be_reached_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["queue", "list", "--data", str(tmp_path / "file" / "data")]) == 78
    told = capsys.readouterr().err
    assert "cannot be reached: Not a directory" in told
    assert told.count("\n") == 1
