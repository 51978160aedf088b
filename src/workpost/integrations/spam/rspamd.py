"""rspamd: `POST /checkv2` of its normal worker (rspamd.com/doc/architecture/protocol.html)."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from workpost.integrations.egress.messages import TooLarge, Unreadable, read_response
from workpost.integrations.spam.base import (
    ANSWER_BYTES,
    NAMES,
    Delivery,
    Judged,
    ScanFailed,
    exchange,
    printable,
)

JUNK = frozenset({"reject", "add header", "rewrite subject", "quarantine", "discard"})
GRAY = frozenset({"greylist", "soft reject"})
RECIPIENTS = 100
"""Recipients that it is told of."""


class _Symbol(msgspec.Struct):
    score: float = 0.0


class _Answer(msgspec.Struct):
    action: str
    score: float
    required_score: float
    symbols: dict[str, _Symbol] = {}


_decode = msgspec.json.Decoder(_Answer).decode


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, n: int) -> bytes:
        piece, self._data = self._data[:n], self._data[n:]
        return piece


async def judge(daemon: str, seconds: float, raw: bytes, delivery: Delivery) -> Judged:
    """What rspamd says of a message. Raises ScanFailed."""
    fields = [
        ("Host", "rspamd"),
        ("IP", delivery.peer),
        ("Helo", delivery.helo),
        ("From", delivery.sender),
        *(("Rcpt", recipient) for recipient in delivery.recipients[:RECIPIENTS]),
        ("Content-Length", str(len(raw))),
        ("Connection", "close"),
    ]
    lines = ["POST /checkv2 HTTP/1.1"]
    lines += [f"{name}: {_one_line(value)}" for name, value in fields if value]
    head = "\r\n".join([*lines, "", ""]).encode()
    return await parse_answer(await exchange(daemon, seconds, [head, raw]))


def _one_line(value: str) -> str:
    return "".join(letter for letter in value if letter.isprintable())


async def parse_answer(data: bytes) -> Judged:
    """The judgement in an HTTP response. Raises ScanFailed."""
    try:
        status, _, body = await read_response(_Bytes(data), ANSWER_BYTES)
        if status != 200:
            raise ScanFailed(f"rspamd answered with status {status}")
        answer = _decode(body)
    except (Unreadable, TooLarge, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ScanFailed("the answer is not rspamd's") from error
    if not (math.isfinite(answer.score) and math.isfinite(answer.required_score)):
        raise ScanFailed("rspamd's score is no number")
    verdict: Literal["junk", "gray", "pass"] = "pass"
    if answer.action in JUNK:
        verdict = "junk"
    elif answer.action in GRAY:
        verdict = "gray"
    names = tuple(printable(name) for name in list(answer.symbols)[:NAMES])
    return Judged(answer.score, answer.required_score, verdict, names)
