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
from workpost.store.tables.audit import AuditChunk

SERVICE = "workmail.amazonaws.com"
EVENT_VERSION = "1.11"
OPERATOR = "operator"
"""The actor of what is done by commands."""


async def record_order(
    core: Core,
    account: str,
    organization: str,
    name: str,
    details: Mapping[str, Any],
    *,
    error: str = "",
) -> None:
    """Write what an operator has ordered, by itself; `organization` "" where it concerns none.

    Raises TryLater.
    """
    event = await _seal(core, account, organization, OPERATOR, name, details, error=error)
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
    return await _seal(
        core,
        account,
        grant.organization,
        grant.principal.actor,
        name,
        details,
        read_only=read_only,
    )


async def _seal(
    core: Core,
    account: str,
    organization: str,
    actor: str,
    name: str,
    details: Mapping[str, Any],
    *,
    read_only: bool = False,
    error: str = "",
) -> AuditChunk:
    now = core.env.now()
    region = core.settings.api.region
    concerned = [{"ARN": organization_arn(region, account, organization)}] if organization else []
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
        "resources": concerned,
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": dict(details),
        "eventCategory": "Management",
    }
    if error:
        record["errorCode"] = error
    key = await core.keys.token_key(PURPOSE)
    chunk = core.env.new_id()
    packed = zlib.compress(orjson.dumps(record), 1)
    sealed = sealing.seal(key, packed, place(account, chunk))
    return AuditChunk(account, now, chunk, 1, sealed)
