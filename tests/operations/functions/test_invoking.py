"""Callables as rules invoke them: their surroundings, their sessions, their bounds, their logs."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.functions import BUCKET, Functions
from workpost.domain.access.function_policy import policy_of
from workpost.integrations.lambda_.base import FunctionFailed, Trouble
from workpost.integrations.lambda_.local import pool
from workpost.integrations.lambda_.local.pool import Ran
from workpost.kernel.errors import OrganizationNotFound, ResourceNotFound
from workpost.kernel.outside_settings import Lambda, Outside
from workpost.operations.functions.invoking import invoke
from workpost.operations.functions.logs import Record, read_log
from workpost.operations.functions.running import close_functions, running

CODE = Path(__file__).parent


def trouble(functions: Functions, arn: str, event: Any, **more: Any) -> FunctionFailed:
    with pytest.raises(FunctionFailed) as caught:
        functions.invoke(arn, event, **more)
    return caught.value


# --- what it finds --------------------------------------------------------------------------------


def test_the_context_and_the_environment_are_lambdas(functions: Functions) -> None:
    arn = functions.callable(
        "about", "code:about", CODE, environment=("COLOR=blue",), memory_megabytes=512
    )
    told = functions.invoke(f"{arn}:live", {}, request_id="r-1", seconds=20)
    assert told["name"] == "about"
    assert told["version"] == "$LATEST"
    assert told["arn"] == f"{arn}:live"
    assert told["request"] == "r-1"
    assert told["memory"] == "512"
    assert told["group"] == "/aws/lambda/about"
    assert told["stream"].startswith("20")
    assert "/[$LATEST]" in told["stream"]
    assert 1000 < told["left"] <= 20_000
    assert told["less"]
    environment = told["environment"]
    assert environment.pop("COLOR") == "blue"
    assert environment["AWS_ENDPOINT_URL"] == functions.api.url
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["_HANDLER"] == "code:about"
    ours = {"PATH", "HOME", "LANG", "TZ", "LAMBDA_TASK_ROOT", "_HANDLER", "LC_CTYPE"}
    assert all(name in ours or name.startswith("AWS_") for name in environment)


def test_packages_and_lambdas_own_spelling(functions: Functions, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "app.py").write_text("def handler(event, context):\n    return event\n")
    for spelling in ("package.app:handler", "package.app.handler", "package/app.handler"):
        arn = functions.callable("spelled", spelling, folder)
        assert functions.invoke(arn, {"a": [1]}) == {"a": [1]}


@pytest.mark.parametrize("handler", ["nowhere.handler", "code.nothing", "code.state"])
def test_a_handler_that_does_not_load(functions: Functions, handler: str) -> None:
    arn = functions.callable("broken", handler, CODE)
    error = trouble(functions, arn, {})
    assert (error.trouble, error.detail) == (Trouble.FAILED, "Runtime.ImportModuleError")
    lines = functions.log("broken")
    assert any("[ERROR] Traceback" in line for line in lines)
    assert "Status: error" in lines[-1]


def test_a_folder_or_an_environment_that_is_not_there(functions: Functions) -> None:
    for values in ({"path": Path("/nowhere/at/all")}, {"path": CODE, "venv": "/nowhere/at/all"}):
        arn = functions.callable("gone", "code.handler", **values)
        assert trouble(functions, arn, {}).trouble is Trouble.REFUSED
    arn = functions.callable("gone", "code.handler", CODE, user="nobody-of-this-name")
    assert trouble(functions, arn, {}).trouble is Trouble.REFUSED


# --- warm workers ---------------------------------------------------------------------------------


def test_a_worker_is_warm_until_its_mapping_changes(functions: Functions) -> None:
    arn = functions.callable("warm", "code.handler", CODE)
    first = functions.invoke(arn, 1)
    second = functions.invoke(arn, 2)
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["process"] == second["process"]
    functions.callable("warm", "code.handler", CODE, environment=("A=b",))
    third = functions.invoke(arn, 3)
    assert third["calls"] == 1
    assert third["process"] != first["process"]


def test_workers_grow_old(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = functions.callable("old", "code.handler", CODE)
    monkeypatch.setattr(pool, "MOST_EVENTS", 2)
    assert [functions.invoke(arn, 0)["calls"] for _ in range(3)] == [1, 2, 1]
    monkeypatch.setattr(pool, "OLDEST_SECONDS", 0.0)
    assert functions.invoke(arn, 0)["calls"] == 1


def test_idle_workers_end(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.1)
    arn = functions.callable("idle", "code.handler", CODE)
    functions.invoke(arn, 0)
    time.sleep(0.5)
    assert functions.invoke(arn, 0)["calls"] == 1


def test_accounts_never_share_a_worker(functions: Functions) -> None:
    other = functions.api.tenant("other")
    arn = functions.callable("shared", "code.handler", CODE)
    [mapped] = functions.api.core.settings.lambda_.functions
    both = msgspec.structs.replace(mapped, accounts=(functions.demo.account, other.account))
    functions.set(lambda_=Lambda(functions=(both,), endpoint=functions.api.url))
    told = []
    for organization in (functions.demo.organization, other.organization) * 2:
        answer = invoke(
            functions.api.core, organization=organization, arn=arn, event=b"0", seconds=20
        )
        told.append(json.loads(functions.api.run(answer)))
    assert [each["calls"] for each in told] == [1, 1, 2, 2]
    assert told[0]["process"] != told[1]["process"]


def test_several_run_at_once_and_no_more_than_may(functions: Functions) -> None:
    arn = functions.callable("slow", "code.slow", CODE, concurrency=2)
    functions.invoke(arn, {"seconds": 0})

    async def storm() -> list[Any]:
        core, organization = functions.api.core, functions.demo.organization
        calls = [
            invoke(core, organization=organization, arn=arn, event=event, seconds=seconds)
            for event, seconds in [(b'{"seconds": 0.9}', 20.0)] * 2 + [(b'{"seconds": 0}', 0.3)]
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second, third = functions.api.run(storm())
    assert first == second == b'"awake"'
    assert isinstance(third, FunctionFailed)
    assert third.trouble is Trouble.BUSY


def test_time_runs_out(functions: Functions) -> None:
    arn = functions.callable("slow", "code.slow", CODE)
    functions.invoke(arn, {"seconds": 0})
    began = time.monotonic()
    assert trouble(functions, arn, {"seconds": 60}, seconds=0.5).trouble is Trouble.TIME
    assert time.monotonic() - began < 30
    lines = functions.log("slow")
    assert any(line.endswith("Error: Task timed out after 0.50 seconds") for line in lines)
    # The next event gets a worker of its own.
    assert functions.invoke(arn, {"seconds": 0}) == "awake"


def test_an_invocation_that_is_broken_off_ends_the_worker(functions: Functions) -> None:
    arn = functions.callable("slow", "code.slow", CODE, concurrency=1)
    functions.invoke(arn, {"seconds": 0})

    async def cancel() -> None:
        core, organization = functions.api.core, functions.demo.organization
        call = asyncio.create_task(
            invoke(core, organization=organization, arn=arn, event=b'{"seconds": 30}', seconds=40)
        )
        await asyncio.sleep(0.2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    functions.api.run(cancel())
    assert functions.invoke(arn, {"seconds": 0}, seconds=10) == "awake"


def test_all_end_with_the_server(functions: Functions) -> None:
    arn = functions.callable("warm", "code.handler", CODE)
    functions.invoke(arn, 0)
    functions.api.run(close_functions())
    assert functions.invoke(arn, 0)["calls"] == 1


# --- sessions -------------------------------------------------------------------------------------


def test_the_api_is_closed_but_for_the_actions_of_the_mapping(functions: Functions) -> None:
    here = {"OrganizationId": functions.demo.organization}
    arn = functions.callable("call", "calling.call", CODE, actions=("ListUsers", "Describe*"))
    assert "Users" in functions.invoke(arn, {"action": "list_users", "with": here})
    described = functions.invoke(arn, {"action": "describe_organization", "with": here})
    assert described["Alias"] == "demo"
    for event in (
        {"action": "list_groups", "with": here},
        {"action": "list_organizations"},
        {"action": "create_user", "with": {**here, "Name": "a", "DisplayName": "A"}},
        {"action": "delete_organization", "with": {**here, "DeleteDirectory": True}},
        {
            "service": "sts",
            "action": "assume_role",
            "with": {
                "RoleArn": f"arn:aws:iam::{functions.demo.account}:role/any",
                "RoleSessionName": "worker",
            },
        },
    ):
        assert functions.invoke(arn, event) in {"AccessDeniedException", "AccessDenied"}, event
    assert functions.invoke(arn, {"service": "sts", "action": "get_session_token"}) not in (
        {},
        None,
    )


def test_another_account_is_out_of_reach(functions: Functions) -> None:
    other = functions.api.tenant("other")
    arn = functions.callable("call", "calling.call", CODE, actions=("*",))
    there = {"OrganizationId": other.organization}
    told = functions.invoke(arn, {"action": "list_users", "with": there})
    assert told == "OrganizationNotFoundException"
    place = {"service": "s3", "action": "get_object", "with": {"Bucket": "theirs", "Key": "a"}}
    functions.set(outside=Outside(buckets=(f"{other.account} theirs folder",)))
    assert functions.invoke(arn, place) == "NoSuchBucket"


def test_large_files_go_to_buckets_and_back(functions: Functions) -> None:
    """In parts and ranges, several at once, through the worker's own network."""
    arn = functions.callable("transfer", "calling.transfer", CODE)
    told = functions.invoke(arn, {"bucket": BUCKET, "size": 20 << 20}, seconds=60.0)
    assert told["same"]
    assert told["tag"].endswith('-3"')


