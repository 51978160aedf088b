"""PutEmailMonitoringConfiguration, DescribeEmailMonitoringConfiguration, and its deletion."""
# ruff: noqa: N802 - a handler is named as its action

from __future__ import annotations

from typing import Any

from workpost.domain.organizations import monitoring
from workpost.protocols.api.actions.context import Api, Document, grant_of
from workpost.protocols.api.call import Call


async def PutEmailMonitoringConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Send mail events to a log group from now on."""
    await monitoring.put_monitoring_configuration(
        api.core,
        grant_of(call, document),
        log_group=document["LogGroupArn"],
        role=document.get("RoleArn", ""),
    )
    return {}


async def DescribeEmailMonitoringConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Show the log group that mail events go to, and the role that is used."""
    found = await monitoring.describe_monitoring_configuration(api.core, grant_of(call, document))
    return {"RoleArn": found.role, "LogGroupArn": found.log_group}


async def DeleteEmailMonitoringConfiguration(
    api: Api, call: Call, document: Document
) -> dict[str, Any]:
    """Send no more mail events."""
    await monitoring.delete_monitoring_configuration(api.core, grant_of(call, document))
    return {}
