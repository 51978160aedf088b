"""Names of objects at the S3 door that a folder cannot hold, or that are in each other's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocols.s3.test_objects import listed
from tests.support.buckets import Buckets, refused

NOWHERE = ["/", "//", "/a", "a//", "a//b", "../", "../a", "a/../", "./", "x" * 300 + "/"]
WRITING = "a.uploading-" + "0" * 32


@pytest.mark.parametrize("prefix", NOWHERE)
@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
def test_lists_of_what_no_object_is_called_are_empty(
    buckets: Buckets, call: str, prefix: str
) -> None:
    buckets.put("a/b")
    buckets.put("b")
    assert listed(buckets, call=call, Prefix=prefix) == ([], [])
    assert listed(buckets, call=call, Prefix=prefix, Delimiter="/") == ([], [])


def test_no_list_tells_of_files_outside(buckets: Buckets, tmp_path: Path) -> None:
    """A name that is a path from the root of the machine must not be looked at there."""
    outside = tmp_path / "secret"
    outside.write_bytes(b"12345")
    buckets.put(str(outside).removeprefix("/"), b"")
    assert listed(buckets, Prefix="/") == ([], [])
    assert listed(buckets, Prefix=str(outside)) == ([], [])


@pytest.mark.parametrize("key", ["/a", "a//b", "../a", "a/./b", "folder/", "x" * 300, WRITING])
def test_what_cannot_be_is_not_there(buckets: Buckets, key: str) -> None:
    assert refused(lambda: buckets.put(key))[0] == 403
    assert refused(lambda: buckets.get(key)) == (404, "NoSuchKey")
    assert refused(lambda: buckets.client.head_object(Bucket=buckets.bucket, Key=key))[0] == 404
    buckets.client.delete_object(Bucket=buckets.bucket, Key=key)
    assert listed(buckets) == ([], [])
    assert list(buckets.folder.iterdir()) == []


def test_an_object_and_a_folder_of_one_name(buckets: Buckets) -> None:
    buckets.put("a/b", b"1")
    assert refused(lambda: buckets.put("a", b"2")) == (403, "AccessDenied")
    assert refused(lambda: buckets.get("a")) == (404, "NoSuchKey")
    buckets.client.delete_object(Bucket=buckets.bucket, Key="a")
    assert buckets.get("a/b") == b"1"
    buckets.client.delete_object(Bucket=buckets.bucket, Key="a/b")
    buckets.put("a", b"2")
    assert refused(lambda: buckets.put("a/b", b"1")) == (403, "AccessDenied")
    assert refused(lambda: buckets.get("a/b")) == (404, "NoSuchKey")
    buckets.client.delete_object(Bucket=buckets.bucket, Key="a/b")
    assert listed(buckets) == (["a"], [])
    assert [each.name for each in buckets.folder.iterdir()] == ["a"]


def test_names_of_1024_bytes_in_lists(buckets: Buckets) -> None:
    parts = ["é" * 100, "a b", "é" * 100, "c" * 200, "d" * 200, "e" * 200]
    key = "/".join(parts) + "/" + "z" * (1024 - len("/".join(parts).encode()) - 1)
    assert len(key.encode()) == 1024
    buckets.put(key, b"x")
    buckets.put("a")
    assert listed(buckets, PaginationConfig={"PageSize": 1}) == (["a", key], [])
    assert listed(buckets, Prefix=key[:300], Delimiter="/")[0] == []
    assert buckets.get(key) == b"x"


@pytest.mark.parametrize("call", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("page", [1, 2, 1000])
def test_a_folder_stands_in_lists_where_its_slash_belongs(
    buckets: Buckets, call: str, page: int
) -> None:
    for key in ("a!", "a/b", "a/b!c", "a/b0", "a1"):
        buckets.put(key)
    buckets.put("a0/é")
    keys = sorted(["a!", "a/b", "a/b!c", "a/b0", "a1", "a0/é"], key=str.encode)
    config = {"PaginationConfig": {"PageSize": page}, "call": call}
    assert listed(buckets, **config) == (keys, [])
    assert listed(buckets, Delimiter="/", **config) == (["a!", "a1"], ["a/", "a0/"])
    assert listed(buckets, Delimiter="b", **config) == (["a!", "a0/é", "a1"], ["a/b"])
    assert listed(buckets, Delimiter="!", Prefix="a/", **config) == (["a/b", "a/b0"], ["a/b!"])