def test_who_a_function_is(functions: Functions) -> None:
    arn = functions.callable("call", "calling.call", CODE)
    told = functions.invoke(arn, {"service": "sts", "action": "get_caller_identity"})
    assert told["Account"] == functions.demo.account
    role = f"arn:aws:sts::{functions.demo.account}:assumed-role/function-call/"
    assert told["Arn"].startswith(role)


def test_a_session_gives_no_further_sessions(functions: Functions) -> None:
    arn = functions.callable("call", "calling.call", CODE)
    told = functions.invoke(arn, {"service": "sts", "action": "get_session_token"})
    assert told == "AccessDenied"


def test_policies_of_mappings() -> None:
    [statement] = json.loads(policy_of(()))["Statement"]
    assert {each.partition(":")[0] for each in statement["Action"]} == {"workmailmessageflow"}
    [statement] = json.loads(policy_of(("ListUsers",)))["Statement"]
    assert "workmail:ListUsers" in statement["Action"]


# --- logs -----------------------------------------------------------------------------------------


def test_an_error_is_in_the_log_and_not_in_ours(
    functions: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = functions.callable("failing", "code.failing", CODE)
    error = trouble(functions, arn, {"word": "swordfish"}, request_id="r")
    assert (error.trouble, str(error)) == (Trouble.FAILED, "failed: ValueError")
    start, before, *trace, told, end, report = functions.log("failing")
    assert start == "START RequestId: r Version: $LATEST"
    assert before == "before"
    assert trace[-1] == "ValueError: secret swordfish"
    assert told == "RequestId: r Error: ValueError"
    assert end == "END RequestId: r"
    assert report.endswith("Status: error")
    captured = capsys.readouterr()
    assert "swordfish" not in captured.out + captured.err


def test_a_log_group_that_is_not_mapped_keeps_nothing(functions: Functions) -> None:
    functions.set(outside=Outside(buckets=(f"{functions.demo.account} {BUCKET} folder",)))
    arn = functions.callable("warm", "code.handler", CODE)
    assert functions.invoke(arn, 0)["calls"] == 1
    with pytest.raises(ResourceNotFound):
        functions.api.run(
            read_log(functions.api.core, functions.demo.account, "warm", since=0, limit=10)
        )


def test_logs_are_bounded(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    from workpost.operations.functions import logs

    monkeypatch.setattr(logs, "MOST_BYTES", 2 * logs.LINE_BYTES + 100)
    arn = functions.callable("warm", "code.handler", CODE)
    functions.invoke(arn, 0, request_id="r")
    assert functions.log("warm") == ["START RequestId: r Version: $LATEST", "END RequestId: r"]


def test_empty_lines_are_bounded_like_others(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workpost.operations.functions import logs

    record = logs.Record(functions.api.core, "r", "$LATEST")
    for _ in range(4):
        record.hear(b"\n" * 65536)
    record.end(Ran(), memory=0, trouble="")
    assert len(record.lines) == logs.MOST_LINES + 3
    assert [line[:11] for _, line in record.lines[-3:-1]] == [b"[the rest o", b"END Request"]
    monkeypatch.setattr(logs, "MOST_BYTES", 100 * logs.LINE_BYTES)
    functions.api.run(added(functions, record))
    assert len(functions.log("warm")) == 99


async def added(functions: Functions, record: Record) -> None:
    logbook = running(functions.api.core).logbook
    logbook.add(functions.demo.account, "warm", "stream", record)


@pytest.mark.parametrize(
    ("head", "payload"),
    [
        ('{"kind": "failed", "id": "r"}', "[" * 5000),
        ('{"kind": "failed", "id": "r"}', "\udcff"),
        ('{"kind": "\udcff"}', ""),
        ('{"kind": "answer", "id": "r", "more": ' + "[" * 4000, ""),
    ],
)
def test_a_worker_that_speaks_nonsense_gives_no_answer(
    functions: Functions, head: str, payload: str
) -> None:
    arn = functions.callable("liar", "code.lying", CODE)
    said = {"head": head, "payload": payload}
    assert trouble(functions, arn, said, request_id="r").trouble is Trouble.FAILED


TIMES = 10


def test_a_system_that_gives_no_process_is_busy_and_loses_nothing(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*args: object, **more: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    arn = functions.callable("late", "code.handler", CODE)
    monkeypatch.setattr(subprocess, "Popen", none_left)
    assert trouble(functions, arn, 0).trouble is Trouble.BUSY
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(TIMES):
        assert trouble(functions, arn, 0).trouble is Trouble.BUSY
    # Others in this process may open one or two meanwhile.
    assert len(os.listdir("/proc/self/fd")) - before < TIMES


def test_a_group_that_is_out_of_reach_delays_nothing(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workpost.operations.functions import logs

    monkeypatch.setattr(logs, "RETRY_SECONDS", 0.05)
    for name, value in (
        ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ):
        monkeypatch.setenv(name, value)
    functions.set(outside=Outside(log_groups=(f"{functions.demo.account} /aws/lambda/* logs",)))
    arn = functions.callable("warm", "code.handler", CODE)
    began = time.monotonic()
    functions.invoke(arn, 0)
    assert time.monotonic() - began < 30
    functions.api.run(close_functions())


def test_logs_in_cloudwatch(functions: Functions, moto_server: Any) -> None:
    functions.set(outside=Outside(log_groups=(f"{functions.demo.account} /aws/lambda/* logs",)))
    arn = functions.callable("failing", "code.failing", CODE)
    trouble(functions, arn, {"word": "x"}, request_id="r")
    lines = functions.log("failing")
    assert lines[:2] == ["START RequestId: r Version: $LATEST", "before"]


# --- who asks -------------------------------------------------------------------------------------


def test_organizations_that_are_not_there(functions: Functions) -> None:
    call = invoke(functions.api.core, organization="m-" + "0" * 32, arn="x", event=b"{}", seconds=1)
    with pytest.raises(OrganizationNotFound):
        functions.api.run(call)


def test_what_is_not_mapped_is_missing(functions: Functions) -> None:
    assert trouble(functions, functions.arn("nothing"), {}).trouble is Trouble.MISSING


def test_one_running_for_each_loop(functions: Functions) -> None:
    async def same() -> bool:
        return running(functions.api.core) is running(functions.api.core)

    assert functions.api.run(same())
