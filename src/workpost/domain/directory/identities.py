"""Who users are at the identity provider: unique in an organization, compared without case.

IdentityProviderUserId is a UUID, before which the ten digits of its identity store may stand;
people write either form, so the UUID alone is what is compared.
"""

from __future__ import annotations

from workpost.kernel.errors import InvalidParameter
from workpost.store.database.unit import Tx
from workpost.store.tables import identities

UUID_LENGTH = 36


def identity_key(user_id: str) -> str:
    """What is compared of an IdentityProviderUserId; "" for none."""
    return user_id[-UUID_LENGTH:].lower()


def claim_identity(tx: Tx, *, org: str, entity: str, user_id: str) -> None:
    """Say that a user is `user_id` at the identity provider, "" for nobody.

    Raises InvalidParameter when another user of the organization is.
    """
    identity = identity_key(user_id)
    holder = identities.find_identity(tx, org=org, identity=identity) if identity else None
    if holder not in (None, entity):
        raise InvalidParameter(f"The IdentityProviderUserId {user_id} is that of another user.")
    identities.set_identity(tx, org=org, entity=entity, identity=identity)
