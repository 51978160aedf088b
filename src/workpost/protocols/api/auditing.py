"""Calls as CloudTrail records them (record contents of its event version 1.11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson

from workpost.domain.access.credentials import ROLE, ROOT, Credential
from workpost.operations.audit.log import AuditLog
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import ApiError
from workpost.protocols.api.model import MESSAGE_FLOW
from workpost.protocols.api.wire.reading import lowered
from workpost.protocols.api.wire.rendering import HIDDEN

EVENT_VERSION = "1.11"
SOURCES = {MESSAGE_FLOW: "workmailMessageFlow.amazonaws.com"}
"""Of services whose events do not have the name that requests are signed for."""
MAX_RECORD = 100 * 1024
"""Bytes, above which parameters and response are left out."""
MAX_MESSAGE = 1024
"""Characters of an error's message, which may hold what the caller sent."""
MAX_IDENTITIES = 256
ISSUING = frozenset({"AssumeRole", "GetSessionToken"})
"""Actions that change nothing and yet are recorded with what they gave away."""
SECRETS = frozenset({"SecretAccessKey", "SessionToken", "Token", "PersonalAccessToken"})
"""Output members that are never recorded, whatever the model says of them."""


class CallAudit:
    """Puts calls into the audit log."""

    def __init__(self, log: AuditLog) -> None:
        self.log = log
        self._second = (-1, "")
        self._identities: dict[str, tuple[Credential, orjson.Fragment]] = {}

    @property
    def full(self) -> bool:
        """True while calls cannot be recorded."""
        return self.log.full

    def record(
        self,
        call: Call,
        event_id: str,
        document: Mapping[str, Any] | None,
        output: Mapping[str, Any] | None,
        fault: ApiError | None,
    ) -> None:
        """Record an answered call: what was asked, and the output or the error."""
        operation = call.operation
        told = output if not operation.reads or operation.name in ISSUING else None
        parameters = operation.mask_input(document) if document else None
        record: dict[str, Any] = {
            "eventVersion": EVENT_VERSION,
            "userIdentity": self._identity(call.credential),
            "eventTime": self._time(call.now),
            "eventSource": SOURCES.get(operation.service, f"{operation.service}.amazonaws.com"),
            "eventName": operation.name,
            "awsRegion": call.region,
            "sourceIPAddress": call.peer,
            "userAgent": call.user_agent,
            "requestParameters": _shown(parameters) if parameters else None,
            "responseElements": _shown(operation.mask_output(told)) if told else None,
        }
        if fault is not None:
            record["errorCode"] = fault.code
            record["errorMessage"] = fault.message[:MAX_MESSAGE]
        record["requestID"] = call.request_id
        record["eventID"] = event_id
        record["readOnly"] = operation.reads
        record["eventType"] = "AwsApiCall"
        record["managementEvent"] = True
        record["recipientAccountId"] = call.account
        record["eventCategory"] = "Management"
        line = orjson.dumps(record, default=str)
        if len(line) > MAX_RECORD:
            record |= {"requestParameters": None, "responseElements": None}
            record["additionalEventData"] = {"omitted": "requestParameters, responseElements"}
            line = orjson.dumps(record)
        self.log.add(call.account, call.now, line)

    def _identity(self, caller: Credential) -> orjson.Fragment:
        # Credentials are remembered for a second, so most calls find their caller's words here.
        known = self._identities.get(caller.access_key_id)
        if known is not None and known[0] is caller:
            return known[1]
        if len(self._identities) >= MAX_IDENTITIES:
            self._identities.clear()
        words = orjson.Fragment(orjson.dumps(identity_of(caller)))
        self._identities[caller.access_key_id] = (caller, words)
        return words

    def _time(self, now: int) -> str:
        second = now // 1000
        if self._second[0] != second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._second = (second, text)
        return self._second[1]


def identity_of(caller: Credential) -> dict[str, Any]:
    """The element userIdentity."""
    identity: dict[str, Any] = {
        "type": caller.kind,
        "principalId": caller.user_id,
        "arn": caller.principal_arn,
        "accountId": caller.account,
        "accessKeyId": caller.access_key_id,
    }
    if caller.kind not in {ROOT, ROLE}:
        identity["userName"] = caller.user_name
    session = caller.session
    if session is not None:
        created = datetime.fromtimestamp(session.issued // 1000, UTC)
        context: dict[str, Any] = {
            "attributes": {
                "creationDate": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "mfaAuthenticated": "false",
            }
        }
        if session.issuer_arn:
            context["sessionIssuer"] = {
                "type": "Role",
                "principalId": session.issuer_id,
                "arn": session.issuer_arn,
                "accountId": caller.account,
                "userName": session.issuer_name,
            }
        identity["sessionContext"] = context
    return identity


_camel = cache(lowered)


def _shown(value: Any) -> Any:
    """Members in lower camel case, secrets hidden."""
    if isinstance(value, dict):
        return {
            _camel(name): HIDDEN if name in SECRETS and isinstance(item, str) else _shown(item)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value
