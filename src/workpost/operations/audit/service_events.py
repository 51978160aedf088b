"""What Workpost does by itself, or an operator at its machine: CloudTrail's service events."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from workpost.formats.arn import organization_arn
from workpost.kernel.principal import Grant
from workpost.operations.audit.log import PURPOSE, insert_audit, place
from workpost.store.core import Core
from workpost.store.keys import sealing
from workpost.store.tables import organizations
from workpost.store.tables.audit import AuditChunk

SERVICE = "workmail.amazonaws.com"
EVENT_VERSION = "1.11"


async def record_service_event(
    core: Core, grant: Grant, name: str, details: Mapping[str, Any]
) -> None:
    """Write one event by itself, before what it tells is done: what cannot be told is not done.

    Raises TryLater.
    """
    known = await core.store.read(organizations.get_state, organization=grant.organization)
    if known is not None:
        event = await seal_service_event(core, known[0], grant, name, details)
        await core.store.write(insert_audit, chunks=[event])


async def seal_service_event(
    core: Core,
    account: str,
    grant: Grant,
    name: str,
    details: Mapping[str, Any],
    *,
    read_only: bool = False,
) -> AuditChunk:
    """One event as a row for `store.tables.audit.insert_chunks`, to be written with its cause.

    `grant` is the system actor's, for the organization concerned. Raises TryLater.
    """
    now = core.env.now()
    region = core.settings.api.region
    actor = grant.principal.actor
    record = {
        "eventVersion": EVENT_VERSION,
        "userIdentity": {"type": "AWSService", "invokedBy": actor},
        "eventTime": datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": SERVICE,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": actor,
        "userAgent": actor,
        "requestParameters": None,
        "responseElements": None,
        "eventID": core.env.new_uuid(),
        "readOnly": read_only,
        "resources": [{"ARN": organization_arn(region, account, grant.organization)}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }
    key = await core.keys.token_key(PURPOSE)
    chunk = core.env.new_id()
    packed = zlib.compress(orjson.dumps(record), 1)
    sealed = sealing.seal(key, packed, place(account, chunk))
    return AuditChunk(account, now, chunk, 1, sealed)
