"""Making the DKIM keys of a domain, RSA-2048 and Ed25519 (RFC 8463): mail is signed with both.

The private part is sealed under the organization's key and opened only to sign.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from workpost.domain.organizations.dns_records import selector
from workpost.kernel.errors import Fault
from workpost.store.keys import sealing
from workpost.store.keys.types import DataKey
from workpost.store.tables.dkim_keys import ED25519, RSA, DkimKeyRow

RSA_BITS = 2048


def make_keys(key: DataKey, organization: str, domain: str, token: str) -> list[DkimKeyRow]:
    """The keys of a new domain, under the first two selectors of its token.

    Takes about 60 ms of a core: call it in a thread.
    """
    return [
        make_key(key, organization, domain, selector(token, number), algorithm)
        for number, algorithm in enumerate((RSA, ED25519))
    ]


def make_key(key: DataKey, organization: str, domain: str, name: str, algorithm: str) -> DkimKeyRow:
    """One key under the selector `name`; for RSA in a thread, as `make_keys`."""
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == RSA:
        private = rsa.generate_private_key(65537, RSA_BITS)
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    return _row(key, organization, domain, name, algorithm, private)


def open_key(key: DataKey, row: DkimKeyRow) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    """The private part of a key, under the organization's key of `row.gen`.

    Takes about 0.1 ms. Raises Fault for what does not fit its place.
    """
    clear = sealing.unseal(key.key, row.sealed, place(row.org, row.domain, row.selector))
    private = serialization.load_der_private_key(clear, None)
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise Fault(f"the DKIM key {row.selector} is of an unknown kind")
    return private


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
