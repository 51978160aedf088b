"""Any input to the 94 actions and our own is answered in a declared shape, never with a fault."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.api import call, make_dispatcher, rest, services
from workpost.protocols.api.dispatch import Dispatcher
from workpost.protocols.api.model import Operation, read_description
from workpost.protocols.api.wire.patterns import java_pattern
from workpost.protocols.signing.messages import ApiResponse

OPERATIONS = [one for service in services().values() for one in service.operations.values()]
MODELS = {
    one.name: name for name, service in services().items() for one in service.operations.values()
}
CLIENT_FAULTS = {"SerializationException", "ValidationException"}
EXAMPLES = settings(max_examples=12, deadline=None)

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@functools.cache
def shapes(service: str) -> dict[str, Any]:
    loaded: dict[str, Any] = read_description(service)["shapes"]
    return loaded


@functools.cache
def fitting(service: str, name: str) -> st.SearchStrategy[Any]:
    """Values that keep every constraint of a shape."""
    shape = shapes(service)[name]
    low, high = shape.get("min", 0), shape.get("max")
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    if shape["type"] == "string":
        # Patterns of "anything" that end in a plus ask for one character at least.
        low = max(low, shape.get("pattern", "").endswith("+"))
        top = min(high or 40, max(low, 40))
        if "pattern" in shape and "\\S" not in shape["pattern"]:
            return st.from_regex(java_pattern(shape["pattern"]), fullmatch=True).filter(
                lambda text: low <= len(text) <= (high or 4096) and text.isprintable()
            )
        return st.text(
            st.characters(min_codepoint=32, max_codepoint=255), min_size=low, max_size=top
        )
    if shape["type"] in {"integer", "long"}:
        return st.integers(low, high or 1000)
    if shape["type"] == "boolean":
        return st.booleans()
    if shape["type"] == "list":
        inner = fitting(service, shape["member"]["shape"])
        return st.lists(inner, min_size=low, max_size=max(low, 2))
    members = {key: fitting(service, ref["shape"]) for key, ref in shape["members"].items()}
    required = shape.get("required", ())
    return st.fixed_dictionaries(
        {key: value for key, value in members.items() if key in required},
        optional={key: value for key, value in members.items() if key not in required},
    )


@functools.cache
def sloppy(service: str, name: str) -> st.SearchStrategy[Any]:
    """The shape in outline, with wrong sizes, wrong texts and wrong types mixed in."""
    shape = shapes(service)[name]
    if shape["type"] == "structure":
        members = {key: sloppy(service, ref["shape"]) for key, ref in shape["members"].items()}
        return st.fixed_dictionaries({}, optional=members) | odd
    if shape["type"] == "list":
        return st.lists(sloppy(service, shape["member"]["shape"]) | st.none(), max_size=3) | odd
    if shape["type"] == "string":
        return st.text(max_size=12) | st.just("x" * 5000) | odd
    return st.integers(-5, 5000) | odd


async def nothing(call: Any, document: Any) -> dict[str, Any]:
    return {}


async def content(call: Any, document: Any) -> dict[str, Any]:
    return {call.operation.payload: b"Subject: x\r\n\r\n"}


@functools.cache
def dispatcher() -> Dispatcher:
    return make_dispatcher({one.name: content if one.payload else nothing for one in OPERATIONS})


def ask(operation: Operation, document: Any) -> ApiResponse:
    if not operation.rest:
        return asyncio.run(dispatcher().handle(call(operation.name, document)))
    body = b"" if operation.method == "GET" else json.dumps(document).encode()
    request = rest(operation.method.encode(), b"/messages/abc", body)
    return asyncio.run(dispatcher().handle(request))


def source(operation: Operation) -> str:
    description = read_description(MODELS[operation.name])
    name: str = description["operations"][operation.name]["input"]["shape"]
    return name


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_well_formed_inputs_reach_the_handler(operation: Operation) -> None:
    @EXAMPLES
    @given(fitting(MODELS[operation.name], source(operation)))
    def check(document: Any) -> None:
        response = ask(operation, document)
        body = b"Subject: x\r\n\r\n" if operation.payload else b"{}"
        assert (response.status, response.body) == (200, body)

    check()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_malformed_inputs_are_the_clients_fault(operation: Operation) -> None:
    @EXAMPLES
    @given(sloppy(MODELS[operation.name], source(operation)))
    def check(document: Any) -> None:
        response = ask(operation, document)
        if response.status == 200:
            return
        assert response.status == 400
        body = json.loads(response.body)
        assert body["__type"] in CLIENT_FAULTS
        assert body["message"]

    check()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(OPERATIONS), st.binary(max_size=60))
def test_any_bytes_are_answered(operation: Operation, body: bytes) -> None:
    if operation.rest:
        return
    response = asyncio.run(dispatcher().handle(call(operation.name, body=body)))
    assert response.status in {200, 400}
