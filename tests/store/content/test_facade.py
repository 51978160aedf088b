"""Contents inline, as files and in S3: put, get, ranges, and what failures look like."""

from __future__ import annotations

import os
import stat

import msgspec
import pytest

from workpost.kernel.errors import Fault, TryLater
from workpost.kernel.settings import Content
from workpost.store.content import chunks
from workpost.store.content.facade import Contents, open_contents
from workpost.store.content.types import FILE, INLINE, S3, Placed, content_key
from workpost.store.database.unit import Tx, command
from workpost.store.tables.contents import insert_content

SIZES = [0, 1, 4096, 65_519, 65_520, 200_000, 700_000]


@command
def insert(tx: Tx, *, placed: Placed) -> None:
    insert_content(tx, placed)


@pytest.fixture(params=["files", "s3"])
def contents(request, store, store_settings):
    """Contents whose large ones lie in files, or in a bucket."""
    settings = store_settings
    if request.param == "s3":
        request.getfixturevalue("bucket")
        settings = msgspec.structs.replace(
            settings, content=Content(s3_bucket="mail-contents", s3_prefix="ours/")
        )
    return open_contents(settings, store)


@pytest.fixture
def bucket(moto_server):
    from botocore.session import get_session

    client = get_session().create_client("s3")
    client.create_bucket(Bucket="mail-contents")
    return client


def outside(contents: Contents) -> int:
    return S3 if contents.objects is not None else FILE


async def put(contents: Contents, store, raw: bytes) -> tuple[bytes, bytes, Placed]:
    content_id, key = store.env.new_content_id(), content_key(store.env)
    placed = await contents.put(raw, key, content_id)
    await store.write(insert, placed=placed)
    return content_id, key, placed


