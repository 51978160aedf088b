"""Every error that the reference declares is provoked by its action's test, or has a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore import xform_name

from tests.protocols.api.unprovokable import UNPROVOKABLE
from workpost.protocols.api.model import MESSAGE_FLOW, load_services

SERVICES = load_services()
OPERATIONS = {**SERVICES["workmail"].operations, **SERVICES[MESSAGE_FLOW].operations}
FOLDER = Path(__file__).parent / "actions"
WALKED = {"OrganizationNotFoundException", "OrganizationStateException"}
"""Provoked for every action by test_strangers.py and test_states.py."""
ACTIONS = (
    "CreateIdentityCenterApplication",
    "CancelMailboxExportJob",
    "DeleteAccessControlRule",
    "DeleteEmailMonitoringConfiguration",
    "DeleteIdentityCenterApplication",
    "DeleteIdentityProviderConfiguration",
    "DeleteMailboxPermissions",
    "DeletePersonalAccessToken",
    "CreateAvailabilityConfiguration",
    "DeleteAvailabilityConfiguration",
    "DeleteRetentionPolicy",
    "DeregisterMailDomain",
    "DescribeEmailMonitoringConfiguration",
    "DescribeIdentityProviderConfiguration",
    "DescribeInboundDmarcSettings",
    "DescribeMailboxExportJob",
    "GetAccessControlEffect",
    "GetDefaultRetentionPolicy",
    "GetMailDomain",
    "GetPersonalAccessTokenMetadata",
    "GetRawMessageContent",
    "ListAccessControlRules",
    "ListAvailabilityConfigurations",
    "ListMailDomains",
    "ListMailboxExportJobs",
    "ListMailboxPermissions",
    "ListPersonalAccessTokens",
    "ListTagsForResource",
    "PutAccessControlRule",
    "PutEmailMonitoringConfiguration",
    "PutIdentityProviderConfiguration",
    "PutInboundDmarcSettings",
    "PutMailboxPermissions",
    "PutRawMessageContent",
    "PutRetentionPolicy",
    "RegisterMailDomain",
    "StartMailboxExportJob",
    "TagResource",
    "TestAvailabilityConfiguration",
    "UntagResource",
    "UpdateAvailabilityConfiguration",
    "UpdateDefaultMailDomain",
)


@pytest.mark.parametrize("action", ACTIONS)
def test_declared_errors_are_provoked_or_have_a_reason(action: str) -> None:
    text = (FOLDER / f"test_{xform_name(action)}.py").read_text()
    reasons = UNPROVOKABLE.get(action, {})
    assert set(reasons) <= set(OPERATIONS[action].errors)
    for error in OPERATIONS[action].errors:
        if error not in WALKED:
            assert (error in text) != (error in reasons), error
