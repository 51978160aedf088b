"""Mobile devices and their states: what ActiveSync asks and reports of a device of its user.

```
            offer_policy, accept_policy
PROVISIONING_REQUIRED  ->  PROVISIONING_SUCCEEDED      and back by a change of the policy
            require_wipe (an administrator)
any state  ->  WIPE_REQUIRED  ->  WIPE_SUCCEEDED       by acknowledge_wipe
WIPE_SUCCEEDED  ->  WIPE_REQUIRED                      when the device comes back
```
Removing a device makes it unknown: it may come back as a new one. (WorkMail guide, managing
devices; MS-ASPROV 3.2.5.)
"""

from __future__ import annotations

import re

import msgspec

from workpost.domain.access.device_rule_shell import device_effect
from workpost.domain.access.device_rules import DeviceVerdict, Reported
from workpost.domain.access.mobile_policy import MobilePolicy, policy_of
from workpost.domain.organizations.policy import check_grant
from workpost.kernel.clock import Environment
from workpost.kernel.errors import (
    InvalidParameter,
    LimitExceeded,
    MailboxNotFound,
    ResourceNotFound,
)
from workpost.kernel.principal import Grant, Right
from workpost.kernel.trail import tell_access_control
from workpost.store.core import Core
from workpost.store.database.unit import Reader, Tx, command, quick
from workpost.store.tables import devices as table
from workpost.store.tables.devices import DeviceRow
from workpost.store.tables.mailboxes import lock_mailbox

PROVISIONING_REQUIRED = "PROVISIONING_REQUIRED"
PROVISIONING_SUCCEEDED = "PROVISIONING_SUCCEEDED"
WIPE_REQUIRED = "WIPE_REQUIRED"
WIPE_SUCCEEDED = "WIPE_SUCCEEDED"
PROVISIONING = (PROVISIONING_REQUIRED, PROVISIONING_SUCCEEDED)
WIPING = (WIPE_REQUIRED, WIPE_SUCCEEDED)

DEVICE_ID = re.compile(r"[A-Za-z0-9]{1,32}")
MAX_REPORTED = 256
"""Characters of a property; what is longer is cut, as rules compare prefixes of no more."""
SEEN_MS = 60_000
"""How old the date of the last sync may become before it is written again."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device of a mailbox; times in ms. `state` is that under the policy of now."""

    id: str
    """As the device says it; not case-sensitive."""
    reported: Reported
    name: str
    state: str
    policy_key: int
    """What the device shows to prove that it obeys; 0 before there was an offer."""
    first_seen: int
    last_seen: int
    verdict: DeviceVerdict
    """Whether rules and overrides let it in."""

    def may_go_on(self, policy_key: int) -> bool:
        """True when a device that shows this key needs neither provisioning nor wiping."""
        return self.state == PROVISIONING_SUCCEEDED and self.policy_key == policy_key


class Offer(msgspec.Struct, frozen=True):
    """A policy for a device to obey, and the key by which it says that it does."""

    policy: MobilePolicy
    key: int


def show(tx: Reader, *, org: str, entity: str, row: DeviceRow, version: int) -> Device:
    """The device of a row under the organization's policy of this version."""
    reported = Reported(type=row.type, model=row.model, os=row.os, agent=row.agent)
    outdated = row.state == PROVISIONING_SUCCEEDED and row.policy_version != version
    return Device(
        id=row.shown,
        reported=reported,
        name=row.name,
        state=PROVISIONING_REQUIRED if outdated else row.state,
        policy_key=row.policy_key,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        verdict=device_effect(tx, org=org, entity=entity, device=row.id, reported=reported),
    )


def _begin(tx: Tx, grant: Grant) -> None:
    """What every command of a device does first. Raises StaleGrant, MailboxNotFound."""
    check_grant(tx, grant, Right.READ)
    if lock_mailbox(tx, mailbox=grant.mailbox) is None:
        raise MailboxNotFound("There is no such mailbox.")


def _require(tx: Reader, grant: Grant, device: str) -> DeviceRow:
    row = table.get_device(tx, mailbox=grant.mailbox, id=device.lower())
    if row is None:
        raise ResourceNotFound(f"The mailbox has no device {device}.")
    return row


def _show(tx: Reader, grant: Grant, row: DeviceRow) -> Device:
    version = table.get_policy(tx, org=grant.organization).version
    return show(tx, org=grant.organization, entity=grant.entity, row=row, version=version)


def _merged(row: DeviceRow, device: str, reported: Reported, name: str) -> DeviceRow:
    """The row with what is reported now; what is not reported stays as it was known."""
    return msgspec.structs.replace(
        row,
        shown=device,
        type=reported.type[:MAX_REPORTED] or row.type,
        model=reported.model[:MAX_REPORTED] or row.model,
        os=reported.os[:MAX_REPORTED] or row.os,
        agent=reported.agent[:MAX_REPORTED] or row.agent,
        name=name[:MAX_REPORTED] or row.name,
    )


@quick
def peek(tx: Reader, *, grant: Grant, device: str, reported: Reported, name: str) -> Device | None:
    """The device, when there is nothing to write about it; None otherwise."""
    check_grant(tx, grant, Right.READ)
    row = table.get_device(tx, mailbox=grant.mailbox, id=device.lower())
    if (
        row is None
        or row.state == WIPE_SUCCEEDED
        or row != _merged(row, device, reported, name)
        or row.last_seen + SEEN_MS <= tx.env.now()
    ):
        return None
    return _show(tx, grant, row)


