"""What an organization asks of mobile devices, and when they have to accept it anew.

The policy has a version. A device that has accepted another one than the present is shown, and
treated, as to be provisioned: a change reaches all devices by changing one row.
"""

from __future__ import annotations

import msgspec

from workpost.domain.organizations.state import begin, change_policy, require_active
from workpost.kernel.errors import InvalidParameter
from workpost.kernel.principal import Grant
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import devices


class MobilePolicy(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """The policy as it is stored; 0 is no condition. The defaults ask for nothing."""

    require_device_encryption: bool = False
    require_storage_card_encryption: bool = False
    password_required: bool = False
    allow_simple_password: bool = True
    minimum_password_length: int = 0
    require_alphanumeric_password: bool = False
    failed_attempts_allowed: int = 0
    password_expiration_days: int = 0
    screen_lock_timeout_seconds: int = 0
    password_history: int = 0


class KnownPolicy(msgspec.Struct, frozen=True):
    """The policy with its version, 0 and without a date while none was set."""

    policy: MobilePolicy
    version: int
    modified: int


_policy = msgspec.json.Decoder(MobilePolicy)
_OF_PASSWORDS = (
    "minimum_password_length",
    "require_alphanumeric_password",
    "failed_attempts_allowed",
    "password_expiration_days",
    "screen_lock_timeout_seconds",
    "password_history",
)


def policy_of(tx: Reader, org: str) -> KnownPolicy:
    """The policy of an organization."""
    row = devices.get_policy(tx, org=org)
    return KnownPolicy(_policy.decode(row.policy), row.version, row.modified)


@quick
def get_policy(tx: Reader, *, grant: Grant) -> KnownPolicy:
    """The policy of the grant's organization."""
    require_active(tx, grant)
    return policy_of(tx, grant.organization)


@command
def set_policy(tx: Tx, *, grant: Grant, policy: MobilePolicy) -> None:
    """Replace the policy; the same again is no change."""
    begin(tx, grant)
    org = grant.organization
    if policy == policy_of(tx, org).policy:
        return
    text = msgspec.json.encode(policy).decode()
    devices.put_policy(tx, org=org, policy=text, modified=tx.env.now())
    change_policy(tx, org)


async def get_mobile_policy(core: Core, grant: Grant) -> KnownPolicy:
    """The policy for mobile devices."""
    return await core.store.read(get_policy, grant=grant)


async def set_mobile_policy(core: Core, grant: Grant, policy: MobilePolicy) -> None:
    """Replace the policy as a whole; every device has to accept it before it goes on.

    Raises InvalidParameter for conditions on a password that is not required,
    OrganizationNotFound, OrganizationStateInvalid.
    """
    if not policy.password_required and (
        not policy.allow_simple_password or any(getattr(policy, name) for name in _OF_PASSWORDS)
    ):
        raise InvalidParameter("Conditions on the password need PasswordRequired.")
    await core.store.write(set_policy, grant=grant, policy=policy)
