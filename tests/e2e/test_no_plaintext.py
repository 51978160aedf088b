"""Encrypted at rest: nothing that people write can be read under the data directory."""

from __future__ import annotations

import base64
import quopri
import secrets
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import psycopg
import pytest

from tests.support.server import Server

LARGE = 100_000


class Markers:
    """Words that occur nowhere else, one for each place where people write."""

    def __init__(self) -> None:
        names = ("subject", "body", "html", "filename", "attachment", "folder")
        self.words = {name: f"{name}{secrets.token_hex(8)}" for name in names}

    def __getitem__(self, name: str) -> str:
        return self.words[name]

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Each word as it is, in base64 at every alignment, quoted, UTF-16 and in hex."""
        for name, word in self.words.items():
            raw = word.encode()
            yield name, raw
            yield f"{name} in capitals", raw.upper()
            yield f"{name} reversed", raw[::-1]
            yield f"{name} in hex", raw.hex().encode()
            yield f"{name} in UTF-16", word.encode("utf-16-le")
            yield f"{name} quoted", quopri.encodestring(b"=" + raw)
            for shift in range(3):
                text = base64.b64encode(b"x" * shift + raw)
                yield f"{name} in base64", text[4:-4]


def make_mail(markers: Markers, *, large: bool) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada <ada@demo.test>"
    message["To"] = "grace@demo.test"
    message["Subject"] = f"About {markers['subject']}"
    padding = secrets.token_hex(LARGE // 2) if large else ""
    message.set_content(f"Text {markers['body']} {padding}\n", cte="quoted-printable")
    message.add_alternative(f"<p>{markers['html']}</p>", subtype="html", cte="base64")
    message.add_attachment(
        markers["attachment"].encode() * 3,
        maintype="application",
        subtype="octet-stream",
        filename=f"{markers['filename']}.pdf",
    )
    return message


def files(server: Server) -> Iterator[tuple[Path, bytes]]:
    for path in [*server.data.rglob("*"), server.log]:
        if path.is_file():
            yield path, path.read_bytes()


def compressed_streams(data: bytes) -> Iterator[bytes]:
    """What a zlib stream in these bytes would say: packing is no encryption."""
    at = -1
    for head in (b"\x78\x01", b"\x78\x9c", b"\x78\xda"):
        while (at := data.find(head, at + 1)) >= 0:
            try:
                yield zlib.decompressobj().decompress(data[at : at + 65536])
            except zlib.error:
                continue


def assert_nowhere(markers: Markers, places: Iterator[tuple[object, bytes]]) -> int:
    looked = 0
    for place, data in places:
        looked += len(data)
        for whole in (data, *compressed_streams(data)):
            for form, sought in markers.forms():
                assert sought not in whole, f"{form} can be read in {place}"
    return looked


def database(server: Server) -> Iterator[tuple[object, bytes]]:
    """Every row of every table, for PostgreSQL keeps its files elsewhere."""
    url = server.env.get("WORKPOST_DATABASE__URL")
    if not url:
        return
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in tables:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT (FORMAT binary)') as rows:
                yield table, b"".join(bytes(row) for row in rows)


@pytest.fixture
def busy(server: Server) -> Markers:
    """A server on which people have written everything they can."""
    markers = Markers()
    with server.imapclient("grace") as client:
        client.create_folder(f"{markers['folder']}/{markers['folder']} below")
        client.subscribe_folder(markers["folder"])
        for large in (False, True):
            message = make_mail(markers, large=large)
            server.send("ada", ["grace@demo.test", "someone@outside.example"], message)
            client.append(markers["folder"], message.as_bytes())
        client.select_folder("INBOX")
        uids = client.search(["SUBJECT", markers["subject"]])
        assert len(uids) == 2
        client.add_flags(uids, [b"$Label1"])
        assert client.search(["BODY", markers["body"]])
        client.copy(uids, markers["folder"])
        client.move(uids[:1], markers["folder"])
        client.rename_folder(markers["folder"], f"{markers['folder']} later")
        assert client.search(["KEYWORD", "$Label1"])
    return markers


def test_nothing_can_be_read_while_it_runs_or_after_it_stopped(
    server: Server, busy: Markers
) -> None:
    running = assert_nowhere(busy, files(server))
    assert running > LARGE
    assert_nowhere(busy, database(server))
    assert server.stop() == 0
    assert_nowhere(busy, files(server))
    server.start()
    with server.imapclient("grace") as client:
        names = [name for _, _, name in client.list_folders()]
        assert f"{busy['folder']} later" in names
        client.select_folder(f"{busy['folder']} later")
        assert len(client.search(["TEXT", busy["html"]])) == 5


def test_the_search_itself_finds_what_is_there(tmp_path: Path) -> None:
    markers = Markers()
    found = [
        markers["subject"].encode(),
        base64.b64encode(b"before " + markers["body"].encode() + b" after"),
        b"junk" + zlib.compress(markers["folder"].encode()) + b"junk",
    ]
    for data in found:
        with pytest.raises(AssertionError, match="can be read"):
            assert_nowhere(markers, iter([("here", data)]))


def test_passwords_and_secrets_are_not_kept_in_clear(server: Server) -> None:
    secrets_of = [server.account["secret_access_key"], server.password("ada")]
    for path, data in files(server):
        if path.name != "demo.json":
            assert not [one for one in secrets_of if one.encode() in data], path
