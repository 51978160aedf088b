"""The words of a message by which it is judged and learned, as keyed hashes.

The hash's key is an organization's own: the table of words tells nobody what people write, and
the same word is another number in another organization.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from workpost.operations.filtering.looking import Looked, domain_of

WORDS = 150
"""Different words of one message that count: those of the header, then the text's first."""
TEXT = 32 * 1024
"""Characters of text that are looked at."""
PIECE = 1024
KEY_BYTES = 32

# Chinese and Japanese are written without spaces: pairs of characters stand for words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\W_\u3040-\u30ff\u3400-\u9fff]{3,24}")
_from_bytes = int.from_bytes


def words_of(looked: Looked) -> list[str]:
    """The words of a message, each once; those of special places have a mark in front."""
    found: dict[str, None] = {}
    for name, address in looked.people.from_.decoded[:3]:
        found[f"from:{address.lower()[:200]}"] = None
        found[f"from:@{domain_of(address)[:200]}"] = None
        found.update((f"name:{word}", None) for word in _WORD.findall(name[:200].lower()))
    answers = looked.people.reply_to.decoded[:3] if b"reply-to" in looked.fields else ()
    for _, address in answers:
        found[f"reply:@{domain_of(address)[:200]}"] = None
    found.update((f"subject:{word}", None) for word in _WORD.findall(looked.subject.lower()))
    for host in looked.hosts[:20]:
        found[f"link:{host}"] = None
        found[f"link:{'.'.join(host.split('.')[-2:])}"] = None
    for part in looked.parts[:20]:
        found[f"part:{part.media_type[:100]}"] = None
        if part.filename:
            found[f"file:{part.filename.rpartition('.')[2].lower()[:20]}"] = None
    for text in (looked.texts[0], looked.shown):
        for start in range(0, min(len(text), TEXT), PIECE):
            if len(found) >= WORDS:
                break
            found.update(dict.fromkeys(_WORD.findall(text[start : start + PIECE].lower())))
    return list(found)[:WORDS]


def hash_words(words: list[str], key: bytes) -> list[int]:
    """Signed 64-bit numbers for words, sorted."""
    keyed = blake2b(digest_size=8, key=key)
    hashed = []
    for word in words:
        one = keyed.copy()
        one.update(word.encode("utf-8", "replace"))
        hashed.append(_from_bytes(one.digest(), "big", signed=True))
    return sorted(hashed)
