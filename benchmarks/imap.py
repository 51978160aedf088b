"""IMAP over the same messages, beside Dovecot: SELECT, FETCH of metadata, FETCH of flags."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import peers
from benchmarks.clients import Connection, Script, drive, imap, imap_login
from benchmarks.mail import collection
from benchmarks.product import PASSWORD, Workpost
from benchmarks.scale import Scale
from benchmarks.table import Row

LARGE = "Large"
METADATA = b"(FLAGS UID RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
FLAGS = b"(FLAGS)"


def fill(product: Workpost, scale: Scale) -> str:
    """Give one person the messages, once; the person's address."""
    address = product.add_people(1)[0]
    if not product.filled:
        product.filled = product.fill(address, collection(scale.messages), scale.copies, LARGE)
    return address


def measure(product: Workpost, dovecot: peers.Dovecot | None, scale: Scale) -> Iterator[Row]:
    """Seconds of each, the best of some rounds, on a connection that has logged in."""
    address = fill(product, scale)
    if dovecot is not None:
        dovecot.load(collection(scale.messages))
        dovecot.load((m for _ in range(scale.copies) for m in collection(scale.messages)), LARGE)
    large = scale.messages * scale.copies
    ours = timed(product.port("imap"), address, PASSWORD, scale)
    theirs = (
        timed(dovecot.imap_port, peers.USER, peers.PASSWORD, scale)
        if dovecot is not None
        else dict.fromkeys(ours)
    )
    section = f"IMAP, {scale.messages:,} messages in INBOX and {large:,} in another folder"
    for what, gate, aim in (
        ("SELECT INBOX", None, None),
        ("metadata INBOX", 0.4, 0.25),
        ("FLAGS INBOX", 0.2, 0.05),
        ("SELECT Large", None, None),
        ("metadata Large", 0.4, None),
        ("FLAGS Large", 0.2, None),
    ):
        yield Row(
            section=section,
            what=what.replace("INBOX", f"{scale.messages:,}").replace("Large", f"{large:,}"),
            value=ours[what] or 0.0,
            unit="s",
            peer="Dovecot",
            peer_value=theirs[what],
            gate=gate,
            aim=aim,
            lower_is_better=True,
        )


def timed(port: int, user: str, password: str, scale: Scale) -> dict[str, float | None]:
    """Seconds of every command."""
    connection = Connection(port)
    drive({connection: imap_login(user, password)})
    found: dict[str, float | None] = {}
    for folder, count in (
        ("INBOX", scale.messages),
        (LARGE, scale.messages * scale.copies),
    ):
        found[f"SELECT {folder}"] = min(
            _once(connection, imap(b"SELECT %s" % folder.encode())) for _ in range(scale.rounds)
        )
        for name, items in (("metadata", METADATA), ("FLAGS", FLAGS)):
            found[f"{name} {folder}"] = min(
                _fetch(connection, count, items) for _ in range(scale.rounds)
            )
    connection.close()
    return found


def _once(connection: Connection, script: Script) -> float:
    return drive({connection: script})


def _fetch(connection: Connection, count: int, items: bytes) -> float:
    answers: list[bytearray] = []
    took = drive({connection: imap(b"FETCH 1:%d %s" % (count, items), answers)})
    rows = answers[0].count(b" FETCH (")
    assert rows == count, f"{rows} rows instead of {count}"
    return took
