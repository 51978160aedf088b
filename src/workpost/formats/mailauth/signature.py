"""What DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common. Pure.

RFC 6376 3.5 and 6.1.1, RFC 8617 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from workpost.formats.addresses import ascii_domain, fold_domain
from workpost.formats.mailauth.canonical import RELAXED, SIMPLE, Fields, relax_field
from workpost.formats.mailauth.keys import ALGORITHMS, decode
from workpost.formats.mailauth.tags import TagError, parse_tags, squeeze

MOST_NAMES = 512
"""Names in h=."""
LONGEST_NAME = 253
"""Characters of a name in the DNS (RFC 1035 2.3.4)."""
REMEMBERED = 4_096
"""Names of domains and selectors that are kept as the DNS has them."""
KEPT_NAMES = 1_024
"""Values of h= that are kept read, of at most as many characters: a server signs all in one way."""
AHEAD_SECONDS = 14 * 3600
"""A signer whose clock is wrong by its time zone is not yet a forger."""
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"[0-9]{1,76}\Z")
_FIELD_NAMES = re.compile(r"[\x21-\x39\x3b-\x7e]+(?::[\x21-\x39\x3b-\x7e]+)*\Z")
# The signature's own value, which is taken out before its field is hashed.
_OWN_TAG = re.compile(rb";[ \t\r\n]*b[ \t\r\n]*=")


class BadSignature(ValueError):
    """The field is no signature that can be verified; the message says why."""


class Signature(msgspec.Struct, frozen=True):
    """A signature field. `place` is its number in the header; times are seconds since the epoch.

    `domain`, `selector` and `agent` (the domain of i=) are as the DNS has them; `names` (h=, lower
    case) and `body_hash` are empty for an ARC-Seal.
    """

    place: int
    tags: dict[str, str]
    algorithm: str
    domain: str
    selector: str
    agent: str
    value: bytes
    names: tuple[bytes, ...]
    body_hash: bytes
    header_form: str
    body_form: str
    length: int | None
    stamp: int | None
    expires: int | None

    @property
    def key_name(self) -> str:
        """Where in the DNS the key is."""
        return f"{self.selector}._domainkey.{self.domain}"


def read_tags(field: bytes) -> dict[str, str]:
    """The tags of a signature field. Raises BadSignature."""
    value = field.partition(b":")[2]
    try:
        # RFC 8616: UTF-8; what is not is foreign to every tag that we compare.
        return parse_tags(value.decode("utf-8", "replace"))
    except TagError as error:
        raise BadSignature(str(error)) from None


def read_signature(
    tags: dict[str, str],
    place: int,
    *,
    seal: bool = False,
    header_form: str = SIMPLE,
    agent: str | None = None,
) -> Signature:
    """Check the tags that all signatures have; with `seal` there is no h= and bh=.

    Raises BadSignature. `header_form` is the form without c=, `agent` the domain of i= where there
    may be one.
    """
    for tag in ("a", "b", "d", "s") if seal else ("a", "b", "bh", "d", "h", "s"):
        if not tags.get(tag):
            raise BadSignature(f"the tag {tag} is missing")
    if tags["a"].lower() not in ALGORITHMS:
        raise BadSignature("the algorithm is unknown or out of use")
    domain, selector = read_name(tags["d"]), read_name(tags["s"])
    if (
        not domain
        or not selector
        or len(selector) + len(domain) > LONGEST_NAME - len("._domainkey.")
    ):
        raise BadSignature("d= or s= is no name")
    value, body_hash = decode(tags["b"]), decode(tags.get("bh", ""))
    if not value or body_hash is None or (not seal and len(body_hash) != 32):
        raise BadSignature("b= or bh= is malformed")
    header_form, body_form = _read_forms(tags, header_form)
    stamp, expires = _read_number(tags, "t"), _read_number(tags, "x")
    if expires is not None and expires <= (stamp if stamp is not None else -1):
        raise BadSignature("the signature expires before it was made")
    return Signature(
        place=place,
        tags=tags,
        algorithm=tags["a"].lower(),
        domain=domain,
        selector=selector,
        agent=domain if agent is None else agent,
        value=value,
        names=() if seal else _read_names(tags["h"]),
        body_hash=body_hash,
        header_form=header_form,
        body_form=body_form,
        length=_read_number(tags, "l"),
        stamp=stamp,
        expires=expires,
    )


def read_name(text: str) -> str:
    """A domain or selector as the DNS has it, "" for what is none."""
    return _read_name(text) if len(text) <= LONGEST_NAME else ""


@lru_cache(REMEMBERED)
def _read_name(text: str) -> str:
    name = text.lower()
    if not name.isascii():
        name = ascii_domain(fold_domain(name)).lower()
    if len(name) > LONGEST_NAME or not all(_LABEL.match(label) for label in name.split(".")):
        return ""
    return name


def _read_forms(tags: Mapping[str, str], default: str) -> tuple[str, str]:
    if "c" not in tags:
        return default, SIMPLE
    header, _, body = tags["c"].lower().partition("/")
    body = body or SIMPLE
    if header not in (SIMPLE, RELAXED) or body not in (SIMPLE, RELAXED):
        raise BadSignature("the canonicalization is unknown")
    return header, body


def _read_number(tags: Mapping[str, str], tag: str) -> int | None:
    if tag not in tags:
        return None
    if not _NUMBER.match(tags[tag]):
        raise BadSignature(f"{tag}= is no number")
    return int(tags[tag])


def _read_names(text: str) -> tuple[bytes, ...]:
    return _kept_names(text) if len(text) <= KEPT_NAMES else _read_each(text)


def _read_each(text: str) -> tuple[bytes, ...]:
    listed = squeeze(text)
    if listed.count(":") >= MOST_NAMES:
        raise BadSignature("h= names too many fields")
    if not _FIELD_NAMES.match(listed):
        raise BadSignature("h= is malformed")
    return tuple(listed.lower().encode().split(b":"))


_kept_names = lru_cache(KEPT_NAMES)(_read_each)


def without_value(field: bytes) -> bytes:
    """A signature field with an empty b=, as it is hashed (RFC 6376 3.7)."""
    name, colon, value = field.partition(b":")
    # Found fast, as each tag begins with what seldom stands in a value: the first one, too.
    listed = b";" + value
    found = _OWN_TAG.search(listed)
    if found is None:
        return field
    end = listed.find(b";", found.end())
    return name + colon + listed[1 : found.end()] + (listed[end:] if end >= 0 else b"")


def own_form(fields: Fields, signature: Signature) -> bytes:
    """The signature's own field as it is hashed last, without a CRLF."""
    bare = without_value(fields.fields[signature.place])
    return relax_field(bare) if signature.header_form == RELAXED else bare


def hashed_header(fields: Fields, signature: Signature) -> bytes:
    """What the signature signs of the header (RFC 6376 3.7)."""
    chosen = fields.choose(signature.names, signature.header_form)
    return chosen + own_form(fields, signature)
