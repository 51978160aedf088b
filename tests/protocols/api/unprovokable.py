"""Declared errors of domains, tags, permissions, rules, identity and tokens that never come: why.

Data of the same shape as `declared_errors.UNPROVOKABLE`. What the reference declares for one of the
actions of `test_unprovokable.py` is either provoked by the test of that action or named here.
"""

from __future__ import annotations

INVALID = "InvalidParameterException"
LOOKED_UP = "Every well-formed name is looked up; one that is not there is not found."

LOOKED_UP_TOKEN = "Every well-formed id is looked up; taking away what is not there is no error."
NO_ORGANIZATION = "The action names no organization."

UNPROVOKABLE: dict[str, dict[str, str]] = {
    "DeleteIdentityCenterApplication": {"OrganizationStateException": NO_ORGANIZATION},
    "DeleteIdentityProviderConfiguration": {INVALID: "It has no member but the organization."},
    "DeleteMailboxPermissions": {
        INVALID: "Every identifier is looked up; taking what was never given is no error."
    },
    "DeletePersonalAccessToken": {INVALID: LOOKED_UP_TOKEN},
    "DeregisterMailDomain": {
        "InvalidCustomSesConfigurationException": (
            "No other service has rules that refer to the domains of an installation."
        )
    },
    "DescribeIdentityProviderConfiguration": {INVALID: "It has no member but the organization."},
    "DescribeMailboxExportJob": {INVALID: LOOKED_UP},
    "GetMailDomain": {INVALID: LOOKED_UP},
    "GetPersonalAccessTokenMetadata": {INVALID: LOOKED_UP},
    "UpdateDefaultMailDomain": {INVALID: LOOKED_UP},
}
