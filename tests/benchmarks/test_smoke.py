"""The benchmark runs from end to end in a few seconds; what it compares, it compares rightly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import peers
from benchmarks.mail import message, submission
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


def test_submissions_have_the_size_they_are_named_by() -> None:
    assert len(submission("ada@demo.test", "grace@demo.test")) == 4096
    assert message(9) == message(9) != message(19)


@pytest.mark.e2e
@pytest.mark.serial
def test_the_whole_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.json"
    assert bench.main(["--smoke", "--json", str(rows)]) == 0
    measured = {one["what"]: one for one in json.loads(rows.read_bytes())}
    assert measured["DescribeUser"]["value"] > 0
    assert measured["p99 of a timer's delay"]["passed"] is not None
    if not peers.missing():
        assert measured["metadata 60"]["ratio"] > 0
        assert measured["SQLite, pipelined"]["ratio"] > 0
    if postgres_folder() is not None:
        assert measured["PostgreSQL, pipelined"]["value"] > 0
    assert "Submission" in capsys.readouterr().out
