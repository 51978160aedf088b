"""`workpost iam`: users, roles, policies, keys, and a file that says it all."""

import json
from pathlib import Path
from typing import Any

import pytest

from workpost.cli.main import main

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "workmail:*", "Resource": "*"}],
}


class Cli:
    """Runs commands on one account and reads what they print."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._data = ["--data", str(folder / "data")]
        self._capsys = capsys
        self.account: str = self("account", "create")["AccountId"]

    def __call__(self, *words: str) -> Any:
        assert main([*words, *self._data]) == 0
        return json.loads(self._capsys.readouterr().out)

    def iam(self, *words: str) -> Any:
        return self("iam", *words, "--account", self.account)

    def refused(self, *words: str, account: str = "", code: int = 1) -> str:
        words = ("iam", *words, "--account", account or self.account)
        assert main([*words, *self._data]) == code
        captured = self._capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    def file(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    def trust(self) -> dict[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": self.account},
                "Action": "sts:AssumeRole",
            },
        }


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, capsys)


def test_users_and_their_keys(cli: Cli) -> None:
    made = cli.iam("user", "create", "--name", "ada")
    assert made["UserId"].startswith("AIDA")
    assert made["Arn"] == f"arn:aws:iam::{cli.account}:user/ada"
    assert cli.iam("user", "list") == [made]
    assert "already" in cli.refused("user", "create", "--name", "ADA")
    first = cli.iam("access-key", "create", "--user", "ada")
    second = cli.iam("access-key", "create", "--user", "Ada")
    assert len(first["SecretAccessKey"]) == 40
    assert "2 access keys" in cli.refused("access-key", "create", "--user", "ada")
    cli.iam("access-key", "update", "--id", first["AccessKeyId"], "--state", "Inactive")
    listed = cli.iam("access-key", "list", "--user", "ada")
    assert {key["AccessKeyId"]: key["Status"] for key in listed} == {
        first["AccessKeyId"]: "Inactive",
        second["AccessKeyId"]: "Active",
    }
    cli.iam("access-key", "delete", "--id", first["AccessKeyId"])
    assert "no access key" in cli.refused("access-key", "delete", "--id", first["AccessKeyId"])
    assert cli.iam("user", "get", "--name", "ada")["AccessKeys"][0]["Status"] == "Active"
    assert cli.iam("user", "delete", "--name", "ada")["DeletedAccessKeys"] == 1
    assert cli.iam("access-key", "list") == []
    assert "no user ada" in cli.refused("user", "get", "--name", "ada")


def test_roles(cli: Cli) -> None:
    trust = cli.file("trust.json", cli.trust())
    made = cli.iam("role", "create", "--name", "reader", "--trust", trust)
    assert made["RoleId"].startswith("AROA")
    assert made["MaxSessionDuration"] == 3600
    changed = cli.iam("role", "update", "--name", "reader", "--max-session", "7200")
    assert changed == {**made, "MaxSessionDuration": 7200}
    assert cli.iam("role", "list") == [changed]
    assert cli.iam("role", "get", "--name", "Reader") == {**changed, "Policies": {}}
    cli.iam("role", "delete", "--name", "reader")
    assert cli.iam("role", "list") == []
    wrong = cli.file("wrong.json", POLICY)
    assert "Principal" in cli.refused("role", "create", "--name", "x", "--trust", wrong)
    for words, text in (
        (("role", "update", "--name", "reader", "--max-session", "9"), "3600"),
        (("role", "delete", "--name", "reader"), "no role"),
    ):
        assert text in cli.refused(*words)
    cli.refused("role", "create", "--name", "x", "--trust", "/nowhere", code=2)


def test_policies_of_users_and_roles(cli: Cli) -> None:
    cli.iam("user", "create", "--name", "ada")
    cli.iam("role", "create", "--name", "reader", "--trust", cli.file("t.json", cli.trust()))
    file = cli.file("policy.json", POLICY)
    for owner in (("--user", "ada"), ("--role", "reader")):
        put = cli.iam("policy", "put", *owner, "--name", "all", "--file", file)
        assert put == {"PolicyName": "all", "PolicyDocument": POLICY}
        assert cli.iam("policy", "get", *owner, "--name", "all") == put
        assert cli.iam("policy", "list", *owner) == ["all"]
        assert "has no policy" in cli.refused("policy", "get", *owner, "--name", "none")
        cli.iam("policy", "delete", *owner, "--name", "all")
        assert "has no policy" in cli.refused("policy", "delete", *owner, "--name", "all")
    broken = cli.file("broken.json", "{}")
    assert "cannot be used" in cli.refused(
        "policy", "put", "--user", "ada", "--name", "x", "--file", broken
    )
    assert "names of policies" in cli.refused(
        "policy", "put", "--user", "ada", "--name", "a b", "--file", file
    )


def test_unknown_accounts(cli: Cli) -> None:
    for words in (
        ("user", "list"),
        ("role", "list"),
        ("user", "create", "--name", "ada"),
        ("access-key", "list"),
        ("policy", "list", "--user", "ada"),
    ):
        assert "no account 000000000000" in cli.refused(*words, account="000000000000")
    assert "names have" in cli.refused("user", "create", "--name", "a/b")


def shown(changes: list[dict[str, str]]) -> set[tuple[str, ...]]:
    return {(c["Action"], c["Kind"], c.get("Of", ""), c["Name"]) for c in changes}


def test_a_file_is_applied_once(cli: Cli) -> None:
    cli.file("all.json", POLICY)
    cli.iam("user", "create", "--name", "grace")
    file = cli.file(
        "iam.toml",
        f"""
