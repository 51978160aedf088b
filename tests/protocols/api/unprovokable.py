"""Declared errors of actions on what is no entity that never come, and why.

Data of the same shape as `declared_errors.UNPROVOKABLE`. What the reference declares for one of the
actions of `test_unprovokable.py` is either provoked by the test of that action or named here.
"""

from __future__ import annotations

INVALID = "InvalidParameterException"
LIMIT = "LimitExceededException"
CONSTRAINTS = (
    "What breaks a constraint of the model is told as ValidationException"
    " (docs/decisions/0014-api-front-end.md); beyond those there is nothing to refuse."
)
LOOKED_UP = "Every well-formed name is looked up; one that is not there is not found."

LOOKED_UP_TOKEN = "Every well-formed id is looked up; taking away what is not there is no error."
NO_ORGANIZATION = "The action names no organization."

UNPROVOKABLE: dict[str, dict[str, str]] = {
    "DeleteEmailMonitoringConfiguration": {INVALID: "It has no member but the organization."},
    "DescribeEmailMonitoringConfiguration": {INVALID: "It has no member but the organization."},
    "DeleteIdentityCenterApplication": {"OrganizationStateException": NO_ORGANIZATION},
    "DeleteIdentityProviderConfiguration": {INVALID: "It has no member but the organization."},
    "DeleteMailboxPermissions": {
        INVALID: "Every identifier is looked up; taking what was never given is no error."
    },
    "DeletePersonalAccessToken": {INVALID: LOOKED_UP_TOKEN},
    "DeleteRetentionPolicy": {INVALID: CONSTRAINTS},
    "DeregisterMailDomain": {
        "InvalidCustomSesConfigurationException": (
            "No other service has rules that refer to the domains of an installation."
        )
    },
    "DescribeIdentityProviderConfiguration": {INVALID: "It has no member but the organization."},
    "DescribeMailboxExportJob": {INVALID: LOOKED_UP},
    "GetMailDomain": {INVALID: LOOKED_UP},
    "GetPersonalAccessTokenMetadata": {INVALID: LOOKED_UP},
    "GetDefaultRetentionPolicy": {INVALID: CONSTRAINTS},
    "PutRawMessageContent": {
        "MessageFrozen": (
            "What this server redirects meets no rules, so no function holds it; Resent-* fields of"
            " strangers freeze nothing (docs/decisions/0046-message-flow.md)."
        )
    },
    "PutRetentionPolicy": {
        LIMIT: "An organization has one policy of at most five folders; putting it replaces it."
    },
    "UpdateDefaultMailDomain": {INVALID: LOOKED_UP},
}
