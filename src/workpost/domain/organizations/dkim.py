"""Making the DKIM keys of a domain: RSA-2048 to sign with, Ed25519 kept in reserve (RFC 8463).

The private part is sealed under the organization's key and opened only to sign.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from workpost.domain.organizations.dns_records import selector
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables.dkim_keys import ED25519, RSA, DkimKeyRow

RSA_BITS = 2048


def make_keys(key: DataKey, organization: str, domain: str, token: str) -> list[DkimKeyRow]:
    """The keys of a new domain, under the first two selectors of its token.

    Takes about 60 ms of a core: call it in a thread.
    """
    made: list[tuple[str, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey]] = [
        (RSA, rsa.generate_private_key(65537, RSA_BITS)),
        (ED25519, ed25519.Ed25519PrivateKey.generate()),
    ]
    return [
        _row(key, organization, domain, selector(token, number), algorithm, private)
        for number, (algorithm, private) in enumerate(made)
    ]


def place(organization: str, domain: str, name: str) -> bytes:
    """The additional data of a sealed private key."""
    return sealing.place("dkim_key", "sealed", organization, domain, name)


def _row(
    key: DataKey,
    organization: str,
    domain: str,
    name: str,
    algorithm: str,
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> DkimKeyRow:
    # RFC 6376 publishes SubjectPublicKeyInfo, RFC 8463 the bare octets.
    if isinstance(private, rsa.RSAPrivateKey):
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        public = private.public_key().public_bytes_raw()
    clear = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return DkimKeyRow(
        org=organization,
        domain=domain,
        selector=name,
        algorithm=algorithm,
        public=base64.b64encode(public).decode(),
        sealed=sealing.seal(key.key, clear, place(organization, domain, name)),
        gen=key.gen,
    )
