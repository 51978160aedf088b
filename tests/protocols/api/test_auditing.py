"""A call as CloudTrail would record it, where HTTP cannot show it."""

from typing import Any

import orjson

from tests.support.api import ORGANIZATION, make_credential, services
from workpost.domain.access.credentials import USER, SessionFacts
from workpost.protocols.api.auditing import MAX_RECORD, CallAudit, identity_of
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import ApiError

NOW = 1_767_225_600_000


class FakeLog:
    full = False

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def add(self, account: str, at: int, record: bytes) -> None:
        assert account == "111122223333"
        assert at == NOW
        self.lines.append(record)


def record(action: str, document: Any, output: Any = None, fault: Any = None) -> dict[str, Any]:
    log = FakeLog()
    call = Call(
        request_id="request",
        operation=services()["workmail"].operations[action],
        credential=make_credential(),
        region="us-east-1",
        requested_region="us-east-1",
        peer="127.0.0.1",
        is_tls=False,
        user_agent="test",
        now=NOW,
    )
    CallAudit(log).record(call, "event", document, output, fault)  # type: ignore[arg-type]
    (line,) = log.lines
    assert len(line) <= MAX_RECORD
    found: dict[str, Any] = orjson.loads(line)
    return found


def test_parameters_of_more_than_100_kib_are_left_out() -> None:
    document = {"OrganizationId": ORGANIZATION, "IpRanges": ["10.0.0.0/8"] * 20_000}
    found = record("PutAccessControlRule", document)
    assert found["requestParameters"] is None
    assert found["additionalEventData"]["omitted"] == "requestParameters, responseElements"


def test_secrets_of_an_output_are_hidden() -> None:
    output = {"Token": "secret", "ExpiresIn": 900}
    found = record("AssumeImpersonationRole", {"OrganizationId": ORGANIZATION}, output)
    assert found["responseElements"] == {"token": "***", "expiresIn": 900}


def test_a_long_message_is_cut() -> None:
    fault = ApiError("ValidationException", "1 validation error detected: " + "x" * 1_000_000)
    assert len(record("CreateUser", None, None, fault)["errorMessage"]) == 1024


def test_an_error_has_no_response() -> None:
    found = record("CreateUser", None, None, ApiError("LimitExceededException", "Too many."))
    assert found["errorCode"] == "LimitExceededException"
    assert found["responseElements"] is None


def test_a_session_of_a_user() -> None:
    credential = make_credential(kind=USER, session=SessionFacts(issued=NOW))
    identity = identity_of(credential)
    assert identity["userName"] == "ada"
    assert identity["sessionContext"]["attributes"]["creationDate"] == "2026-01-01T00:00:00Z"
    assert "sessionIssuer" not in identity["sessionContext"]