account = "{cli.account}"

[users.ada.policies]
all = "all.json"

[users.bare]

[roles.reader]
max_session = 7200
[roles.reader.trust]
Version = "2012-10-17"
Statement = {{ Effect = "Allow", Principal = {{ AWS = "*" }}, Action = "sts:AssumeRole" }}
[roles.reader.policies.read]
Version = "2012-10-17"
Statement = {{ Effect = "Allow", Action = "workmail:List*", Resource = "*" }}
""",
    )
    expected = {
        ("create", "user", "", "ada"),
        ("create", "policy", "user/ada", "all"),
        ("create", "user", "", "bare"),
        ("delete", "user", "", "grace"),
        ("create", "role", "", "reader"),
        ("create", "policy", "role/reader", "read"),
    }
    planned = cli("iam", "apply", file, "--dry-run")
    assert (planned["Applied"], shown(planned["Changes"])) == (False, expected)
    assert [user["UserName"] for user in cli.iam("user", "list")] == ["grace"]
    applied = cli("iam", "apply", file)
    assert (applied["Applied"], shown(applied["Changes"])) == (True, expected)
    assert cli("iam", "apply", file)["Changes"] == []
    assert [user["UserName"] for user in cli.iam("user", "list")] == ["ada", "bare"]
    assert cli.iam("policy", "get", "--user", "ada", "--name", "all")["PolicyDocument"] == POLICY

    less = {
        "users": {"ada": {"policies": {"other": POLICY}}},
        "roles": {"reader": {"trust": cli.trust()}},
    }
    changes = cli("iam", "apply", cli.file("less.json", less), "--account", cli.account)["Changes"]
    assert shown(changes) == {
        ("create", "policy", "user/ada", "other"),
        ("delete", "policy", "user/ada", "all"),
        ("delete", "user", "", "bare"),
        ("update", "role", "", "reader"),
        ("delete", "policy", "role/reader", "read"),
    }
    empty = cli("iam", "apply", cli.file("none.json", {}), "--account", cli.account)
    assert shown(empty["Changes"]) == {
        ("delete", "user", "", "ada"),
        ("delete", "role", "", "reader"),
    }


def test_keys_outlive_a_file_that_keeps_their_user(cli: Cli) -> None:
    file = cli.file("iam.json", {"account": cli.account, "users": {"ada": {}}})
    cli("iam", "apply", file)
    key = cli.iam("access-key", "create", "--user", "ada")["AccessKeyId"]
    cli("iam", "apply", file)
    assert [one["AccessKeyId"] for one in cli.iam("access-key", "list")] == [key]
    cli("iam", "apply", cli.file("none.json", {}), "--account", cli.account)
    assert cli.iam("access-key", "list") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"groups": {}}, "groups"),
        ({"users": []}, "users must be a table"),
        ({"users": {"ada": 1}}, "users.ada must be a table"),
        ({"users": {"ada": {"keys": 1}}}, "users.ada.keys"),
        ({"users": {"a b": {}}}, "names have"),
        ({"users": {"ada": {}, "ADA": {}}}, "twice"),
        ({"users": {"ada": {"policies": {"x": {}}}}}, "users.ada.policies.x"),
        ({"roles": {"r": {}}}, "roles.r.trust"),
        ({"roles": {"r": {"trust": {}}}}, "roles.r.trust"),
        ({"roles": {"r": {"trust": POLICY, "max_session": "1"}}}, "max_session"),
        ({"users": {f"u{n}": {} for n in range(501)}}, "500"),
    ],
)
def test_a_file_is_read_strictly(cli: Cli, content: object, words: str) -> None:
    assert words in cli.refused("apply", cli.file("iam.json", content))


def test_files_that_cannot_be_read(cli: Cli) -> None:
    for name, content in (("a.json", "{"), ("a.toml", "= 1"), ("b.json", "[]")):
        assert "cannot be used" in cli.refused("apply", cli.file(name, content), code=2)
    path = cli.file("c.json", {"users": {"ada": {"policies": {"x": "nowhere.json"}}}})
    assert "cannot be used" in cli.refused("apply", path, code=2)
    assert main(["iam", "apply", cli.file("d.json", {}), "--data", str(cli.folder / "data")]) == 2
