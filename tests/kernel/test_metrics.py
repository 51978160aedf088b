"""Metrics: declared at import, counted in each process, summed where they are read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workpost.kernel import metrics

MESSAGES = metrics.counter("workpost_test_messages_total", "Messages.", "result")
ACCEPTED = MESSAGES.labels("accepted")
SESSIONS = metrics.gauge("workpost_test_sessions", "Sessions.")
WAIT = metrics.histogram("workpost_test_wait_seconds", "Waiting.")


def numbers() -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_without_configure_numbers_stay_in_the_process() -> None:
    ACCEPTED.inc()
    MESSAGES.labels("accepted").inc(2)
    SESSIONS.inc()
    SESSIONS.inc(4)
    SESSIONS.dec()
    WAIT.observe(0.3)
    seen = numbers()
    assert seen['workpost_test_messages_total{result="accepted"}'] == 3
    assert seen["workpost_test_sessions"] == 4
    assert seen['workpost_test_wait_seconds_bucket{le="0.25"}'] == 0
    assert seen['workpost_test_wait_seconds_bucket{le="0.5"}'] == 1
    SESSIONS.set(0)
    assert numbers()["workpost_test_sessions"] == 0


def test_the_same_declaration_twice_is_the_same_metric() -> None:
    assert metrics.counter("workpost_test_messages_total", "Messages.", "result") is MESSAGES
    assert MESSAGES.labels("accepted") is ACCEPTED


def test_another_declaration_of_the_name_is_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        metrics.gauge("workpost_test_messages_total", "Messages.", "result")
    with pytest.raises(ValueError, match="declared twice"):
        metrics.histogram("workpost_test_wait_seconds", "Waiting.", buckets=metrics.BYTES)


def test_labels_must_fit_the_declaration() -> None:
    with pytest.raises(ValueError, match="other labels"):
        MESSAGES.labels("accepted", "smtp")


PROGRAM = """
    import os, sys, time
    from pathlib import Path
    from workpost.kernel import metrics

    done = metrics.counter("done_total", "Done.", "role")
    open_ = metrics.gauge("open", "Open.")
    done.labels("before").inc()
    metrics.configure(Path(sys.argv[1]))
    children = []
    for role in ("imap", "smtp", "smtp"):
        if (pid := os.fork()) == 0:
            done.labels(role).inc()
            open_.inc(5)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    done.labels("supervisor").inc()
    print(metrics.render().decode())
    metrics.process_died(children[0])
    print(metrics.render().decode())
"""


def test_forked_processes_are_summed_and_the_dead_hold_no_gauges(tmp_path: Path) -> None:
    stale = tmp_path / "metrics" / "counter_1.db"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier run")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={name: value for name, value in os.environ.items() if name != metrics.VARIABLE},
    )
    assert done.stdout.count('done_total{role="imap"} 1.0') == 2
    assert done.stdout.count('done_total{role="smtp"} 2.0') == 2
    assert done.stdout.count('done_total{role="supervisor"} 1.0') == 2
    assert "before" not in done.stdout
    assert "open 15.0" in done.stdout
    assert "open 10.0" in done.stdout


def test_process_died_needs_no_shared_numbers() -> None:
    metrics.process_died(signal.SIGCHLD)


def test_gathered_counts_are_told_regularly_or_at_once() -> None:
    handle = metrics.counter("workpost_test_gathered_total", "Gathered.", "who")
    ada = handle.labels("ada")
    ada.gather()
    assert gathered("ada") == 1
    metrics.tell_regularly(True)
    try:
        ada.gather()
        ada.gather(2)
        handle.labels("grace").gather()
        assert gathered("ada") == 1
        metrics.tell()
        assert gathered("ada") == 4
        ada.gather()
    finally:
        metrics.tell_regularly(False)
    assert gathered("ada") == 5
    assert gathered("grace") == 1


def test_gathered_observations_fall_into_their_buckets() -> None:
    one_by_one = metrics.histogram("workpost_test_each", "Each.", buckets=(0.0, 1.0))
    together = metrics.histogram("workpost_test_many", "Many.", buckets=(0.0, 1.0))
    metrics.tell_regularly(True)
    try:
        for value in (0.0, 1.0, 0.0, 0.5, 7.0, 0.0):
            one_by_one.observe(value)
            together.gather(value)
    finally:
        metrics.tell_regularly(False)
    seen = numbers()
    each = {name: value for name, value in seen.items() if name.startswith("workpost_test_each")}
    assert each["workpost_test_each_count"] == 6
    for name, value in each.items():
        if not name.endswith("_created"):
            assert seen[name.replace("test_each", "test_many")] == value


def gathered(who: str) -> float:
    return numbers()[f'workpost_test_gathered_total{{who="{who}"}}']
