"""StartMailboxExportJob, CancelMailboxExportJob, and what Describe and List tell of the jobs."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.mailboxes import exports
from workpost.domain.mailboxes.exports import NewExport
from workpost.protocols.api.actions.context import (
    Api,
    Document,
    grant_of,
    next_token,
    page_limit,
    page_start,
)
from workpost.protocols.api.actions.repeats import client_token
from workpost.protocols.api.call import Call
from workpost.store.tables.exports import FAILED, ExportRow


async def StartMailboxExportJob(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Export a mailbox into a bucket."""
    new = NewExport(
        entity=document["EntityId"],
        description=document.get("Description"),
        role=document["RoleArn"],
        kms_key=document["KmsKeyArn"],
        bucket=document["S3BucketName"],
        prefix=document["S3Prefix"],
    )
    token = await client_token(api, call, document)
    job = await exports.start_mailbox_export(api.core, grant_of(call, document), new, token)
    return {"JobId": job}


async def DescribeMailboxExportJob(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Describe an export: its state, how far it is, where its object lies."""
    row = await exports.describe_mailbox_export(
        api.core, grant_of(call, document), document["JobId"]
    )
    told = _summary(row) | {
        "RoleArn": row.role,
        "KmsKeyArn": row.kms_key,
        "S3Prefix": row.prefix,
    }
    # A running export keeps what its last attempt met; only a failed one tells.
    return told | ({"ErrorInfo": row.error} if row.state == FAILED and row.error else {})


async def ListMailboxExportJobs(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """List the exports of the last seven days, the newest first."""
    started, job = page_start(api, call, document, 2)
    before = (int(started), job) if started else exports.NEWEST
    page = await exports.list_mailbox_exports(
        api.core, grant_of(call, document), before, page_limit(document)
    )
    return {
        "Jobs": [{"JobId": row.id} | _summary(row) for row in page.rows],
        "NextToken": next_token(api, call, document, page.following),
    }


async def CancelMailboxExportJob(api: Api, call: Call, document: Document) -> dict[str, Any]:
    """Cancel an export, unless it has ended or is nearly complete."""
    token = await client_token(api, call, document)
    grant = grant_of(call, document)
    await exports.cancel_mailbox_export(api.core, grant, document["JobId"], token)
    return {}


def _summary(row: ExportRow) -> dict[str, Any]:
    return {
        "EntityId": row.entity,
        "Description": row.description,
        "S3BucketName": row.bucket,
        "S3Path": row.path,
        "EstimatedProgress": row.progress,
        "State": row.state,
        "StartTime": row.started,
        "EndTime": row.ended,
    }
