"""Declared errors of domains, tags, permissions and access rules that never come, and why.

Data of the same shape as `declared_errors.UNPROVOKABLE`. What the reference declares for one of the
actions of `test_unprovokable.py` is either provoked by the test of that action or named here.
"""

from __future__ import annotations

INVALID = "InvalidParameterException"
LOOKED_UP = "Every well-formed name is looked up; one that is not there is not found."

UNPROVOKABLE: dict[str, dict[str, str]] = {
    "DeleteMailboxPermissions": {
        INVALID: "Every identifier is looked up; taking what was never given is no error."
    },
    "DeregisterMailDomain": {
        "InvalidCustomSesConfigurationException": (
            "No other service has rules that refer to the domains of an installation."
        )
    },
    "DescribeMailboxExportJob": {INVALID: LOOKED_UP},
    "GetMailDomain": {INVALID: LOOKED_UP},
    "UpdateDefaultMailDomain": {INVALID: LOOKED_UP},
}
