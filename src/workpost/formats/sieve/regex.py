"""Regular expressions of Sieve, matched in linear time: no pattern can hold up a delivery.

RE2 knows no back-references, which POSIX extended expressions do not have either. Compiled
patterns are bounded in memory and few are kept.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from workpost.formats.sieve.limits import MAX_PATTERN

MAX_MEMORY = 1 << 20
"""Octets that one compiled pattern may take."""
KEPT = 64


@lru_cache(KEPT)
def compile_pattern(pattern: str, *, ignore_case: bool, own: bool = False) -> re2._Regexp:
    """A pattern that searches; `own` for one that was made here. Raises ValueError."""
    if len(pattern) > MAX_PATTERN and not own:
        raise ValueError("it is too long")
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.never_nl = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else "it is malformed"
        raise ValueError(detail.decode() if isinstance(detail, bytes) else str(detail)) from None
