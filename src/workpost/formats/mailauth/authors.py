"""Whom a message names as its authors, for DMARC (RFC 9989 4.2)."""

from __future__ import annotations

from workpost.formats.addresses import ascii_domain, fold_domain, parse_address_list, split
from workpost.formats.mime.headers import MAX_BLOCK, MAX_FIELDS, MAX_VALUE, collect
from workpost.formats.mime.scanner import header_end


class AuthorsError(ValueError):
    """The header is so long that a reader may be shown an author whom we have not seen."""


def author_domains(raw: bytes) -> list[str]:
    """The domains of all addresses in all From fields, lower case with A-labels, each once.

    Reads the header as summaries do, so that what people are shown is what is checked. An address
    without a domain has none. Raises AuthorsError.
    """
    end = header_end(raw, 0, min(len(raw), MAX_BLOCK + 1))
    # A folded line is a line here: more lines than fields may only err on the safe side.
    if end > MAX_BLOCK or (end > MAX_FIELDS and raw.count(b"\n", 0, end) >= MAX_FIELDS):
        raise AuthorsError("the header is too long")
    value = collect(raw[:end]).get(b"from", b"")
    if len(value) >= MAX_VALUE:
        raise AuthorsError("From is too long")
    found = [split(address)[1] for _, address in parse_address_list(value)]
    domains = dict.fromkeys(ascii_domain(fold_domain(each)) for each in found)
    return [each for each in domains if each]
