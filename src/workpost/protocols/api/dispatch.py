"""From a request to a response, in the order of AWS's front end.

Size, routing, signature, JSON and types, constraints, authorization, throttling, the state of the
organization, the handler. Nobody learns anything of a later step before passing the earlier ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from workpost.domain.access.credentials import Credential
from workpost.kernel.clock import Environment
from workpost.protocols.api.actions import Handler
from workpost.protocols.api.authorization import (
    authorize,
    context_of,
    organization_of,
    resource_of,
)
from workpost.protocols.api.call import Call
from workpost.protocols.api.errors import (
    ApiError,
    translate,
    unsupported,
    violations_error,
)
from workpost.protocols.api.frames import JSON, Answer
from workpost.protocols.api.model import MESSAGE_FLOW, STS, Operation, Service
from workpost.protocols.api.routing import Route, Router
from workpost.protocols.api.wire.body import MAX_BODY, MalformedBody, parse_body
from workpost.protocols.signing import signature
from workpost.protocols.signing.authorization import parse_authorization
from workpost.protocols.signing.messages import ApiRequest, ApiResponse, index_headers

log = logging.getLogger(__name__)

ACTIVE = "Active"
ANY_STATE = frozenset({"DescribeOrganization", "DeleteOrganization"})
"""Actions that look at the organization's state themselves."""
MAX_USER_AGENT = 1024
"""Bytes that conditions and audit see of the header, whose length is the caller's choice."""

Headers = Mapping[bytes, list[bytes]]


class Credentials(Protocol):
    """Where access keys are looked up."""

    async def lookup(
        self, access_key_id: str, session_token: str | None = None
    ) -> Credential | None:
        """The key with its secret, or None when there is none of this id (or of this token)."""
        ...


class OrganizationFacts(msgspec.Struct, frozen=True):
    """What the front end asks of an organization."""

    state: str
    tags: Mapping[str, str]


class Organizations(Protocol):
    """Where the state and tags of organizations are looked up."""

    async def facts(self, account: str, organization: str) -> OrganizationFacts | None:
        """None when the account has no such organization and never had."""
        ...


class Tags(Protocol):
    """Where conditions find the tags of organizations."""

    async def tags(self, account: str, organization: str) -> Mapping[str, str]:
        """Empty for an organization that is not the account's."""
        ...


class Messages(Protocol):
    """Where policies find whose a message in transit is."""

    async def locate(self, account: str, message: str) -> tuple[str, str] | None:
        """Its organization and direction; None for one that is not the account's."""
        ...


class Throttle(Protocol):
    """Decides whether one more call is too many."""

    def admit(self, account: str, action: str) -> bool:
        """False refuses the call."""
        ...


class Audit(Protocol):
    """Records the calls of callers who proved who they are."""

    @property
    def full(self) -> bool:
        """True while calls cannot be recorded: they are refused then."""
        ...

    def record(
        self,
        call: Call,
        event_id: str,
        document: Mapping[str, Any] | None,
        output: Mapping[str, Any] | None,
        fault: ApiError | None,
    ) -> None:
        """Record a call with its input, once that was read, and its output or error."""
        ...


