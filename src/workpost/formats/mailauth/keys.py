"""Keys of DKIM and ARC: their records (RFC 6376 3.6.1, RFC 8463 4) and their use. Pure.

RFC 8301: RSA of 1024 to 4096 bits, SHA-256 only. Smaller keys prove nothing; larger ones, and
exponents that cost more than they protect, are a stranger's way to our processor.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from workpost.formats.mailauth.tags import TagError, parse_tags, split_list, squeeze

RSA = "rsa"
ED25519 = "ed25519"
ALGORITHMS = {"rsa-sha256": RSA, "ed25519-sha256": ED25519}
"""What a= names, and the k= of the key that it needs."""
LEAST_BITS = 1024
MOST_BITS = 4096
_MOST_EXPONENT_BITS = 64
LONGEST_KEY = 1_024
"""Octets of p=: 4096 bits in a SubjectPublicKeyInfo are 550."""
REMEMBERED = 1_024
"""Public keys that are kept ready: few domains send most mail."""

PublicKey = rsa.RSAPublicKey | Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | Ed25519PrivateKey

_PADDING = padding.PKCS1v15()
_HASHED = Prehashed(hashes.SHA256())


class BadKey(ValueError):
    """The record holds no key that we can use; the message says why."""


class WeakKey(BadKey):
    """The key is one that we do not accept (RFC 8301 3.2)."""


class KeyRecord(msgspec.Struct, frozen=True):
    """A key record; `testing` is t=y, `strict` t=s (i= must be of the domain d= itself)."""

    kind: str
    public: bytes
    testing: bool
    strict: bool


def parse_key(text: str) -> KeyRecord:
    """Read the TXT of a key. Raises BadKey."""
    # What is remembered is bounded: a record of 4096 bits has 800 characters.
    return _known_key(text) if len(text) <= LONGEST_KEY else _parse_key(text)


@lru_cache(REMEMBERED)
def _known_key(text: str) -> KeyRecord:
    return _parse_key(text)


def _parse_key(text: str) -> KeyRecord:
    try:
        tags = parse_tags(text)
    except TagError as error:
        raise BadKey(f"invalid key record: {error}") from None
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise BadKey("the key record is of another version")
    if "p" not in tags:
        raise BadKey("the key record has no key")
    kind = tags.get("k", RSA)
    if kind not in (RSA, ED25519):
        raise BadKey("the key is of an unknown kind")
    if "h" in tags and "sha256" not in split_list(tags["h"]):
        raise BadKey("the key is not for SHA-256")
    if not {"*", "email"} & set(split_list(tags.get("s", "*"))):
        raise BadKey("the key is not for mail")
    public = decode(tags["p"])
    if not public:
        raise BadKey("the key was revoked" if public == b"" else "the key is not base64")
    if len(public) > LONGEST_KEY:
        raise WeakKey(f"the key is longer than {MOST_BITS} bits")
    flags = split_list(tags.get("t", ""))
    return KeyRecord(kind, public, "y" in flags, "s" in flags)


def decode(text: str) -> bytes | None:
    """The octets of a folded base64 value, None for what is no base64."""
    try:
        return base64.b64decode(squeeze(text), validate=True)
    except (binascii.Error, ValueError):
        return None


@lru_cache(REMEMBERED)
def open_public(kind: str, public: bytes) -> PublicKey:
    """Make a public key ready. Raises BadKey, and WeakKey for sizes that RFC 8301 excludes."""
    try:
        if kind == ED25519:
            return Ed25519PublicKey.from_public_bytes(public)
        key = serialization.load_der_public_key(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("the key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadKey("the key is not of the kind that its record says")
    if key.key_size < LEAST_BITS:
        raise WeakKey(f"the key is shorter than {LEAST_BITS} bits")
    if key.key_size > MOST_BITS or key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
        raise WeakKey(f"the key is longer than {MOST_BITS} bits")
    return key


def is_signed(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    """Whether `signature` is the key's over a SHA-256 digest."""
    try:
        if isinstance(key, Ed25519PublicKey):
            # RFC 8463 3: the digest is the message that is signed.
            key.verify(signature, digest)
        else:
            key.verify(signature, digest, _PADDING, _HASHED)
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Sign a SHA-256 digest."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(digest)
    return key.sign(digest, _PADDING, _HASHED)
