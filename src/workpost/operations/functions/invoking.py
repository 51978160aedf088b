"""Invoking a function by its ARN in the name of an organization."""

from __future__ import annotations

from workpost.domain.organizations.state import not_found
from workpost.formats.arn import organization_arn
from workpost.integrations.lambda_.base import FunctionFailed, Invocation, Trouble
from workpost.integrations.lambda_.local.plan import name_of
from workpost.integrations.lambda_.local.pool import Ran
from workpost.integrations.lambda_.mapping import find_mapping, open_function
from workpost.kernel.logging import logger
from workpost.kernel.metrics import counter, histogram
from workpost.kernel.outside_settings import Function
from workpost.operations.functions.logs import Record
from workpost.operations.functions.running import running
from workpost.operations.functions.surroundings import stream_of
from workpost.store.core import Core
from workpost.store.tables import organizations

INVOCATIONS = counter(
    "workpost_function_invocations_total", "Invocations of functions.", "kind", "outcome"
)
SECONDS = histogram("workpost_function_seconds", "How long functions run.", "kind")

log = logger("functions")


async def invoke(
    core: Core,
    *,
    organization: str,
    arn: str,
    event: bytes,
    seconds: float,
    request_id: str = "",
    waited: bool = True,
) -> bytes:
    """Invoke what is mapped to `arn` for the organization's account; returns its answer.

    `event` and the answer are JSON documents; `seconds` is the longest that it may take.
    `request_id` names the invocation in logs, and is the same for an event that is sent again; ""
    for a fresh one. Without `waited` the answer does not matter: an endpoint that queues events may
    do so. The invocation leaves its log. Raises FunctionFailed, OrganizationNotFound, TryLater.
    """
    known = await core.store.read(organizations.get_state, organization=organization)
    if known is None:
        raise not_found(organization)
    account = known[0]
    mapped = find_mapping(core.settings, account, arn)
    id = request_id or core.env.new_uuid()
    record = Record(core, id, "$LATEST")
    invocation = Invocation(
        event=event,
        source_arn=organization_arn(core.settings.api.region, account, organization),
        source_account=account,
        seconds=seconds,
        arn=arn,
        request_id=id,
        waited=waited,
        heard=record.hear,
    )
    ran = Ran()
    trouble = ""
    outcome = "answered"
    try:
        return await _invoke(core, account, mapped, invocation, ran)
    except FunctionFailed as error:
        outcome = error.trouble.name.lower()
        trouble = _words(error, seconds)
        log.warning("a function gave no answer", function=arn, request=id, reason=str(error))
        raise
    except BaseException:
        outcome, trouble = "broken off", "Workpost broke it off"
        raise
    finally:
        INVOCATIONS.labels(mapped.kind, outcome).inc()
        SECONDS.labels(mapped.kind).observe(ran.running)
        if mapped.kind != "aws":
            # AWS keeps logs of its own.
            memory = mapped.memory_megabytes if mapped.kind == "callable" else 0
            record.end(ran, memory=memory, trouble=trouble)
            running(core).logbook.add(account, name_of(arn), ran.stream, record)


async def _invoke(
    core: Core, account: str, mapped: Function, invocation: Invocation, ran: Ran
) -> bytes:
    if mapped.kind == "callable":
        return await running(core).pool(account, mapped).invoke(invocation, ran)
    ran.stream = stream_of(core.env.now(), mapped.kind)
    began = core.env.monotonic()
    try:
        return await open_function(mapped, invocation.arn).invoke(invocation)
    finally:
        ran.running = core.env.monotonic() - began


def _words(error: FunctionFailed, seconds: float) -> str:
    """What the log says of a failure."""
    if error.trouble is Trouble.TIME:
        return f"Task timed out after {seconds:.2f} seconds"
    return error.detail or error.trouble.value
