"""What a bucket in a folder may hold, over S3's protocol."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.protocols.s3.test_multipart import begin, complete, part
from tests.support.buckets import Buckets, refused
from workpost.integrations.s3 import folder_usage
from workpost.integrations.s3.folder import FolderDepot
from workpost.kernel.outside_settings import Outside

MIB = 1 << 20
FULL = (403, "QuotaExceeded")
Bound = Callable[[int, int], None]


@pytest.fixture
def bound(buckets: Buckets) -> Bound:
    def set_bounds(megabytes: int, objects: int) -> None:
        place = f"{buckets.account} {buckets.bucket} folder {megabytes} {objects}"
        buckets.set(outside=Outside(buckets=(place,)))

    return set_bounds


def files(buckets: Buckets) -> list[str]:
    found = (path for path in buckets.folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(buckets.folder).as_posix() for path in found)


def usage(buckets: Buckets) -> list[int]:
    words = buckets.folder.with_name(f".{buckets.bucket}.usage").read_bytes().split()
    return [int(word) for word in words[:2]]


def test_bytes_are_bounded_and_nothing_half_is_left(buckets: Buckets, bound: Bound) -> None:
    bound(1, 100)
    buckets.put("a", b"x" * (MIB - 10))
    assert refused(lambda: buckets.put("new/b", b"x" * 11)) == FULL
    assert files(buckets) == ["a"]
    assert not (buckets.folder / "new").exists()
    buckets.put("b", b"x" * 10)
    # Less in place of more is taken, once there is room for both: an object is replaced whole.
    buckets.client.delete_object(Bucket=buckets.bucket, Key="a")
    buckets.put("a", b"x" * 1000)
    buckets.put("a", b"x" * 100)
    assert usage(buckets) == [110, 2]


def test_objects_and_the_folders_of_their_names_are_bounded(buckets: Buckets, bound: Bound) -> None:
    bound(1, 5)
    buckets.put("deep/er/than", b"")
    buckets.put("a")
    assert usage(buckets) == [0, 4]
    buckets.put("b")
    assert refused(lambda: buckets.put("c")) == FULL
    buckets.client.delete_object(Bucket=buckets.bucket, Key="deep/er/than")
    assert usage(buckets) == [0, 2]
    buckets.put("c")


def test_parts_count_from_the_beginning(buckets: Buckets, bound: Bound) -> None:
    bound(11, 100)
    upload = begin(buckets)
    first = part(buckets, upload, 1, b"x" * 5 * MIB)
    first = part(buckets, upload, 1, b"y" * 5 * MIB)
    last = part(buckets, upload, 2, b"x" * 5 * MIB)
    assert refused(lambda: part(buckets, upload, 3, b"x" * 2 * MIB)) == FULL
    assert refused(lambda: buckets.put("a", b"x" * 2 * MIB)) == FULL
    complete(buckets, upload, [first, last])
    # The object and its folder.
    assert usage(buckets) == [10 * MIB, 2]
    upload = begin(buckets)
    part(buckets, upload, 1, b"x" * 1000)
    buckets.client.abort_multipart_upload(
        Bucket=buckets.bucket, Key="new/large.eml", UploadId=upload
    )
    assert usage(buckets) == [10 * MIB, 2]


def test_many_at_once_stay_within_the_bound(buckets: Buckets, bound: Bound) -> None:
    bound(1, 100)

    def put(number: int) -> str:
        try:
            buckets.put(f"{number}", b"x" * (MIB // 4))
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "put"

    with ThreadPoolExecutor(2) as threads:
        told = sorted(threads.map(put, range(8)))
    assert told == ["QuotaExceeded"] * 4 + ["put"] * 4
    assert len(files(buckets)) == 4


@pytest.mark.parametrize("ending", ["put", "delete"])
def test_what_is_replaced_by_two_at_once_is_taken_off_once(
    buckets: Buckets, bound: Bound, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    bound(1, 100)
    buckets.put("ballast", b"x" * 400_000)
    buckets.put("a", b"x" * 200_000)
    together = threading.Barrier(2)
    size = FolderDepot._size

    def measured(depot: FolderDepot, path: Path) -> int | None:
        found = size(depot, path)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.3)
        return found

    monkeypatch.setattr(FolderDepot, "_size", measured)
    with ThreadPoolExecutor(2) as workers:
        if ending == "put":
            list(workers.map(buckets.put, ["a", "a"]))
        else:
            call = buckets.client.delete_object
            list(workers.map(lambda key: call(Bucket=buckets.bucket, Key=key), ["a", "a"]))
    assert usage(buckets) == [400_000, 2 if ending == "put" else 1]


def test_a_count_that_cannot_be_read_is_made_anew(buckets: Buckets, bound: Bound) -> None:
    bound(1, 100)
    buckets.put("a", b"1")
    buckets.folder.with_name(f".{buckets.bucket}.usage").write_bytes(b"a b c\n")
    buckets.put("b", b"2")
    assert usage(buckets) == [2, 2]


def test_what_others_do_to_the_folder_shows(
    buckets: Buckets, bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(1, 100)
    buckets.put("a", b"x" * MIB)
    monkeypatch.setattr(folder_usage, "RECHECK_SECONDS", -1)
    assert refused(lambda: buckets.put("b", b"x")) == FULL
    (buckets.folder / "a").unlink()
    buckets.put("b", b"x")
    assert usage(buckets) == [1, 1]


def test_bounds_of_a_bucket_go_before_those_of_all(buckets: Buckets) -> None:
    place = f"{buckets.account} {buckets.bucket} folder"
    buckets.set(outside=Outside(buckets=(place,), bucket_megabytes=1, bucket_objects=2))
    assert refused(lambda: buckets.put("a", b"x" * (MIB + 1))) == FULL
    buckets.set(outside=Outside(buckets=(f"{place} 2",), bucket_megabytes=1, bucket_objects=2))
    buckets.put("a", b"x" * (MIB + 1))
    buckets.put("b")
    assert refused(lambda: buckets.put("c")) == FULL


def test_the_count_is_no_object(buckets: Buckets) -> None:
    buckets.put("a")
    assert files(buckets) == ["a"]
    beside: Path = buckets.folder.parent
    assert (beside / f".{buckets.bucket}.usage").stat().st_mode & 0o777 == 0o600