@command
def note_device(
    tx: Tx, *, grant: Grant, device: str, reported: Reported, name: str, limit: int
) -> Device:
    """Write down that a device was seen and what it says; one that was wiped is wiped again.

    Raises LimitExceeded for a new device of a mailbox that has `limit`, StaleGrant.
    """
    _begin(tx, grant)
    now = tx.env.now()
    fresh = DeviceRow(
        device.lower(), device, "", "", "", "", "", PROVISIONING_REQUIRED, 0, 0, now, now
    )
    fresh = _merged(fresh, device, reported, name)
    known = table.get_device(tx, mailbox=grant.mailbox, id=fresh.id)
    if known is None:
        if table.count_devices(tx, mailbox=grant.mailbox) >= limit:
            raise LimitExceeded(f"A mailbox has at most {limit} devices.")
        table.insert_device(tx, mailbox=grant.mailbox, row=fresh)
    else:
        seen = msgspec.structs.replace(_merged(known, device, reported, name), last_seen=now)
        table.update_reported(tx, mailbox=grant.mailbox, row=seen)
        table.move_state(
            tx,
            mailbox=grant.mailbox,
            id=seen.id,
            to=WIPE_REQUIRED,
            expected=(WIPE_SUCCEEDED,),
        )
    return _show(tx, grant, _require(tx, grant, device))


@command
def make_offer(tx: Tx, *, grant: Grant, device: str, key: int) -> Offer | None:
    """Offer the policy of now under a fresh key; None for a device that is to be wiped.

    Raises ResourceNotFound for a device that was never seen, StaleGrant.
    """
    _begin(tx, grant)
    row = _require(tx, grant, device)
    known = policy_of(tx, grant.organization)
    offered = table.set_policy_key(
        tx,
        mailbox=grant.mailbox,
        id=row.id,
        state=PROVISIONING_REQUIRED,
        key=key,
        version=known.version,
        expected=PROVISIONING,
    )
    return Offer(known.policy, key) if offered else None


@command
def take_acceptance(tx: Tx, *, grant: Grant, device: str, offered: int, key: int) -> bool:
    """A device says that it obeys what it was offered; False when that is not the policy of now.

    Raises ResourceNotFound, StaleGrant.
    """
    _begin(tx, grant)
    row = _require(tx, grant, device)
    version = table.get_policy(tx, org=grant.organization).version
    if row.policy_key != offered or row.policy_version != version or not offered:
        return False
    return table.set_policy_key(
        tx,
        mailbox=grant.mailbox,
        id=row.id,
        state=PROVISIONING_SUCCEEDED,
        key=key,
        version=version,
        expected=(PROVISIONING_REQUIRED,),
    )


@command
def note_wipe(tx: Tx, *, grant: Grant, device: str) -> bool:
    """A device says that it was wiped; False when nobody asked for it.

    Raises ResourceNotFound, StaleGrant.
    """
    _begin(tx, grant)
    row = _require(tx, grant, device)
    return table.move_state(
        tx, mailbox=grant.mailbox, id=row.id, to=WIPE_SUCCEEDED, expected=WIPING
    )


def _new_key(env: Environment) -> int:
    """A policy key: 1 to 2^32 - 1 (MS-ASHTTP, X-MS-PolicyKey)."""
    return int.from_bytes(env.random_bytes(4), "big") or 1


async def see_device(
    core: Core, grant: Grant, device: str, reported: Reported, name: str = ""
) -> Device:
    """A request of a device of the grant's person: what the device is told, and what it must do.

    To be asked with every request. What is not reported this time stays as it was known; the date
    of the last sync is written once a minute. Raises InvalidParameter for an id that is not 1 to 32
    ASCII letters and digits, LimitExceeded, StaleGrant.
    """
    if not DEVICE_ID.fullmatch(device):
        raise InvalidParameter("A device id is 1 to 32 letters and digits.")
    seen = await core.store.read(peek, grant=grant, device=device, reported=reported, name=name)
    if seen is None:
        seen = await core.store.write(
            note_device,
            grant=grant,
            device=device,
            reported=reported,
            name=name,
            limit=core.settings.limits.devices_per_mailbox,
        )
    tell_access_control(
        core.trail,
        grant.organization,
        grant.principal,
        user_id=grant.entity,
        rules=[rule for rule, _ in seen.verdict.matched],
        granted=seen.verdict.allowed,
        scope="DeviceAccessControl",
    )
    return seen


async def offer_policy(core: Core, grant: Grant, device: str) -> Offer | None:
    """Begin to provision a device; None for one that is to be wiped instead.

    Raises ResourceNotFound for a device that was never seen, StaleGrant.
    """
    key = _new_key(core.env)
    return await core.store.write(make_offer, grant=grant, device=device, key=key)


async def accept_policy(core: Core, grant: Grant, device: str, offered: int) -> int | None:
    """End provisioning by the key of the offer: the final key, or None to begin again.

    Raises ResourceNotFound, StaleGrant.
    """
    key = _new_key(core.env)
    taken = await core.store.write(
        take_acceptance, grant=grant, device=device, offered=offered, key=key
    )
    return key if taken else None


async def acknowledge_wipe(core: Core, grant: Grant, device: str) -> bool:
    """A device has wiped itself; False when nobody asked for it, and nothing is changed.

    Raises ResourceNotFound, StaleGrant.
    """
    return await core.store.write(note_wipe, grant=grant, device=device)
