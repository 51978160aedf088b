"""Which action a request is for, before anybody has proved who asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from workpost.protocols.api.errors import ApiError
from workpost.protocols.api.frames import JSON, QUERY, REST, Frame
from workpost.protocols.api.model import Operation, Service
from workpost.protocols.api.wire.query import parse_fields
from workpost.protocols.signing.messages import ApiRequest

UNKNOWN = "UnknownOperationException"
FORM = b"application/x-www-form-urlencoded"
VERSION = re.compile(r"[0-9A-Z_-]{1,32}")


class Route(NamedTuple):
    """An action, and what of its input is not in the body as JSON."""

    operation: Operation
    labels: dict[str, str]
    fields: Mapping[str, str] = MappingProxyType({})
    """Of the Query protocol."""


class Router:
    """Finds actions: AWS JSON by its target at the prefix, Query by its fields there, REST-JSON
    by path below it.

    `prefix` is the path of the endpoint URL that clients were given, `/` unless configured.
    """

    def __init__(self, services: Mapping[str, Service], prefix: str = "/") -> None:
        self._prefix = prefix.encode() if prefix.endswith("/") else f"{prefix}/".encode()
        self._targets = {
            f"{service.target_prefix}.{name}".encode(): Route(operation, {})
            for service in services.values()
            if service.target_prefix
            for name, operation in service.operations.items()
        }
        self._resources = [
            operation
            for service in services.values()
            for operation in service.operations.values()
            if operation.rest
        ]
        self._queries = [service for service in services.values() if service.version]

    def is_rest(self, request: ApiRequest) -> bool:
        """True when the path is not the JSON endpoint's."""
        return request.path not in (self._prefix, self._prefix[:-1])

    def frame_of(self, request: ApiRequest, headers: Mapping[bytes, list[bytes]]) -> Frame:
        """The protocol that a request speaks."""
        if self.is_rest(request):
            return REST
        if b"x-amz-target" in headers or not self._queries:
            return JSON
        form = headers.get(b"content-type", [b""])[0].startswith(FORM)
        return QUERY if form or b"Action=" in request.query else JSON

    def find(self, request: ApiRequest, headers: Mapping[bytes, list[bytes]]) -> Route:
        """The route of a request; raises ApiError UnknownOperationException (400, 404, 405)."""
        if self.is_rest(request):
            return self._find_resource(request)
        if self.frame_of(request, headers) is QUERY:
            return self._find_query(request)
        if request.method != b"POST":
            raise ApiError(UNKNOWN, "Actions of this endpoint are called with POST.", status=405)
        if b"smithy-protocol" in headers or b"cbor" in headers.get(b"content-type", [b""])[0]:
            raise ApiError(UNKNOWN, "This endpoint speaks AWS JSON 1.1.")
        targets = headers.get(b"x-amz-target", [])
        route = self._targets.get(targets[0].strip()) if len(targets) == 1 else None
        if route is None:
            raise ApiError(UNKNOWN, "X-Amz-Target names no action of this endpoint.")
        return route

    def _find_query(self, request: ApiRequest) -> Route:
        if request.method not in {b"POST", b"GET"}:
            raise ApiError(UNKNOWN, "This path has no such method.", status=405)
        fields = parse_fields(request.query, request.body if request.method == b"POST" else b"")
        action = fields.get("Action", "")
        version = fields.get("Version", "NO_VERSION_SPECIFIED")
        for service in self._queries:
            if version == service.version and action in service.operations:
                return Route(service.operations[action], {}, fields)
        name = action[:64] if action.isalnum() else "of that name"
        shown = version[:32] if VERSION.fullmatch(version) else "of that form"
        raise ApiError(UNKNOWN, f"Could not find operation {name} for version {shown}")

    def _find_resource(self, request: ApiRequest) -> Route:
        if request.path.startswith(self._prefix):
            segments = request.path[len(self._prefix) :].split(b"/")
            fitting = [
                (operation, labels)
                for operation in self._resources
                if (labels := _labels(operation.uri, segments)) is not None
            ]
            for operation, labels in fitting:
                if operation.method.encode() == request.method:
                    return Route(operation, labels)
            if fitting:
                raise ApiError(UNKNOWN, "This path has no such method.", status=405)
        raise ApiError(UNKNOWN, "There is nothing at this path.", status=404)


def _labels(uri: tuple[str, ...], segments: list[bytes]) -> dict[str, str] | None:
    if len(uri) != len(segments):
        return None
    labels = {}
    for pattern, segment in zip(uri, segments, strict=True):
        try:
            # Decoded after the split: an encoded slash stays inside its label.
            text = unquote_to_bytes(segment).decode()
        except UnicodeDecodeError:
            return None
        if pattern.startswith("{"):
            if not text:
                return None
            labels[pattern.strip("{}")] = text
        elif text != pattern:
            return None
    return labels
