"""Invoking a function by its ARN in the name of an organization."""

from __future__ import annotations

from workpost.domain.organizations.state import not_found
from workpost.formats.arn import organization_arn
from workpost.integrations.lambda_.base import Invocation
from workpost.integrations.lambda_.mapping import find_function
from workpost.store.core import Core
from workpost.store.tables import organizations


async def invoke(core: Core, *, organization: str, arn: str, event: bytes, seconds: float) -> bytes:
    """Invoke what is mapped to `arn` for the organization's account; returns its answer.

    `event` and the answer are JSON documents; `seconds` is the longest that it may take. Raises
    FunctionFailed, EntityNotFound when the organization is not there.
    """
    known = await core.store.read(organizations.get_state, organization=organization)
    if known is None:
        raise not_found(organization)
    account = known[0]
    function = find_function(core.settings, account, arn)
    return await function.invoke(
        Invocation(
            event=event,
            source_arn=organization_arn(core.settings.api.region, account, organization),
            source_account=account,
            seconds=seconds,
        )
    )
