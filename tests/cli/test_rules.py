"""`workpost rule`, `gateway` and `journaling`."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.directories import grant_for
from workpost.cli.main import main
from workpost.domain.access.accounts import create_account
from workpost.domain.organizations.shell import NewOrganization, create_organization
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Settings
from workpost.node.build import attached_core

FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:tag"


class Operator:
    """Runs commands over one organization's data."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys
        self.organization = asyncio.run(self._make())

    async def _make(self) -> str:
        settings = Settings(data_dir=str(self.data))
        async with attached_core(settings, SystemEnvironment()) as core:
            self.account = await create_account(core)
            grant = grant_for(self.account)
            new = NewOrganization(alias="demo")
            return await create_organization(core, grant, self.account, new)

    def run(self, command: str, verb: str, *arguments: str, code: int = 0) -> Any:
        given = [command, verb, self.organization, *arguments, "--data", str(self.data)]
        assert main(given) == code
        return json.loads(self._capsys.readouterr().out or "null")

    def orders(self) -> list[str]:
        """The events that the audit log has of an operator's orders."""
        assert main(["audit", "--json", "--data", str(self.data)]) == 0
        lines = self._capsys.readouterr().out.splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [
            one["eventName"]
            for one in events
            if one.get("serviceEventDetails", {}).get("outcome") == "ordered"
        ]


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path / "data", capsys)


def test_rules_are_made_tested_replaced_and_deleted(operator: Operator) -> None:
    assert operator.run("rule", "list", "inbound") == []
    stop = ("inbound", "no spam", "DROP", "--from", "*.spam.example", "--from", "spam.example")
    made = operator.run("rule", "put", *stop)
    assert (made["Action"], made["From"], made["To"]) == (
        "DROP",
        ["*.spam.example", "spam.example"],
        ["*"],
    )
    asked = ("inbound", "eve@spam.example", "ada@demo.test")
    told = operator.run("rule", "test", *asked)
    assert told == {
        "Action": "DROP",
        "Rule": "no spam",
        "SenderPattern": "spam.example",
        "DestinationPattern": "*",
    }
    changed = operator.run("rule", "put", "inbound", "no spam", "BOUNCE", "--from", "spam.example")
    assert (changed["Id"], changed["Action"]) == (made["Id"], "BOUNCE")
    waiting = ("--function", FUNCTION, "--fallback", "DEFAULT", "--timeout", "5")
    tag = operator.run("rule", "put", "outbound", "tag", "RUN_LAMBDA", *waiting)
    assert (tag["Function"], tag["Fallback"], tag["TimeoutMinutes"]) == (FUNCTION, "DEFAULT", 5)
    later = ("--function", FUNCTION, "--asynchronous")
    tag = operator.run("rule", "put", "outbound", "tag", "RUN_LAMBDA", *later)
    assert tag["Asynchronous"]
    assert "Fallback" not in tag
    assert operator.run("rule", "delete", "inbound", "no spam")["Id"] == made["Id"]
    assert operator.run("rule", "test", *asked) == {"Action": "DEFAULT", "Rule": None}
    assert operator.run("rule", "delete", "inbound", "no spam", code=1) is None
    assert operator.run("rule", "put", "inbound", "bad", "DROP", "--from", "a+b@x", code=1) is None
    assert sorted(operator.orders()) == ["DeleteMailFlowRule", *["PutMailFlowRule"] * 4]


@pytest.mark.parametrize("mapped", [True, False])
def test_a_rule_with_a_function_that_nobody_mapped_is_made_with_a_warning(
    operator: Operator, capsys: pytest.CaptureFixture[str], tmp_path: Path, mapped: bool
) -> None:
    settings = tmp_path / "workpost.toml"
    arn = FUNCTION if mapped else f"{FUNCTION}-of-others"
    settings.write_text(
        f'[[lambda.functions]]\narn = "{arn}"\naccounts = ["{operator.account}"]\n'
        'kind = "http"\nurl = "https://functions.example/tag"\n'
    )
    tag = ("inbound", "tag", "RUN_LAMBDA", "--function", FUNCTION, "--asynchronous")
    command = ["rule", "put", operator.organization, *tag, "--config", str(settings)]
    assert main([*command, "--data", str(operator.data)]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["Function"] == FUNCTION
    assert ("maps arn:aws" in told.err) is not mapped


def test_gateways_take_their_password_from_standard_input(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*arguments: str, code: int = 0) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO("Correct-Horse-9\n"))
        return operator.run("gateway", "put", *arguments, code=code)

    made = put("relay", "relay.example", "demo")
    assert (made["Host"], made["Port"], made["Username"]) == ("relay.example", 465, "demo")
    changed = put("relay", "relay.example", "demo", "--port", "587")
    assert (changed["Id"], changed["Port"]) == (made["Id"], 587)
    assert operator.run("gateway", "list") == [changed]
    assert put("other", "relay.example", "demo", "--port", "0", code=1) is None
    lead = ("outbound", "through it", "SMTP_GATEWAY", "--gateway", made["Id"])
    assert operator.run("rule", "put", *lead)["Gateway"] == made["Id"]
    assert operator.run("gateway", "delete", made["Id"], code=1) is None
    operator.run("rule", "delete", "outbound", "through it")
    assert operator.run("gateway", "delete", made["Id"]) == changed
    assert operator.run("gateway", "list") == []


def test_journaling_begins_and_ends(operator: Operator) -> None:
    nowhere = {"To": None, "Failures": None}
    assert operator.run("journaling", "show") == nowhere
    wanted = ("--to", "journal@archive.example", "--failures", "postmaster@demo.test")
    told = {"To": "journal@archive.example", "Failures": "postmaster@demo.test"}
    assert operator.run("journaling", "set", *wanted) == told
    assert operator.run("journaling", "show") == told
    same = ("--to", "journal@archive.example", "--failures", "journal@archive.example")
    assert operator.run("journaling", "set", *same, code=1) is None
    assert operator.run("journaling", "off") == nowhere


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["n" * 65, "DROP"], "name of a rule has 1 to 64"),
        (["a\nb", "DROP"], "name of a rule"),
        ([" ", "DROP"], "is not blank"),
        (["long", "DROP", "--description", "d" * 257], "description has 1 to 256"),
        (["tag", "RUN_LAMBDA", "--fallback", "DEFAULT", "--function", "tag"], "no ARN"),
        (
            [
                "tag",
                "RUN_LAMBDA",
                "--fallback",
                "DEFAULT",
                "--function",
                FUNCTION,
                "--timeout",
                "241",
            ],
            "0 to 240 minutes",
        ),
        (
            [
                "tag",
                "RUN_LAMBDA",
                "--fallback",
                "DEFAULT",
                "--function",
                FUNCTION,
                "--timeout",
                "-5",
            ],
            "0 to 240 minutes",
        ),
    ],
)
def test_operators_have_the_bounds_of_the_api(
    operator: Operator, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    given = ["rule", "put", operator.organization, "inbound", *wrong]
    assert main([*given, "--data", str(operator.data)]) == 1
    assert said in capsys.readouterr().err
    assert operator.run("rule", "list", "inbound") == []


@pytest.mark.parametrize(
    "wrong",
    [("n" * 65, "relay.test", "u"), ("relay", "relay.test", " "), ("relay", "no host", "u")],
)
def test_gateways_of_operators_have_the_bounds_of_the_api(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, str, str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    operator.run("gateway", "put", *wrong, code=1)
    assert operator.run("gateway", "list") == []
