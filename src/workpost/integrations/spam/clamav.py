"""ClamAV: `INSTREAM` of clamd (clamd(8))."""

from __future__ import annotations

from workpost.integrations.spam.base import ScanFailed, exchange, printable

CHUNK = 64 * 1024
PING_SECONDS = 2.0


async def find_virus(daemon: str, seconds: float, raw: bytes) -> str:
    """The name of a virus in a message, "" when clamd finds none. Raises ScanFailed."""
    pieces = [b"zINSTREAM\0"]
    for start in range(0, len(raw), CHUNK):
        chunk = raw[start : start + CHUNK]
        pieces += (len(chunk).to_bytes(4, "big"), chunk)
    pieces.append(bytes(4))
    return parse_answer(await exchange(daemon, seconds, pieces))


async def is_there(daemon: str) -> bool:
    """Whether clamd answers a PING: then a message that it did not finish was to blame."""
    try:
        return (await exchange(daemon, PING_SECONDS, [b"zPING\0"])).rstrip(b"\0\n") == b"PONG"
    except ScanFailed:
        return False


def parse_answer(data: bytes) -> str:
    """The name in clamd's answer, "" for OK. Raises ScanFailed."""
    text = data.rstrip(b"\0\n").decode("utf-8", "replace")
    if text == "stream: OK":
        return ""
    if text.startswith("stream: ") and text.endswith(" FOUND"):
        return printable(text.removeprefix("stream: ").removesuffix(" FOUND")) or "unnamed"
    raise ScanFailed(f"clamd answered {printable(text.replace(' ', '_')) or 'nothing'}")
