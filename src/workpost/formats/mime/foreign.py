"""Values that strangers wrote, made fit for a field that Python's `email` package writes.

The package decodes encoded words (RFC 2047) in whatever value it is given, ids and addresses
included, and writes what comes of them as it is, with line ends: a Message-ID could so bring fields
and a body into an answer to it. Nothing that looks like such a word may reach the package.
"""

from __future__ import annotations

import re
from email.headerregistry import Address

from workpost.formats.addresses import split, unquote_local
from workpost.formats.encoded_words import decode_words

MAX_FIELD = 900
"""Characters of a value."""
UNDISCLOSED = "undisclosed-recipients:;"
"""To (RFC 5322 A.1.3) where an address cannot be written; the envelope has it all the same."""
_WORD = "=?"
_LAYERS = 4
"""How often a text may have been encoded; more is nobody's mistake."""
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]+")


def one_line(text: str) -> str:
    """A text for one field: what could end the field is blank, what is encoded decoded."""
    for _ in range(_LAYERS):
        if _WORD not in text:
            break
        text = decode_words(text.encode("utf-8", "replace"))
    whole = _UNPRINTED.sub(" ", text).replace(_WORD, "= ?")
    # Half a pair of UTF-16 has no form in UTF-8.
    return " ".join(whole.split())[:MAX_FIELD].encode("utf-8", "replace").decode()


def is_id(text: str) -> bool:
    """Whether an id, without its brackets, may stand in In-Reply-To and References."""
    fits = text.isascii() and text.isprintable() and 0 < len(text) <= MAX_FIELD
    return fits and " " not in text and _WORD not in text


def person(name: str, address: str) -> Address:
    """An address with a name. Raises ValueError where it cannot be written.

    Its local part is taken without quotes: the field gives them anew.
    """
    quoted, domain = split(address)
    local = unquote_local(quoted)
    if not local or not domain:
        raise ValueError("the address has no domain")
    if _WORD in f"{local}@{domain}":
        raise ValueError("the address fits in no field")
    return Address(one_line(name), local, domain)


def recipient(address: str) -> Address | str:
    """Whom a message is to, who may be anybody. Raises ValueError."""
    if _WORD in address:
        return UNDISCLOSED
    return person("", address)
