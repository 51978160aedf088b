"""The tenants' buckets: a folder, and S3 (moto) with encryption by a KMS key."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.moto import MotoServer
from workpost.integrations.s3 import uploads
from workpost.integrations.s3.depot import Depot, Gone, NoObject, Refused, TooLarge
from workpost.integrations.s3.folder import FolderDepot
from workpost.integrations.s3.uploads import BucketDepot
from workpost.kernel.errors import TryLater

NAME = "mail/ada/1.zip"
KEY = "arn:aws:kms:us-east-1:111122223333:key/0f0e0d0c-0b0a-4908-8706-050403020100"
MIB5 = 5 * 1024 * 1024


class Held:
    """A depot, and how a test looks into it."""

    def __init__(self, depot: Depot, root: Path | None, s3: Any) -> None:
        self.depot = depot
        self.root = root
        self.s3 = s3

    def read(self, name: str) -> bytes | None:
        if self.root is not None:
            path = self.root / name
            return path.read_bytes() if path.exists() else None
        found = self.s3.list_objects_v2(Bucket="exports", Prefix=name).get("Contents", [])
        if not found:
            return None
        return bytes(self.s3.get_object(Bucket="exports", Key=name)["Body"].read())


def client() -> Any:
    from botocore.session import get_session

    return get_session().create_client("s3")


@pytest.fixture
def s3(moto_server: MotoServer) -> Any:
    made = client()
    made.create_bucket(Bucket="exports")
    return made


@pytest.fixture(params=["folder", "s3"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Held:
    if request.param == "folder":
        root = tmp_path / "outside" / "exports"
        return Held(FolderDepot(root), root, None)
    s3 = request.getfixturevalue("s3")
    return Held(BucketDepot("exports", KEY, "us-east-1"), None, s3)


def test_an_object_appears_whole_when_it_is_complete(held: Held) -> None:
    depot = held.depot
    depot.check()
    upload = depot.begin(NAME)
    tags = [depot.put_part(NAME, upload, 1, b"a" * MIB5)]
    depot.put_part(NAME, upload, 2, b"half")
    tags.append(depot.put_part(NAME, upload, 2, b"end"))
    assert held.read(NAME) is None
    assert depot.unfinished(NAME) == [upload]
    depot.complete(NAME, upload, tags)
    assert held.read(NAME) == b"a" * MIB5 + b"end"
    assert depot.unfinished(NAME) == []
    depot.put(NAME, b"anew")
    assert held.read(NAME) == b"anew"


def test_an_aborted_upload_leaves_nothing(held: Held) -> None:
    depot = held.depot
    depot.check()
    upload = depot.begin(NAME)
    depot.put_part(NAME, upload, 1, b"x")
    assert depot.unfinished("mail/ada/10.zip") == []
    depot.abort(NAME, upload)
    depot.abort(NAME, upload)
    assert depot.unfinished(NAME) == []
    assert held.read(NAME) is None
    # moto knows no better answer for an unknown upload than an internal error.
    with pytest.raises((Refused, TryLater)):
        depot.put_part(NAME, upload, 2, b"x")
    with pytest.raises((Refused, TryLater)):
        depot.complete(NAME, upload, ["1"])


def test_an_object_is_read_up_to_a_limit(held: Held) -> None:
    depot = held.depot
    depot.check()
    depot.put(NAME, b"abc")
    assert depot.fetch(NAME, "", 3) == b"abc"
    with pytest.raises(TooLarge, match="more than 2 bytes"):
        depot.fetch(NAME, "", 2)
    depot.put("empty", b"")
    assert depot.fetch("empty", "", 3) == b""


def test_an_object_that_is_not_there(held: Held) -> None:
    depot = held.depot
    depot.check()
    depot.put("a/b", b"x")
    for name in ("a", "a/b/c", "b"):
        with pytest.raises(NoObject):
            depot.fetch(name, "", 3)
        with pytest.raises(NoObject):
            depot.look(name)
        depot.delete(name)
    with pytest.raises(NoObject):
        depot.fetch("a/b", "no-such-version", 3)
    assert depot.fetch("a/b", "", 3) == b"x"


def test_objects_are_listed_by_name_in_pages(held: Held) -> None:
    depot = held.depot
    depot.check()
    for name in ("a/2", "a/1", "a-b", "ab/c/d", "b"):
        depot.put(name, name.encode())
    begun = depot.begin("a/3")
    assert [one.name for one in depot.entries("a", "", 100)] == ["a-b", "a/1", "a/2", "ab/c/d"]
    assert [one.name for one in depot.entries("a", "a-b", 2)] == ["a/1", "a/2"]
    assert [one.name for one in depot.entries("a/", "", 9)] == ["a/1", "a/2"]
    assert [one.name for one in depot.entries("ab/c/", "", 9)] == ["ab/c/d"]
    assert list(depot.entries("nothing/here", "", 9)) == []
    first = depot.look("a/1")
    listed = depot.entries("a/1", "", 1)[0]
    assert (listed.name, listed.size, listed.tag) == ("a/1", 3, first.tag)
    depot.put("a/1", b"new")
    assert depot.look("a/1").tag != first.tag
    depot.delete("a/1")
    assert [one.name for one in depot.entries("a/", "", 9)] == ["a/2"]
    depot.abort("a/3", begun)


# --- S3 ------------------------------------------------------------------------------------------


def test_objects_are_encrypted_with_the_key(s3: Any) -> None:
    depot = BucketDepot("exports", KEY, "us-east-1")
    upload = depot.begin(NAME)
    depot.complete(NAME, upload, [depot.put_part(NAME, upload, 1, b"x")])
    depot.put("log.json", b"{}")
    for name in (NAME, "log.json"):
        head = s3.head_object(Bucket="exports", Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY)


def test_a_bucket_without_a_key_decides_itself_how_to_encrypt(s3: Any) -> None:
    depot = BucketDepot("exports", "", "us-east-1")
    upload = depot.begin(NAME)
    depot.complete(NAME, upload, [depot.put_part(NAME, upload, 1, b"x")])
    assert depot.fetch(NAME, "", 1) == b"x"


def test_an_older_version_is_read_by_its_id(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="exports", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="exports", Key="a", Body=b"old")["VersionId"]
    s3.put_object(Bucket="exports", Key="a", Body=b"new")
    depot = BucketDepot("exports", "", "us-east-1")
    assert depot.fetch("a", old, 3) == b"old"
    assert depot.fetch("a", "", 3) == b"new"


def test_a_public_bucket_is_refused(s3: Any) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::exports/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket="exports", Policy=json.dumps(policy))
    with pytest.raises(Refused, match="public"):
        BucketDepot("exports", KEY, "us-east-1").check()


def test_a_bucket_that_is_not_there_is_refused(s3: Any) -> None:
    depot = BucketDepot("nowhere", KEY, "us-east-1")
    for call in (depot.check, lambda: depot.begin(NAME), lambda: depot.put(NAME, b"")):
        with pytest.raises(Refused, match="NoSuchBucket"):
            call()
    assert depot.unfinished(NAME) == []


def test_an_endpoint_that_does_not_answer_is_tried_later(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(TryLater, match="cannot be reached"):
        BucketDepot("exports", KEY, "us-east-1").begin(NAME)


def test_a_profile_that_does_not_exist_is_refused(s3: Any) -> None:
    with pytest.raises(Refused, match="nobody"):
        BucketDepot("exports", KEY, "us-east-1", "nobody").begin(NAME)


def test_a_profile_brings_its_endpoint_and_credentials(
    moto_server: MotoServer, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile archive]\nregion = us-east-1\naws_access_key_id = A\n"
        f"aws_secret_access_key = b\nendpoint_url = {moto_server.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    depot = BucketDepot("exports", KEY, "us-east-1", "archive")
    depot.put(NAME, b"x")
    assert s3.get_object(Bucket="exports", Key=NAME)["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDenied", 403, Refused),
        ("KMS.DisabledException", 400, Refused),
        ("NotImplemented", 501, Refused),
        ("SlowDown", 503, TryLater),
        ("NoSuchUpload", 404, Gone),
        ("ExpiredToken", 400, TryLater),
        ("RequestTimeout", 408, TryLater),
    ],
)
def test_which_refusals_are_final(
    code: str, status: int, error: type[Exception], s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    depot = BucketDepot("exports", KEY, "us-east-1")

    def refuse(*_: Any, **__: Any) -> None:
        response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "PutObject")

    real = depot._open()
    monkeypatch.setattr(real, "put_object", refuse)
    with pytest.raises(error, match=code):
        depot.put(NAME, b"")


def test_an_endpoint_that_does_not_encrypt_is_refused_and_nothing_is_left(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "ENCRYPTION", "AES256")
    depot = BucketDepot("exports", KEY, "us-east-1")
    monkeypatch.setattr(depot, "_encryption", dict)
    with pytest.raises(Refused, match="does not encrypt"):
        depot.begin(NAME)
    assert depot.unfinished(NAME) == []


# --- folders -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../x.zip",
        "a/../../x.zip",
        "/etc/x.zip",
        "a//x.zip",
        "a/./x.zip",
        "a\0b",
        "..",
        "",
        "a\\..\\b",
    ],
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    for call in (
        lambda: depot.begin(name),
        lambda: depot.put(name, b""),
        lambda: depot.abort(name, "x"),
        lambda: depot.unfinished(name),
        lambda: depot.fetch(name, "", 9),
        lambda: depot.look(name),
    ):
        with pytest.raises(Refused):
            call()
    depot.delete(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["outside"]


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outside" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="leads out"):
        depot.put("link/x.zip", b"")


def test_only_files_are_read_from_a_folder(tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "outside" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "outside" / "pipe")
    upload = depot.begin("half")
    for name in ("link", "pipe", f"half.uploading-{upload}"):
        with pytest.raises(NoObject):
            depot.fetch(name, "", 9)
    assert list(depot.entries("", "", 9)) == []
    (tmp_path / "outside" / "away").symlink_to(tmp_path)
    with pytest.raises(Refused, match="leads out"):
        depot.fetch("away/secret", "", 9)
    assert list(depot.entries("away/", "", 9)) == []


def test_files_are_private(tmp_path: Path) -> None:
    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    depot.put("a/b.zip", b"x")
    assert (tmp_path / "outside" / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "outside" / "a" / "b.zip").stat().st_mode & 0o777 == 0o600


def test_what_a_folder_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refused, match="cannot be written"):
        FolderDepot(tmp_path / "file" / "below").check()
    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    depot.put("a", b"")
    with pytest.raises(Refused, match="cannot be written"):
        depot.put("a/b", b"")
    assert depot.unfinished("a/b") == []
    depot.abort("a/b", "x")
    with pytest.raises(Refused, match="200 bytes"):
        depot.put("x" * 201, b"")
    upload = depot.begin("c")
    with pytest.raises(Gone, match="not there"):
        depot.put_part("c", upload, 3, b"")
    (tmp_path / "outside" / f"c.uploading-{upload}").unlink()
    with pytest.raises(Gone, match="not there"):
        depot.put_part("c", upload, 1, b"")


def test_an_object_that_cannot_be_put_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot = FolderDepot(tmp_path)
    depot.put("mail/1", b"one")
    with pytest.raises(Refused):
        depot.put("mail", b"there is a folder of this name")

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(TryLater):
            depot.put("mail/2", b"two")
    assert [path.name for path in tmp_path.rglob("*")] == ["mail", "1"]


def test_a_full_disk_is_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    depot = FolderDepot(tmp_path / "outside")
    depot.check()
    upload = depot.begin("a")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TryLater, match="No space"):
        depot.put_part("a", upload, 1, b"x")
