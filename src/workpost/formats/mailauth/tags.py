"""Tag lists, `v=DKIM1; k=rsa; p=...` (RFC 6376 3.2): signature fields, records of DKIM and DMARC.

Pure. A list is parsed whole or refused; what the tags mean is for the callers to say.
"""

from __future__ import annotations

import re

LONGEST = 32_768
"""Characters of a list. A field with a 4096-bit signature and a hundred header names has 5,000."""
MOST = 64
"""Tags of a list; the standards together name about thirty."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# VALCHAR and folded white space within; RFC 8616 adds what is not ASCII.
_FOREIGN = re.compile(r"[^\t\n\r\x20-\x3a\x3c-\x7e\x80-\U0010ffff]")
_WHITE = " \t\r\n"


class TagError(ValueError):
    """The text is no tag list; the message says why, in words fit for a result's reason."""


def parse_tags(text: str) -> dict[str, str]:
    """The tags in their order, names as written (they are case-sensitive), values stripped.

    White space within values is kept (`squeeze` takes it out). Raises TagError for a tag without
    `=`, a name or value that is none, a name that occurs twice, and beyond `LONGEST` and `MOST`.
    """
    if len(text) > LONGEST:
        raise TagError("the tag list is too long")
    if text.count(";") > MOST:
        raise TagError("the tag list has too many tags")
    foreign = _FOREIGN.search(text.replace(";", ""))
    if foreign is not None:
        raise TagError("the tag list holds a character that it may not")
    specs = text.split(";")
    if len(specs) > 1 and not specs[-1].strip(_WHITE):
        specs.pop()
    tags: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(_WHITE)
        if not equals or not _NAME.match(name):
            raise TagError("the tag list is malformed")
        if name in tags:
            raise TagError(f"the tag {name[:32]} occurs twice")
        tags[name] = value.strip(_WHITE)
    return tags


def squeeze(value: str) -> str:
    """A value without the white space that it may be folded by (base64, names)."""
    for white in _WHITE:
        value = value.replace(white, "")
    return value


def split_list(value: str) -> list[str]:
    """The parts of a value that is a list with colons, without the white space around them."""
    return [part.strip(_WHITE) for part in value.split(":")]
