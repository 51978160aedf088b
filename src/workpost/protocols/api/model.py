"""The service models of WorkMail, Message Flow and STS, and one of our own, compiled once at start.

The models are botocore's JSON files, read as data: no part of botocore is imported. A new version
of the API is an update of that dependency. `models/` holds, in the same shape, what the console of
WorkMail does by actions that its public API lacks; `workpost model install` gives it to SDKs.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from workpost.protocols.api.wire.query import Fields, compile_fields, compile_xml
from workpost.protocols.api.wire.reading import compile_input
from workpost.protocols.api.wire.rendering import compile_mask, compile_output

STS = "sts"
CONSOLE = "workmailconsole"
MESSAGE_FLOW = "workmailmessageflow"
VERSIONS = {
    "workmail": "2017-10-01",
    MESSAGE_FLOW: "2019-05-01",
    CONSOLE: "2026-11-01",
    STS: "2011-06-15",
}
OWN_MODELS = Path(__file__).parent / "models"
"""The models that botocore does not have, laid out as its own."""
STS_ACTIONS = frozenset({"AssumeRole", "GetCallerIdentity", "GetSessionToken"})
READING = ("Get", "List", "Describe", "Test", "Search")


class ModelMissing(Exception):
    """botocore is not installed or carries no model of this service."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One action of the API."""

    name: str
    service: str
    """Signing name: `workmail`, `workmailmessageflow` or `sts`."""
    rest: bool
    """REST-JSON instead of AWS JSON 1.1."""
    namespace: str
    """Of the XML of the Query protocol; empty in the others."""
    decode: Callable[[Fields], dict[str, Any]] | None
    """From the fields of the Query protocol to a document; None in the others."""
    method: str
    uri: tuple[str, ...]
    """Path segments; `{name}` stands for a label."""
    validate: Callable[[object], tuple[dict[str, Any], list[str]]]
    """The modelled part of a document and its violations; raises MalformedBody."""
    render: Callable[[Mapping[str, Any]], bytes]
    """The body of a success (Query: what is inside its result); raises NotModelled."""
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
    mask_output: Callable[[Any], Any]

    @property
    def empty(self) -> bool:
        """True when the output has no members."""
        return not self.outputs

    @property
    def reads(self) -> bool:
        """True when the action changes nothing, as CloudTrail counts: sessions are no change."""
        return self.service == STS or self.name.startswith(READING)

    def declares(self, code: str) -> bool:
        """True when this error belongs to the modelled ones of the action."""
        return code in self.errors


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One API: its signing name and its actions."""

    name: str
    target_prefix: str
    """Before the dot of X-Amz-Target; empty for REST and Query."""
    version: str
    """Of the API, as Query names it; empty in the other protocols."""
    operations: Mapping[str, Operation]


def read_description(service: str, data: Path | None = None) -> dict[str, Any]:
    """The JSON model of a service, plain or gzipped; raises ModelMissing.

    `data` is where botocore's are, found by itself if not given.
    """
    models = OWN_MODELS if service == CONSOLE else data or _data_folder()
    folder = models / service / VERSIONS[service]
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


def compile_service(description: Mapping[str, Any], only: frozenset[str] | None = None) -> Service:
    """Turn a model, or some of its actions, into closures; patterns are compiled when first met."""
    metadata = description["metadata"]
    return Service(
        name=metadata.get("signingName") or metadata["endpointPrefix"],
        target_prefix=metadata.get("targetPrefix", ""),
        version=metadata["apiVersion"] if metadata["protocol"] == "query" else "",
        operations={
            operation: _compile_operation(description["shapes"], metadata, entry)
            for operation, entry in description["operations"].items()
            if only is None or operation in only
        },
    )


def _compile_operation(
    shapes: Mapping[str, Any], metadata: Mapping[str, Any], entry: Mapping[str, Any]
) -> Operation:
    query = metadata["protocol"] == "query"
    source = entry.get("input", {}).get("shape")
    target = entry.get("output", {}).get("shape")
    inputs = shapes[source]["members"] if source else {}
    outputs = shapes[target].get("members", {}) if target else {}
    mask_input, sensitive_inputs = compile_mask(shapes, source)
    mask_output, sensitive_outputs = compile_mask(shapes, target)
    return Operation(
        name=entry["name"],
        service=metadata.get("signingName") or metadata["endpointPrefix"],
        rest=metadata["protocol"] == "rest-json",
        namespace=metadata["xmlNamespace"] if query else "",
        decode=compile_fields(shapes, source) if query else None,
        method=entry["http"]["method"],
        uri=tuple(entry["http"]["requestUri"].strip("/").split("/")),
        validate=compile_input(shapes, source),
        render=compile_xml(shapes, target) if query else compile_output(shapes, target),
        payload=shapes[target].get("payload", "") if target else "",
        errors={
            _code(shapes, error["shape"], query): shapes[error["shape"]]
            .get("error", {})
            .get("httpStatusCode", 400)
            for error in entry.get("errors", ())
        },
        inputs=frozenset(inputs),
        outputs=frozenset(outputs),
        paginated="NextToken" in inputs and "NextToken" in outputs,
        idempotent=bool(entry.get("idempotent")),
        token=next((m for m, ref in inputs.items() if ref.get("idempotencyToken")), ""),
        sensitive_inputs=sensitive_inputs,
        sensitive_outputs=sensitive_outputs,
        mask_input=mask_input,
        mask_output=mask_output,
    )


def _code(shapes: Mapping[str, Any], error: str, query: bool) -> str:
    code: str = shapes[error].get("error", {}).get("code", error) if query else error
    return code


def load_services(data: Path | None = None) -> dict[str, Service]:
    """WorkMail, Message Flow and the console's actions by name; raises ModelMissing.

    The console's are signed for, targeted at and permitted as WorkMail's own.
    """
    names = [name for name in VERSIONS if name != STS]
    return {name: compile_service(read_description(name, data)) for name in names}


def load_sts(data: Path | None = None) -> Service:
    """The actions of STS by which SDKs find out who they are and get temporary credentials."""
    return compile_service(read_description(STS, data), STS_ACTIONS)
