"""What the system does by itself, in the audit log beside the calls of people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from workpost.formats.arn import organization_arn
from workpost.kernel.principal import Grant
from workpost.operations.audit.log import AuditLog
from workpost.store.core import Core

EVENT_VERSION = "1.11"
SOURCE = "workmail.amazonaws.com"


async def record_system_event(
    core: Core, account: str, grant: Grant, name: str, details: Mapping[str, Any]
) -> None:
    """Record what a system actor did to an organization, as CloudTrail's service events are.

    Raises TryLater when it cannot be written: what cannot be recorded is not done.
    """
    now = core.env.now()
    region = core.settings.api.region
    record = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": grant.principal.actor},
        "eventTime": datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SOURCE,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": grant.principal.actor,
        "userAgent": grant.principal.actor,
        "requestParameters": None,
        "responseElements": None,
        "eventID": core.env.new_uuid(),
        "readOnly": True,
        "resources": [{"ARN": organization_arn(region, account, grant.organization)}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }
    log = AuditLog(core)
    log.add(account, now, orjson.dumps(record))
    try:
        await log.flush()
    finally:
        await log.close()
