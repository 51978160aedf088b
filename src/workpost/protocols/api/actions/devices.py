"""GetMobileDevicesForUser, GetMobileDeviceDetails, WipeMobileDevice, DeleteMobileDevice,
GetMobilePolicyDetails, SetMobilePolicyDetails: of the console, in an API of our own.
"""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from functools import partial
from typing import Any

from workpost.domain.access import device_admin, mobile_policy
from workpost.domain.access.devices import Device
from workpost.domain.access.mobile_policy import MobilePolicy
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
)
from workpost.protocols.api.actions.device_rules import matched_rules
from workpost.protocols.api.actions.listing import one_page
from workpost.protocols.api.call import Call

DEMANDS = {
    "RequireDeviceEncryption": "require_device_encryption",
    "RequireStorageCardEncryption": "require_storage_card_encryption",
    "PasswordRequired": "password_required",
    "AllowSimplePassword": "allow_simple_password",
    "RequireAlphanumericPassword": "require_alphanumeric_password",
    "MinimumPasswordLength": "minimum_password_length",
    "FailedAttemptsAllowed": "failed_attempts_allowed",
    "PasswordExpirationDays": "password_expiration_days",
    "ScreenLockTimeoutSeconds": "screen_lock_timeout_seconds",
    "PasswordHistory": "password_history",
}


async def GetMobileDevicesForUser(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the mobile devices of a user by id."""
    read = partial(
        device_admin.get_mobile_devices, api.core, grant_of(call, document), document["UserId"]
    )
    return await one_page(api, call, document, "Devices", read, _device)


async def GetMobileDeviceDetails(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe a mobile device, and which rules or override let it in or not."""
    device = await device_admin.get_mobile_device(
        api.core, grant_of(call, document), document["UserId"], document["DeviceId"]
    )
    return {
        **_device(device),
        "Overridden": device.verdict.overridden,
        "MatchedRules": matched_rules(device.verdict),
    }


def _device(device: Device) -> dict[str, Any]:
    reported = device.reported
    return {
        "DeviceId": device.id,
        "DeviceType": reported.type or None,
        "DeviceModel": reported.model or None,
        "DeviceOperatingSystem": reported.os or None,
        "DeviceUserAgent": reported.agent or None,
        "FriendlyName": device.name or None,
        "Status": device.state,
        "Effect": device.verdict.effect,
        "DateFirstSync": device.first_seen,
        "DateLastSync": device.last_seen,
    }


async def WipeMobileDevice(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Have a mobile device reset itself when it next connects."""
    await device_admin.wipe_mobile_device(
        api.core, grant_of(call, document), document["UserId"], document["DeviceId"]
    )
    return {}


async def DeleteMobileDevice(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Take a mobile device off the list of a user."""
    await device_admin.delete_mobile_device(
        api.core, grant_of(call, document), document["UserId"], document["DeviceId"]
    )
    return {}


async def GetMobilePolicyDetails(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe what the organization asks of mobile devices."""
    known = await mobile_policy.get_mobile_policy(api.core, grant_of(call, document))
    demands = {name: getattr(known.policy, field) for name, field in DEMANDS.items()}
    return {
        "Policy": {
            name: value for name, value in demands.items() if isinstance(value, bool) or value
        },
        "DateModified": known.modified or None,
    }


async def SetMobilePolicyDetails(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Replace what the organization asks of mobile devices."""
    policy = {DEMANDS[name]: value for name, value in document["Policy"].items()}
    await mobile_policy.set_mobile_policy(
        api.core, grant_of(call, document), MobilePolicy(**policy)
    )
    return {}
