"""Providers of free/busy for the tests of availability configurations: EWS and a function."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.api_server import ApiServer
from tests.support.outside import Asked, OutsideServer, Reply
from workpost.kernel.outside_settings import Egress, Function, Lambda

DOMAIN = "partner.example"
USER = "workpost@partner.example"
PASSWORD = "Tell-No1-sesame"
ARN = "arn:aws:lambda:us-east-1:444455556666:function:availability"
SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Body>{}</s:Body>'
    "</s:Envelope>"
)
FREE = (
    "<m:FreeBusyResponse><m:ResponseMessage ResponseClass='Success'/><m:FreeBusyView/>"
    "</m:FreeBusyResponse>"
)


def exchange(asked: Asked) -> Reply:
    """An Exchange server that lets one user in, and knows everybody as free."""
    wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if asked.headers.get("authorization") != f"Basic {wanted}":
        return 401, {"WWW-Authenticate": 'Basic realm="ews"'}, b""
    count = asked.body.count(b"<t:MailboxData>")
    body = (
        "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>"
        f"{FREE * count}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
    )
    return 200, {"Content-Type": "text/xml"}, SOAP.format(body).encode()


def function(asked: Asked) -> Reply:
    """A function that knows everybody as free."""
    told = [{"mailbox": mailbox, "events": []} for mailbox in json.loads(asked.body)["mailboxes"]]
    return 200, {}, json.dumps({"mailboxes": told}).encode()


def ews(port: int, **changes: str) -> dict[str, Any]:
    """EwsProvider as a request has it."""
    provider = {
        "EwsEndpoint": f"https://localhost:{port}/EWS/Exchange.asmx",
        "EwsUsername": USER,
        "EwsPassword": PASSWORD,
    }
    return {"EwsProvider": {**provider, **changes}}


def allow(
    api: ApiServer, *, ca_file: str, account: str, server: OutsideServer | None = None
) -> None:
    """Let the server connect to loopback, trust a CA, and map the function to a server."""
    url = f"http://127.0.0.1:{server.port}/" if server is not None else "http://127.0.0.1:1/"
    mapped = Function(arn=ARN, accounts=(account,), kind="http", url=url)
    api.set(
        egress=Egress(allow=("127.0.0.0/8", "::1/128"), ca_file=ca_file, seconds=5),
        lambda_=Lambda(functions=(mapped,)),
    )
