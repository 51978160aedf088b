"""What an operator orders at the machine, in the audit log before it is done."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from typing import Any

from workpost.kernel.principal import Grant
from workpost.operations.audit.service_events import record_service_event
from workpost.store.core import Core


async def record_order(core: Core, grant: Grant, name: str, details: Mapping[str, Any]) -> None:
    """Write who orders what of an organization. Raises TryLater; then nothing may be done."""
    told = {"organizationId": grant.organization, "operator": _operator(), **details}
    await record_service_event(core, grant, name, told)


def _operator() -> str:
    """The login name of whoever runs this, or the number where there is none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
