"""Patterns of the service model are Java's; Python needs a few words translated."""

from __future__ import annotations

import re

# Classes of Unicode as ranges inside a set, near enough for the keys and values of tags: whatever
# begins where the first letter beyond ASCII does counts as one.
_CLASSES = {
    r"\p{L}": "A-Za-z\u00aa-\U0010ffff",
    r"\p{N}": "0-9",
    r"\p{Z}": r" \u00a0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
_LINE_ENDS = r"[^\n\r\u0085\u2028\u2029]"


def java_pattern(pattern: str) -> re.Pattern[str]:
    r"""Compile a model pattern for `fullmatch`.

    `\w`, `\d` and `\s` are ASCII in Java; its dot stops at all five line terminators, Python's at
    one. Raises re.error for a pattern that Python does not understand.
    """
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    out = []
    in_class = escaped = False
    for character in pattern:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "." and not in_class:
            out.append(_LINE_ENDS)
            continue
        out.append(character)
    return re.compile("".join(out), re.ASCII)
