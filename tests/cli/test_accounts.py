"""`workpost account create` and `workpost access-key create`."""

import json
import re
from pathlib import Path

import pytest

from workpost.cli.main import main


def create_account(data: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["account", "create", "--name", "Example", "--data", str(data)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["Name"] == "Example"
    assert re.fullmatch("[0-9]{12}", answer["AccountId"])
    return str(answer["AccountId"])


def test_an_account_and_its_key_are_printed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = create_account(tmp_path / "data", capsys)
    policy = tmp_path / "policy.json"
    policy.write_text(
        '{"Version":"2012-10-17","Statement":'
        '{"Effect":"Allow","Action":"workmail:*","Resource":"*"}}'
    )
    arguments = ["access-key", "create", "--account", account, "--policy", str(policy)]
    assert main([*arguments, "--user", "ada", "--data", str(tmp_path / "data")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["AccountId"] == account
    assert answer["AccessKeyId"].startswith("AKIA")
    assert len(answer["SecretAccessKey"]) == 40


def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    account = create_account(data, capsys)
    broken = tmp_path / "policy.json"
    broken.write_text("{}")
    for arguments, code, words in (
        (["--account", "999999999999"], 1, "999999999999"),
        (["--account", account, "--policy", str(broken)], 1, "policy"),
        (["--account", account, "--policy", str(tmp_path / "none")], 2, "cannot be read"),
    ):
        assert main(["access-key", "create", *arguments, "--data", str(data)]) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err
        assert captured.err.count("\n") == 1
    assert main(["account", "create", "--id", "12", "--data", str(data)]) == 1
