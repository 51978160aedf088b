"""The three protocols of the endpoint: what a success and an error look like in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from workpost.protocols.api.errors import ApiError, error_body
from workpost.protocols.api.model import Operation
from workpost.protocols.api.wire.query import wrap_error, wrap_result
from workpost.protocols.signing.messages import Streamed

JSON_TYPE = b"application/x-amz-json-1.1"
REST_TYPE = b"application/json"
BLOB_TYPE = b"application/octet-stream"
XML_TYPE = b"text/xml"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class Answer(NamedTuple):
    """What is sent back, but for the headers that every answer has."""

    status: int
    content_type: bytes
    body: bytes | Streamed

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.body.size if isinstance(self.body, Streamed) else len(self.body)


class Frame(Protocol):
    """One protocol."""

    def success(self, operation: Operation, output: Mapping[str, Any], request_id: str) -> Answer:
        """The answer with an output; raises NotModelled."""
        ...

    def failure(self, fault: ApiError, operation: Operation | None, request_id: str) -> Answer:
        """The answer with an error; `operation` is None until it is known."""
        ...


class JsonFrame:
    """AWS JSON 1.1."""

    def success(self, operation: Operation, output: Mapping[str, Any], request_id: str) -> Answer:
        return Answer(200, JSON_TYPE, operation.render(output))

    def failure(self, fault: ApiError, operation: Operation | None, request_id: str) -> Answer:
        return Answer(fault.status(rest=False, operation=operation), JSON_TYPE, error_body(fault))


class RestFrame:
    """REST-JSON; an output member may be the body itself, bytes or a stream."""

    def success(self, operation: Operation, output: Mapping[str, Any], request_id: str) -> Answer:
        if operation.payload:
            return Answer(200, BLOB_TYPE, output[operation.payload])
        return Answer(200, REST_TYPE, operation.render(output))

    def failure(self, fault: ApiError, operation: Operation | None, request_id: str) -> Answer:
        return Answer(fault.status(rest=True, operation=operation), REST_TYPE, error_body(fault))


class QueryFrame:
    """AWS Query: XML, and older names of the errors that every service has."""

    def success(self, operation: Operation, output: Mapping[str, Any], request_id: str) -> Answer:
        result = operation.render(output)
        body = wrap_result(operation.namespace, operation.name, result, request_id)
        return Answer(200, XML_TYPE, body)

    def failure(self, fault: ApiError, operation: Operation | None, request_id: str) -> Answer:
        code, status = QUERY_ERRORS.get(fault.code, (fault.code, 0))
        if fault.own_status or not status:
            status = fault.status(rest=False, operation=operation)
        body = wrap_error(STS_NAMESPACE, code, fault.message, request_id, sender=status < 500)
        return Answer(status, XML_TYPE, body)


QUERY_ERRORS = {
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "AccessDeniedException": ("AccessDenied", 403),
    "UnknownOperationException": ("InvalidAction", 400),
    "SerializationException": ("MalformedInput", 400),
    "ValidationException": ("ValidationError", 400),
    "InvalidParameterException": ("ValidationError", 400),
    "ThrottlingException": ("Throttling", 400),
    "ServiceUnavailableException": ("ServiceUnavailable", 503),
}
"""Names and statuses in the Query protocol of what JSON services call otherwise."""

JSON = JsonFrame()
REST = RestFrame()
QUERY = QueryFrame()