class Observer(Protocol):
    """Hears of every answer: metrics, access log."""

    def answered(
        self, *, request_id: str, action: str, account: str, status: int, code: str, seconds: float
    ) -> None:
        """`action` and `account` are empty until known, `code` is empty for a success."""
        ...


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the front end."""

    region: str = "us-east-1"
    any_region: bool = True
    """Accept whatever region the client signed for."""
    prefix: str = "/"
    declared_validation_errors: bool = False
    """Answer broken constraints with InvalidParameterException where an action declares it."""


class Work(msgspec.Struct):
    """How far a request has come."""

    operation: Operation | None = None
    call: Call | None = None
    document: dict[str, Any] | None = None
    output: Mapping[str, Any] | None = None


class Dispatcher:
    """Answers requests; everything that reaches outside was given to it."""

    def __init__(
        self,
        *,
        services: Mapping[str, Service],
        handlers: Mapping[str, Handler],
        credentials: Credentials,
        environment: Environment,
        options: ApiOptions | None = None,
        organizations: Organizations | None = None,
        throttle: Throttle | None = None,
        observer: Observer | None = None,
        audit: Audit | None = None,
        tags: Tags | None = None,
        messages: Messages | None = None,
    ) -> None:
        self._handlers = handlers
        self._credentials = credentials
        self._environment = environment
        self._options = options or ApiOptions()
        self._organizations = organizations
        self._throttle = throttle
        self._observer = observer
        self._audit = audit
        self._tags = tags
        self._messages = messages
        self._router = Router(services, self._options.prefix)
        self._keys = signature.SigningKeys()
        self._date = (-1, b"")
        known = {name for service in services.values() for name in service.operations}
        self.not_yet = frozenset(known - handlers.keys())
        """Actions that wait for a later version: all of the model without a handler."""

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer one request; never raises but for cancellation."""
        started = self._environment.monotonic()
        request_id = self._environment.new_uuid()
        headers = index_headers(request.headers)
        frame = self._router.frame_of(request, headers)
        work = Work()
        fault: ApiError | None = None
        try:
            await self._work(work, request, headers, request_id)
            assert work.operation is not None
            assert work.output is not None
            answer = frame.success(work.operation, work.output, request_id)
        except Exception as error:
            fault = translate(error)
            name = _name(work.operation)
            if fault.code == "InternalFailure":
                log.error("%s failed, request id %s", name, request_id, exc_info=error)
            elif fault.code == "ServiceUnavailableException":
                # What is busy has no time for traces of it.
                log.warning("%s is put off, request id %s: %s", name, request_id, error)
            answer = frame.failure(fault, work.operation, request_id)
        except asyncio.CancelledError:
            # Whatever it has done by now stays done.
            self._record(work, ApiError("InternalFailure"))
            raise
        self._record(work, fault)
        code = fault.code if fault is not None else ""
        if self._observer is not None:
            self._observer.answered(
                request_id=request_id,
                action=_name(work.operation),
                account=work.call.account if work.call else "",
                status=answer.status,
                code=code,
                seconds=self._environment.monotonic() - started,
            )
        return self._response(answer, request_id=request_id, code=code)

    async def _work(
        self, work: Work, request: ApiRequest, headers: Headers, request_id: str
    ) -> None:
        if len(request.body) > MAX_BODY:
            raise ApiError("RequestEntityTooLarge", f"Bodies are limited to {MAX_BODY} bytes.")
        route = self._router.find(request, headers)
        work.operation = route.operation
        work.call = await self._authenticate(request, headers, route.operation, request_id)
        work.document = self._read(request, route)
        work.output = await self._perform(work.call, work.document)

    def _record(self, work: Work, fault: ApiError | None) -> None:
        if self._audit is not None and work.call is not None:
            event_id = self._environment.new_uuid()
            output = work.output if fault is None else None
            self._audit.record(work.call, event_id, work.document, output, fault)

    def refuse(self, error: ApiError) -> ApiResponse:
        """The answer to a request that could not be read to its end."""
        request_id = self._environment.new_uuid()
        answer = JSON.failure(error, None, request_id)
        return self._response(answer, request_id=request_id, code=error.code)

    async def _authenticate(
        self, request: ApiRequest, headers: Headers, operation: Operation, request_id: str
    ) -> Call:
        now = self._environment.now()
        claims = parse_authorization(request, headers)
        token = claims.session_token
        credential = await self._credentials.lookup(claims.access_key_id, token)
        if credential is None or not credential.active:
            self._waste(claims, request, headers)
            raise signature.ClientUnknown("The security token included in the request is invalid.")
        signature.check_session(token, credential.session_token)
        options = self._options
        signature.check_scope(
            claims,
            service=operation.service,
            region=None if options.any_region else options.region,
        )
        signature.check_clock(claims, now)
        signature.verify(claims, request, headers, credential.secret, self._keys)
        if credential.expires is not None and credential.expires <= now:
            raise signature.TokenExpired("The security token included in the request is expired")
        return Call(
            request_id=request_id,
            operation=operation,
            credential=credential,
            region=options.region,
            requested_region=claims.region,
            peer=request.peer,
            is_tls=request.is_tls,
            user_agent=headers.get(b"user-agent", [b""])[0][:MAX_USER_AGENT].decode("latin-1"),
            now=now,
        )

    def _waste(
        self, claims: signature.Authorization, request: ApiRequest, headers: Headers
    ) -> None:
        # The same work as for a real key: time does not tell which access keys exist.
        try:
            signature.verify(claims, request, headers, signature.DUMMY_SECRET, self._keys)
        except signature.SignatureInvalid:
            pass

    def _read(self, request: ApiRequest, route: Route) -> dict[str, Any]:
        operation = route.operation
        if operation.decode is not None:
            content: object = operation.decode(route.fields)
        else:
            content = {} if operation.method == "GET" else parse_body(request.body)
        if route.labels:
            if not isinstance(content, dict):
                raise MalformedBody("The body is not a structure.")
            content = {**content, **route.labels}
        document, violations = operation.validate(content)
        if violations:
            raise violations_error(
                operation,
                violations,
                declared_first=self._options.declared_validation_errors,
            )
        return document

    async def _perform(self, call: Call, document: dict[str, Any]) -> Mapping[str, Any]:
        operation = call.operation
        facts = None
        organization = document.get("OrganizationId")
        if self._organizations is not None and isinstance(organization, str):
            facts = await self._organizations.facts(call.account, organization)
        if _asks_policies(call):
            tags = facts.tags if facts else await self._tags_of(call, document)
            context = context_of(call, document, tags)
            action = f"{operation.service}:{operation.name}"
            place = await self._place_of(call, document)
            authorize(call, action, resource_of(call, document, place), context)
        if self._audit is not None and self._audit.full:
            raise ApiError("ServiceUnavailableException")
        if self._throttle and not self._throttle.admit(call.account, operation.name):
            raise ApiError("ThrottlingException", "Rate exceeded")
        handler = self._handlers.get(operation.name)
        if handler is None:
            raise unsupported(operation)
        if self._organizations is not None and organization and operation.name not in ANY_STATE:
            _check_state(organization, facts)
        return await handler(call, document)

    async def _tags_of(self, call: Call, document: Mapping[str, Any]) -> Mapping[str, str]:
        organization = organization_of(document)
        if self._tags is None or organization is None or not call.credential.needs_tags:
            return {}
        return await self._tags.tags(call.account, organization)

    async def _place_of(self, call: Call, document: Mapping[str, Any]) -> tuple[str, str] | None:
        if self._messages is None or call.operation.service != MESSAGE_FLOW:
            return None
        return await self._messages.locate(call.account, document["messageId"])

    def _response(self, answer: Answer, *, request_id: str, code: str) -> ApiResponse:
        headers = [
            (b"x-amzn-RequestId", request_id.encode()),
            (b"Content-Type", answer.content_type),
            (b"Content-Length", b"%d" % answer.size),
            (b"Date", self._http_date()),
        ]
        if code:
            headers.append((b"x-amzn-ErrorType", code.encode()))
        if answer.status == 405:
            headers.append((b"Allow", b"POST"))
        return ApiResponse(answer.status, headers, answer.body)

    def _http_date(self) -> bytes:
        second = self._environment.now() // 1000
        if self._date[0] != second:
            moment = datetime.fromtimestamp(second, UTC)
            text = f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} "
            self._date = (second, f"{text}{moment:%Y %H:%M:%S} GMT".encode())
        return self._date[1]


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def _name(operation: Operation | None) -> str:
    return operation.name if operation is not None else ""


def _asks_policies(call: Call) -> bool:
    """Whether policies decide here; otherwise the handler does.

    The actions of STS are about the caller or decide by the role's trust; a function has its own
    messages.
    """
    service, credential = call.operation.service, call.credential
    if service == STS or (service == MESSAGE_FLOW and credential.function):
        return False
    return credential.restricted


def _check_state(organization: str, facts: OrganizationFacts | None) -> None:
    if facts is None:
        raise ApiError("OrganizationNotFoundException", f"There is no organization {organization}.")
    if facts.state != ACTIVE:
        raise ApiError(
            "OrganizationStateException",
            f"Organization {organization} is not Active, state: {facts.state}",
        )
