"""Functions mapped for an organization, and what comes of invoking them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from tests.support.api_server import ApiServer, Tenant
from tests.support.message_flow import Flow
from workpost.integrations.s3.mapping import find_depot
from workpost.kernel.outside_settings import Function, Lambda, Outside
from workpost.operations.functions.invoking import invoke
from workpost.operations.functions.logs import read_log

BUCKET = "updates"
EXAMPLES = Path(__file__).parents[2] / "examples" / "functions"


class Functions:
    """The organization `demo`, its account's bucket `updates`, and functions of any kind."""

    def __init__(self, api: ApiServer, demo: Tenant) -> None:
        self.api = api
        self.demo = demo
        self.flow = Flow(api, demo)
        self.set(
            outside=Outside(
                buckets=(f"{demo.account} {BUCKET} folder",),
                log_groups=(f"{demo.account} /aws/lambda/* folder",),
            ),
            lambda_=Lambda(endpoint=api.url),
        )
        depot = find_depot(api.core.settings, demo.account, BUCKET)
        assert depot is not None
        self.depot = depot
        depot.check()

    def set(self, **changes: Any) -> None:
        """Change settings, as SIGHUP does."""
        self.api.set(**changes)

    def arn(self, name: str) -> str:
        """The ARN of a function of demo's account."""
        return f"arn:aws:lambda:us-east-1:{self.demo.account}:function:{name}"

    def map(self, name: str, **values: Any) -> str:
        """Map a function; returns its ARN."""
        settings = self.api.core.settings.lambda_
        mapped = Function(arn=self.arn(name), accounts=(self.demo.account,), **values)
        others = tuple(each for each in settings.functions if each.arn != mapped.arn)
        self.set(lambda_=msgspec.structs.replace(settings, functions=(*others, mapped)))
        return mapped.arn

    def callable(self, name: str, handler: str, path: Path = EXAMPLES, **values: Any) -> str:
        """Map a callable; returns its ARN."""
        return self.map(name, kind="callable", handler=handler, path=str(path), **values)

    def invoke(self, arn: str, event: Any, seconds: float = 20.0, request_id: str = "") -> Any:
        """Invoke a function in the name of demo; returns its answer."""
        answer = invoke(
            self.api.core,
            organization=self.demo.organization,
            arn=arn,
            event=json.dumps(event).encode(),
            seconds=seconds,
            request_id=request_id,
        )
        return json.loads(self.api.run(answer))

    def log(self, name: str) -> list[str]:
        """The lines of a function's log, waiting until they are written."""
        return self.api.run(self._log(name))

    async def _log(self, name: str) -> list[str]:
        from workpost.operations.functions.running import running

        await running(self.api.core).logbook.close()
        return await read_log(self.api.core, self.demo.account, name, since=0, limit=1000)


def event_of(message_id: str, *recipients: str, sender: str = "grace@elsewhere.example") -> Any:
    """An event of a Run Lambda rule."""
    return {
        "summaryVersion": "2018-10-10",
        "envelope": {
            "mailFrom": {"address": sender},
            "recipients": [{"address": each} for each in recipients or ("ada@demo.test",)],
        },
        "subject": "Hello",
        "messageId": message_id,
        "invocationId": "0" * 32,
        "flowDirection": "INBOUND",
        "truncated": False,
    }
