"""Memory that passwords took goes back, where malloc is glibc's."""

import os
import platform
import subprocess
import sys

import pytest

HASH = """
import asyncio, os
from pathlib import Path
from workpost.domain.directory.passwords import Hasher
from workpost.kernel.clock import SystemEnvironment
from workpost.kernel.settings import Passwords
from workpost.node.allocator import return_large_blocks

COST = Passwords(time_cost=1, memory_kib=19456, parallelism=1)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def hash_some(hasher):
    await asyncio.gather(*(hasher.hash(COST, SystemEnvironment(), b"secret") for _ in range(8)))

print(return_large_blocks())
hasher = Hasher(2)
before = resident()
asyncio.run(hash_some(hasher))
print(resident() - before)
"""
BLOCK = 19456 * 1024


def hash_in_a_process(**environment: str) -> tuple[str, int]:
    plain = {
        name: value
        for name, value in os.environ.items()
        if name != "GLIBC_TUNABLES" and not name.startswith("MALLOC_")
    }
    found = subprocess.run(
        [sys.executable, "-c", HASH],
        env={**plain, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told, grown = found.stdout.split()
    return told, int(grown)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is not glibc's")
def test_threads_that_hashed_passwords_keep_none_of_their_blocks() -> None:
    told, grown = hash_in_a_process()
    assert told == "True"
    assert grown < BLOCK / 2


@pytest.mark.parametrize("name", ["GLIBC_TUNABLES", "MALLOC_ARENA_MAX"])
def test_what_an_operator_tunes_stays(name: str) -> None:
    assert hash_in_a_process(**{name: ""})[0] == "False"
