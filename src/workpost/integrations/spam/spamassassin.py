"""SpamAssassin: `SYMBOLS` of spamd, as its file PROTOCOL describes it (SPAMC/1.5)."""

from __future__ import annotations

import re

from workpost.integrations.spam.base import NAMES, Judged, ScanFailed, exchange, printable

_FIRST = re.compile(rb"SPAMD/[0-9.]{1,9} ([0-9]{1,5}) ")
_SPAM = re.compile(
    rb"^Spam: (True|False|Yes|No) ; (-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
    rb" / (-?[0-9]{1,9}(?:\.[0-9]{1,9})?)\r?$",
    re.MULTILINE | re.IGNORECASE,
)


async def judge(daemon: str, seconds: float, raw: bytes) -> Judged:
    """What SpamAssassin says of a message, which has our Received on top. Raises ScanFailed."""
    head = b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(raw)
    return parse_answer(await exchange(daemon, seconds, [head, raw], end=True))


def parse_answer(data: bytes) -> Judged:
    """The judgement in spamd's answer. Raises ScanFailed."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, found = _FIRST.match(head), _SPAM.search(head)
    if first is None:
        raise ScanFailed("the answer is not spamd's")
    if first[1] != b"0" or found is None:
        raise ScanFailed(f"spamd answered with code {int(first[1])}")
    score, required = float(found[2]), float(found[3])
    junk = found[1].lower() in (b"true", b"yes")
    words = body.decode("ascii", "replace").replace("\r\n", ",").split(",")
    names = tuple(name for name in map(printable, words[:NAMES]) if name)
    return Judged(score, required, "junk" if junk else "pass", names)
