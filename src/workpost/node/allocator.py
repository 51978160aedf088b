"""How malloc keeps what is freed: set once, before processes are forked."""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
LARGE = 16 * 1024 * 1024
"""Bytes from which a block has pages of its own, which go back when it is freed."""
KEPT = 2 * LARGE
"""Bytes of freed memory at the end of the heap that are kept for what comes next."""


def return_large_blocks() -> bool:
    """Give the memory of an argon2id hash (19 MiB) back after each, where malloc is glibc's.

    By itself glibc learns from the first one that is freed to keep all of that size: each thread
    that ever checked a password then holds its block for good. False, and nothing is changed,
    with another malloc or where the operator tunes this one (GLIBC_TUNABLES, MALLOC_...).
    """
    if any(name == "GLIBC_TUNABLES" or name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE) and mallopt(_M_TRIM_THRESHOLD, KEPT))
