"""A moment of fuzzing for every target; `script/fuzz` does it for hours."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.fuzz.targets import BIGGEST, TARGETS

SECONDS = float(os.environ.get("FUZZ_SECONDS", "1"))
SLOWEST = 2.0
"""Seconds for one input of at most 64 KiB, under coverage and beside other work."""
WORDS = (b"\r\n", b"\n", b"\r", b"\0", b";", b"=", b"<", b">", b"\r\n.\r\n", b"\xff", b"?=", b"%")


def mutate(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.randint(0, 20))
        kind = chance.randrange(5)
        if kind == 0:
            data = data[:at] + chance.choice(WORDS) + data[at:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * chance.randint(2, 50) + data[end:]
        elif kind == 3:
            data = data[:at] + chance.randbytes(chance.randint(1, 4)) + data[end:]
        else:
            other = chance.randint(0, len(data))
            data = data[:at] + data[other : other + 40] + data[at:]
    return data[:BIGGEST]


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(name: str) -> None:
    target = TARGETS[name]
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    inputs = list(target.seeds)
    for data in inputs:
        target.run(data)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        data = mutate(chance.choice(inputs), chance)
        began = time.process_time()
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {data!r}") from error
        assert time.process_time() - began < SLOWEST, f"seed {seed}, input {data!r}"
