"""The benchmark runs from end to end in a few seconds; what it compares, it compares rightly."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import actions, peers
from benchmarks.clients import Unexpected
from benchmarks.mail import message, submission
from benchmarks.scale import SMOKE
from benchmarks.signing import Signer
from benchmarks.table import Row, render
from tests.support.peers import postgres_folder


def row(**values: object) -> Row:
    return Row(**{"section": "S", "what": "w", "value": 10.0, "unit": "/s", **values})


def test_a_ratio_above_one_is_faster_than_the_peer_whatever_the_unit() -> None:
    assert row(value=300.0, peer_value=150.0).ratio == 2
    assert row(value=0.5, peer_value=0.25, lower_is_better=True).ratio == 0.5
    assert row().ratio is None


@pytest.mark.parametrize(("value", "passed"), [(150.0, True), (149.0, False)])
def test_a_gate_is_a_ratio_to_reach(value: float, passed: bool) -> None:
    assert row(value=value, peer_value=100.0, gate=1.5).passed is passed


@pytest.mark.parametrize(("value", "passed"), [(7.0, True), (7.1, False)])
def test_a_gate_of_latency_is_a_difference(value: float, passed: bool) -> None:
    compared = row(value=value, peer_value=2.0, gate=5.0, excess=True, lower_is_better=True)
    assert compared.passed is passed


def test_without_the_peer_a_gate_says_nothing() -> None:
    assert row(gate=1.5).passed is None
    assert "gate >= 1.5 x: ?" in render([row(gate=1.5)])


def test_a_goal_is_told_and_fails_nothing() -> None:
    slow = row(value=50.0, peer_value=10.0, goal=10.0, p50=1.5, p99=20.0)
    assert slow.passed is None
    assert "5.00 x  p50 1.50 p99 20.0 ms, goal 10 x: no" in render([slow])
    assert "goal 10 x: yes" in render([row(value=100.0, peer_value=10.0, goal=10.0)])


def test_rows_of_one_section_stand_together() -> None:
    rows = [row(section=name, what=name + number) for number in "12" for name in ("A", "B")]
    text = render(rows)
    assert [text.index(what) for what in ("A1", "A2", "B1", "B2")] == sorted(
        text.index(what) for what in ("A1", "A2", "B1", "B2")
    )


def test_percentiles_are_of_the_calls_and_in_milliseconds() -> None:
    took = [number / 1000 for number in range(1, 101)]
    assert actions.percentile(took, 0.5) == 51
    assert actions.percentile(took, 0.99) == 100
    assert actions.percentile([0.002], 0.99) == 2


def serving_once_each(answers: list[bytes]) -> tuple[int, threading.Thread, list[bytes]]:
    """A server that hangs up after each answer: its port, its thread, what it was sent."""
    served: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for answer in answers:
                client, _ = listener.accept()
                with client:
                    served.append(client.recv(100))
                    client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread, served


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
FAILED = b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}"


def test_a_server_that_hangs_up_gets_a_new_connection_for_each_call() -> None:
    port, thread, served = serving_once_each([OK, FAILED, OK])
    measured = actions.timed_moto(port, [b"1", b"2", b"3"], 1)
    thread.join(30)
    assert served == [b"1", b"2", b"3"]
    assert measured.rate > 0


def test_a_peer_that_mostly_fails_is_not_measured() -> None:
    port, _, _ = serving_once_each([OK, FAILED])
    with pytest.raises(Unexpected, match="500"):
        actions.timed_moto(port, [b"1", b"2"], 1)


def test_failures_of_the_product_are_not_measured() -> None:
    port, _, _ = serving_once_each([FAILED])
    with pytest.raises(Unexpected, match="500"):
        actions.timed(port, [b"1"], 1)


def test_calls_are_signed_for_the_service_that_they_go_to() -> None:
    signer = Signer("127.0.0.1", "us-east-1", "AKIA", "secret", "kms", "TrentService")
    call = signer.call("CreateAlias", {})
    assert b"/us-east-1/kms/aws4_request, " in call
    assert b"X-Amz-Target: TrentService.CreateAlias\r\n" in call


def test_submissions_have_the_size_they_are_named_by() -> None:
    assert len(submission("ada@demo.test", "grace@demo.test")) == 4096
    assert message(9) == message(9) != message(19)


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_whole_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.json"
    assert bench.main(["--smoke", "--json", str(rows)]) == 0
    measured = {one["what"]: one for one in json.loads(rows.read_bytes())}
    assert measured["DescribeUser"]["value"] > 0
    assert measured["verify 50 KB"]["ratio"] > 0
    assert measured["p99 of a timer's delay"]["passed"] is not None
    assert measured["a synchronous function over HTTP"]["ratio"] > 0
    if not peers.missing():
        assert measured["metadata 60"]["ratio"] > 0
        assert measured["SQLite, pipelined"]["ratio"] > 0
    engines = ["SQLite"]
    if postgres_folder() is not None:
        engines.append("PostgreSQL")
        assert measured["PostgreSQL, pipelined"]["value"] > 0
    found = {(one["section"], one["what"]): one for one in json.loads(rows.read_bytes())}
    for engine in engines:
        section = f"The ten most used actions on {engine}"
        for action in (*actions.READS, "UpdateUser", "CreateUser, with its password"):
            assert found[section, f"{action}, 4 connections"]["ratio"] > 0
            assert found[section, f"{action}, 1 connection"]["p50"] > 0
        section = f"A directory of {SMOKE.many_users} users on {engine}"
        assert found[section, "command of CreateUser, p50"]["passed"] is not None
        assert [what for where, what in found if where == section and "last pages" in what]
    assert "Submission" in capsys.readouterr().out