async def test_what_was_put_is_got_whole_and_in_ranges(contents, store):
    wanted, bodies = [], []
    for size in SIZES:
        raw = os.urandom(size)
        content_id, key, placed = await put(contents, store, raw)
        assert placed.place == (outside(contents) if size >= 65_520 else INLINE)
        assert placed.size == size
        assert await contents.get(content_id, key) == raw
        for start, end in ((0, 10), (5, None), (size // 2, size // 2 + 70_000), (size, None)):
            got = await contents.get(content_id, key, start=start, end=end)
            assert got == raw[start:end]
        wanted.append((content_id, key))
        bodies.append(raw)
    assert await contents.get_many(wanted * 10) == bodies * 10


async def test_a_content_is_sealed_wherever_it_lies(contents, store, tmp_path, request):
    raw = b"Subject: the marker 4711\r\n\r\n" * 5000
    await put(contents, store, raw)
    await put(contents, store, raw[:1000])
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"marker 4711" not in file.read_bytes()
    if contents.objects is not None:
        client = request.getfixturevalue("bucket")
        for entry in client.list_objects_v2(Bucket="mail-contents")["Contents"]:
            assert entry["Key"].startswith("ours/content/")
            body = client.get_object(Bucket="mail-contents", Key=entry["Key"])["Body"].read()
            assert b"marker 4711" not in body


async def test_the_wrong_key_opens_nothing(contents, store):
    for size in (100, 100_000):
        content_id, _, _ = await put(contents, store, bytes(size))
        with pytest.raises(Fault):
            await contents.get(content_id, bytes(32))


async def test_a_content_that_is_not_there_is_a_fault(contents, store):
    with pytest.raises(Fault):
        await contents.get(bytes(16), bytes(32))
    with pytest.raises(Fault):
        await contents.get_many([(bytes(16), bytes(32))])
    for place in (INLINE, outside(contents)):
        content_id = store.env.new_content_id()
        lost = Placed(id=content_id, size=100_000, place=place, sealed=None)
        await store.write(insert, placed=lost)
        for start in (0, 90_000):
            with pytest.raises(Fault):
                await contents.get(content_id, bytes(32), start=start)
    assert await contents.sealed_length(content_id, outside(contents)) is None


async def test_the_sealed_form_travels_for_backups(contents, store):
    content_id, key, placed = await put(contents, store, bytes(100_000))
    sealed = await contents.read_sealed(content_id, 100_000, placed.place)
    assert len(sealed) == await contents.sealed_length(content_id, placed.place)
    assert chunks.open_all(key, content_id, 100_000, sealed) == bytes(100_000)
    again = store.env.new_content_id()
    await contents.write_sealed(again, placed.place, sealed)
    assert await contents.read_sealed(again, 100_000, placed.place) == sealed


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def files(store, store_settings):
    return open_contents(store_settings, store)


async def test_a_file_is_private_and_leaves_no_working_copy(files, store, store_settings):
    content_id, _, _ = await put(files, store, bytes(100_000))
    path = files.files.path(content_id)
    name = content_id.hex()
    assert path == store_settings.content_dir / name[30:32] / name[28:30] / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [name]


async def test_a_file_cut_short_is_a_fault_and_never_half_a_message(files, store):
    content_id, key, _ = await put(files, store, bytes(200_000))
    path = files.files.path(content_id)
    path.write_bytes(path.read_bytes()[: 1 + 2 * chunks.SEALED_CHUNK])
    for start in (0, 70_000, 150_000):
        with pytest.raises(Fault):
            await files.get(content_id, key, start=start)


async def test_a_disk_that_refuses_is_try_later(files, store, store_settings):
    store_settings.content_dir.parent.mkdir(exist_ok=True)
    store_settings.content_dir.write_text("not a folder")
    with pytest.raises(TryLater):
        await files.put(bytes(100_000), bytes(32), bytes(16))
    with pytest.raises(TryLater):
        await files.read_sealed(bytes(16), 100_000, FILE)


async def test_unfinished_and_old_files_are_candidates_for_the_sweeper(files, store):
    one, _, _ = await put(files, store, bytes(100_000))
    two, _, _ = await put(files, store, bytes(100_000))
    unfinished = files.files.path(one).with_name(one.hex() + ".new")
    unfinished.write_bytes(b"x")
    (files.files.path(one).parent / "README").write_text("not ours")
    os.utime(files.files.path(one), (1000, 1000))
    os.utime(unfinished, (1000, 1000))
    found = list(files.files.orphans(before=2_000_000))
    assert sorted(found, key=lambda pair: pair[1]) == [
        (one, files.files.path(one)),
        (one, unfinished),
    ]
    assert two not in {content_id for content_id, _ in found}
    files.files.delete(one)
    files.files.delete(one)
    assert files.files.size(one) is None


# --- S3 ------------------------------------------------------------------------------------------


async def test_a_bucket_out_of_reach_is_try_later(store, store_settings, monkeypatch, moto_server):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    settings = msgspec.structs.replace(store_settings, content=Content(s3_bucket="mail-contents"))
    contents = open_contents(settings, store)
    with pytest.raises(TryLater):
        await contents.put(bytes(100_000), bytes(32), bytes(16))


async def test_a_bucket_that_refuses_is_try_later(store, store_settings, moto_server):
    settings = msgspec.structs.replace(store_settings, content=Content(s3_bucket="not-made"))
    contents = open_contents(settings, store)
    with pytest.raises(TryLater, match="NoSuchBucket"):
        await contents.put(bytes(100_000), bytes(32), bytes(16))


async def test_contents_in_s3_need_a_bucket_in_the_settings(files, store):
    content_id = store.env.new_content_id()
    placed = Placed(id=content_id, size=5, place=S3, sealed=None)
    await store.write(insert, placed=placed)
    with pytest.raises(Fault, match="s3_bucket"):
        await files.get(content_id, bytes(32))


async def test_objects_are_walked_over_pages_and_deleted_in_bulk(store, store_settings, bucket):
    settings = msgspec.structs.replace(store_settings, content=Content(s3_bucket="mail-contents"))
    objects = open_contents(settings, store).objects
    ids = sorted(store.env.new_content_id() for _ in range(3))
    for content_id in ids:
        objects.write(content_id, b"x")
    bucket.put_object(Bucket="mail-contents", Key="content/zz", Body=b"not ours")
    assert sorted(objects.orphans(before=1 << 60)) == ids
    assert list(objects.orphans(before=0)) == []
    objects.delete(ids)
    assert list(objects.orphans(before=1 << 60)) == []
    objects.delete([])
