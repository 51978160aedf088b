"""Log groups: a folder, and CloudWatch Logs at moto's server; limits of PutLogEvents."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.moto import REGION, MotoServer
from workpost.integrations.logs import aws
from workpost.integrations.logs.aws import CloudWatchGroup
from workpost.integrations.logs.base import (
    MAX_BYTES,
    MAX_LINES,
    OVERHEAD,
    SPAN_MS,
    GroupMissing,
    Line,
    batches,
)
from workpost.integrations.logs.folder import FolderGroup
from workpost.kernel.errors import TryLater

DAY_MS = 24 * 3_600_000
NAME = "/mail/events"


def now() -> int:
    return time.time_ns() // 1_000_000


some_lines = st.lists(
    st.tuples(st.integers(0, 3 * DAY_MS), st.integers(1, 260_000).map(lambda n: b"x" * n)),
    max_size=12,
).map(sorted)


@given(some_lines)
def test_batches_are_what_one_call_takes(lines: list[Line]) -> None:
    made = list(batches(lines))
    assert [line for batch in made for line in batch] == lines
    for batch in made:
        assert 1 <= len(batch) <= MAX_LINES
        assert sum(len(line) + OVERHEAD for _, line in batch) <= MAX_BYTES
        assert batch[-1][0] - batch[0][0] < SPAN_MS


def test_many_short_lines_are_cut_by_number() -> None:
    made = list(batches([(1, b"x")] * (MAX_LINES + 1)))
    assert [len(batch) for batch in made] == [MAX_LINES, 1]


def test_a_group_at_cloudwatch_takes_lines_however_late(moto_server: MotoServer) -> None:
    group = CloudWatchGroup(NAME, REGION, "", now)
    with pytest.raises(GroupMissing):
        group.check()
    group.create(30)
    group.create(30)
    group.check()
    lines = [(now() - 30 * DAY_MS, b"late"), (now() - 20 * DAY_MS, b"later"), (now(), b"now")]
    assert group.put("org/events", lines) == 0
    answer = boto3.client("logs").get_log_events(
        logGroupName=NAME, logStreamName="org/events", startFromHead=True
    )
    assert [event["message"] for event in answer["events"]] == ["late", "later", "now"]


def test_lines_of_a_clock_that_stepped_back_are_put_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group, put = CloudWatchGroup(NAME, REGION, "", now), list[Line]()

    def take(_: str, batch: Sequence[Line]) -> int:
        put.extend(batch)
        return 0

    monkeypatch.setattr(group, "_put", take)
    start = now()
    group.put("org/events", [(start, b"1"), (start - 500, b"2"), (start, b"3")])
    assert [line for _, line in put] == [b"2", b"1", b"3"]


def test_a_stream_that_was_deleted_is_made_anew(moto_server: MotoServer) -> None:
    group = CloudWatchGroup(NAME, REGION, "", now)
    group.create(30)
    group.put("org/events", [(now(), b"1")])
    boto3.client("logs").delete_log_stream(logGroupName=NAME, logStreamName="org/events")
    with pytest.raises(GroupMissing):
        group.put("org/events", [(now(), b"2")])
    assert group.put("org/events", [(now(), b"2")]) == 0


def test_an_endpoint_that_does_not_answer_is_asked_later(
    moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "http://127.0.0.1:9")
    with pytest.raises(TryLater):
        CloudWatchGroup(NAME, REGION, "", now).put("org/events", [(now(), b"1")])


def test_a_profile_that_is_not_there_is_asked_later(moto_server: MotoServer) -> None:
    with pytest.raises(TryLater):
        CloudWatchGroup(NAME, REGION, "nobody", now).check()


def test_lines_that_cloudwatch_refused_are_counted() -> None:
    assert aws._refused({}, 5) == 0
    assert aws._refused({"tooOldLogEventEndIndex": 2}, 5) == 2
    assert aws._refused({"expiredLogEventEndIndex": 3, "tooNewLogEventStartIndex": 4}, 5) == 4


def test_a_folder_that_cannot_be_is_no_group(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    group = FolderGroup(tmp_path / "file", now)
    for ask in (group.check, lambda: group.create(1), lambda: group.put("s", [(1, b"x")])):
        with pytest.raises(GroupMissing):
            ask()


def test_a_folder_is_read_across_streams_and_forgets_old_ones(tmp_path: Path) -> None:
    day = 24 * 3_600_000
    clock = [1_767_225_600_000]
    group = FolderGroup(tmp_path / "group", lambda: clock[0])
    group.create(2)
    group.put("2026/01/01/one", [(clock[0], b"a"), (clock[0], b"b")])
    time.sleep(0.02)
    group.put("2026/01/01/two", [(clock[0], b"c")])
    streams = ("2026/01/01/one", "2026/01/01/two")
    assert group.read(0, 2) == [(streams[0], b"b"), (streams[1], b"c")]
    assert group.read(int(time.time() * 1000) + day, 10) == []
    clock[0] += 3 * day
    group.put("2026/01/04/three", [(clock[0], b"d")])
    assert group.read(0, 10) == [("2026/01/04/three", b"d")]
    assert not (tmp_path / "group" / "2026" / "01" / "01" / "one").exists()


def test_a_busy_stream_of_a_folder_hides_no_newer_lines_of_another(tmp_path: Path) -> None:
    start = now()
    group = FolderGroup(tmp_path / "group", now)

    def lines(*moments: int) -> list[tuple[int, bytes]]:
        return [(start + each, b'{"timestamp":%d}' % (start + each)) for each in moments]

    group.put("busy", lines(*range(-50, 0)))
    group.put("other", lines(1, 3))
    group.put("busy", lines(2, 4))
    found = [(stream, json.loads(line)["timestamp"] - start) for stream, line in group.read(0, 5)]
    assert found == [("busy", -1), ("other", 1), ("busy", 2), ("other", 3), ("busy", 4)]
    assert len(group.read(start, 50)) == 4
