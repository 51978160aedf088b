"""Whom a message names as its authors, for DMARC (RFC 9989 4.2)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from workpost.formats.addresses import (
    MAX_DOMAIN,
    ascii_domain,
    fold_domain,
    parse_address_list,
    split,
)
from workpost.formats.mime.headers import MAX_BLOCK, MAX_FIELDS, MAX_VALUE, collect
from workpost.formats.mime.scanner import header_end

REMEMBERED = 1_024
"""Values of From whose domains are kept: the same people write again and again."""
SHORT = 512
"""Bytes of a value that is kept."""
_JOINERS = "\u200c\u200d"
"""Letters of some scripts are joined, or not, by these, and then belong to the name."""
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees (Unicode, Default_Ignorable_Code_Point), joiners apart."""


class AuthorsError(ValueError):
    """The header is so long that a reader may be shown an author whom we have not seen."""


def author_domains(raw: bytes) -> list[str]:
    """The domains of all addresses in all From fields, lower case with A-labels, each once.

    Reads the header as summaries do, so that what people are shown is what is checked. An address
    without a domain has none. A name with letters that look like plain ones, or that nobody sees,
    counts as the plain name, too. Raises AuthorsError.
    """
    end = header_end(raw, 0, min(len(raw), MAX_BLOCK + 1))
    # A folded line is a line here: more lines than fields may only err on the safe side.
    if end > MAX_BLOCK or (end > MAX_FIELDS and raw.count(b"\n", 0, end) >= MAX_FIELDS):
        raise AuthorsError("the header is too long")
    value = collect(raw[:end]).get(b"from", b"")
    if len(value) >= MAX_VALUE:
        raise AuthorsError("From is too long")
    return list(_domains(value)) if len(value) <= SHORT else _read_domains(value)


@lru_cache(REMEMBERED)
def _domains(value: bytes) -> tuple[str, ...]:
    return tuple(_read_domains(value))


def _read_domains(value: bytes) -> list[str]:
    found = [split(address)[1] for _, address in parse_address_list(value)]
    names = [name for each in found for name in _names(fold_domain(each))]
    return [each for each in dict.fromkeys(map(ascii_domain, names)) if each]


def _names(domain: str) -> list[str]:
    """A folded domain, and what a reader takes it for (mapped as in UTS 46)."""
    if domain.isascii() or len(domain) > MAX_DOMAIN:
        return [domain]
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", domain))
    labels = [_without_joiners(label) for label in plain.split(".")]
    return [domain, fold_domain(".".join(labels))]


def _without_joiners(label: str) -> str:
    bare = label
    for joiner in _JOINERS:
        bare = bare.replace(joiner, "")
    return bare if bare.isascii() else label
