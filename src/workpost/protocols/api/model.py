"""The service models of WorkMail and Message Flow, compiled once at start.

The models are botocore's JSON files, read as data: no part of botocore is imported. A new version
of the API is an update of that dependency.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from workpost.protocols.api.wire.reading import compile_input
from workpost.protocols.api.wire.rendering import compile_mask, compile_output

VERSIONS = {"workmail": "2017-10-01", "workmailmessageflow": "2019-05-01"}


class ModelMissing(Exception):
    """botocore is not installed or carries no model of this service."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One action of the API."""

    name: str
    service: str
    """Signing name: `workmail` or `workmailmessageflow`."""
    rest: bool
    """REST-JSON instead of AWS JSON 1.1."""
    method: str
    uri: tuple[str, ...]
    """Path segments; `{name}` stands for a label."""
    validate: Callable[[object], tuple[dict[str, Any], list[str]]]
    """The modelled part of a document and its violations; raises MalformedBody."""
    render: Callable[[Mapping[str, Any]], bytes]
    """The body of a success; raises NotModelled."""
    payload: str
    """The output member that is the body itself (a blob), or empty."""
    errors: Mapping[str, int]
    """Declared errors with their HTTP status."""
    inputs: frozenset[str]
    outputs: frozenset[str]
    paginated: bool
    idempotent: bool
    token: str
    """The member that makes repeats harmless, or empty."""
    sensitive_inputs: tuple[str, ...]
    sensitive_outputs: tuple[str, ...]
    mask_input: Callable[[Any], Any]
    """A copy for logs and audit, sensitive members hidden."""

    @property
    def empty(self) -> bool:
        """True when the output has no members."""
        return not self.outputs

    @property
    def on_organization(self) -> bool:
        """True when the input names an organization by its id."""
        return "OrganizationId" in self.inputs

    def declares(self, code: str) -> bool:
        """True when this error belongs to the modelled ones of the action."""
        return code in self.errors


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One API: its signing name and its actions."""

    name: str
    target_prefix: str
    """Before the dot of X-Amz-Target; empty for REST."""
    operations: Mapping[str, Operation]


def read_description(service: str, data: Path | None = None) -> dict[str, Any]:
    """The JSON model of a service, plain or gzipped; raises ModelMissing."""
    folder = (data or _data_folder()) / service / VERSIONS[service]
    packed = folder / "service-2.json.gz"
    plain = folder / "service-2.json"
    if packed.exists():
        text = gzip.decompress(packed.read_bytes())
    elif plain.exists():
        text = plain.read_bytes()
    else:
        raise ModelMissing(f"botocore has no model of {service} {VERSIONS[service]}")
    description: dict[str, Any] = orjson.loads(text)
    return description


def _data_folder() -> Path:
    # find_spec of a top-level package looks for its file and runs nothing of it.
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModelMissing("botocore is not installed")
    return Path(spec.origin).parent / "data"


def compile_service(description: Mapping[str, Any]) -> Service:
    """Turn a model into closures; patterns are compiled when first met."""
    metadata = description["metadata"]
    name = metadata.get("signingName") or metadata["endpointPrefix"]
    rest = metadata["protocol"] == "rest-json"
    shapes = description["shapes"]
    return Service(
        name=name,
        target_prefix=metadata.get("targetPrefix", ""),
        operations={
            operation: _compile_operation(shapes, name, rest, entry)
            for operation, entry in description["operations"].items()
        },
    )


def _compile_operation(
    shapes: Mapping[str, Any], service: str, rest: bool, entry: Mapping[str, Any]
) -> Operation:
    source = entry.get("input", {}).get("shape")
    target = entry.get("output", {}).get("shape")
    inputs = shapes[source]["members"] if source else {}
    outputs = shapes[target].get("members", {}) if target else {}
    mask_input, sensitive_inputs = compile_mask(shapes, source)
    return Operation(
        name=entry["name"],
        service=service,
        rest=rest,
        method=entry["http"]["method"],
        uri=tuple(entry["http"]["requestUri"].strip("/").split("/")),
        validate=compile_input(shapes, source),
        render=compile_output(shapes, target),
        payload=shapes[target].get("payload", "") if target else "",
        errors={
            error["shape"]: shapes[error["shape"]].get("error", {}).get("httpStatusCode", 400)
            for error in entry.get("errors", ())
        },
        inputs=frozenset(inputs),
        outputs=frozenset(outputs),
        paginated="NextToken" in inputs and "NextToken" in outputs,
        idempotent=bool(entry.get("idempotent")),
        token=next((m for m, ref in inputs.items() if ref.get("idempotencyToken")), ""),
        sensitive_inputs=sensitive_inputs,
        sensitive_outputs=compile_mask(shapes, target)[1],
        mask_input=mask_input,
    )


def load_services(data: Path | None = None) -> dict[str, Service]:
    """Both services by signing name; raises ModelMissing."""
    services = (compile_service(read_description(name, data)) for name in VERSIONS)
    return {service.name: service for service in services}
