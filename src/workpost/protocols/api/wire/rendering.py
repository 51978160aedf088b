"""Outputs to JSON: only modelled members, no nulls, timestamps as seconds of the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

Shapes = Mapping[str, Mapping[str, Any]]
Writer = Callable[[Any], Any]
HIDDEN = "***"


class NotModelled(Exception):
    """A handler returned a member or a type that the model does not have."""


def compile_output(shapes: Shapes, name: str | None) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the renderer of one output structure; None is an operation without output.

    Timestamps are given in milliseconds since the epoch. Members that are None are left out,
    lists are kept when given. The renderer raises NotModelled.
    """
    writer = _Compiler(shapes).structure({}) if name is None else _Compiler(shapes).writer(name)

    def render(output: Mapping[str, Any]) -> bytes:
        return orjson.dumps(writer(output))

    return render


class _Compiler:
    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._writers: dict[str, Writer] = {}

    def writer(self, name: str) -> Writer:
        known = self._writers.get(name)
        if known is not None:
            return known
        shape = self._shapes[name]
        if shape["type"] == "structure":
            return self.structure(shape, name)
        if shape["type"] == "list":
            writer = _list(self.writer(shape["member"]["shape"]))
        else:
            writer = WRITERS[shape["type"]]
        self._writers[name] = writer
        return writer

    def structure(self, shape: Mapping[str, Any], name: str = "output") -> Writer:
        members: dict[str, Writer] = {}

        def write(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise NotModelled(f"{name} is not a dictionary")
            out = {}
            for member, item in value.items():
                if item is None:
                    continue
                writer = members.get(member)
                if writer is None:
                    raise NotModelled(f"{name} has no member {member}")
                out[member] = writer(item)
            return out

        self._writers[name] = write
        for member, reference in shape.get("members", {}).items():
            members[member] = self.writer(reference["shape"])
        return write


def _list(each: Writer) -> Writer:
    def write(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise NotModelled("a list member is not a list")
        return [each(item) for item in value]

    return write


def _typed(*types: type) -> Writer:
    def write(value: Any) -> Any:
        if type(value) in types:
            return value
        raise NotModelled(f"{type(value).__name__} where the model has {types[0].__name__}")

    return write


def _double(value: Any) -> float:
    if type(value) in {int, float} and math.isfinite(value):
        return float(value)
    raise NotModelled("a double member is not a finite number")


def _timestamp(value: Any) -> float | int:
    if type(value) is not int:
        raise NotModelled("a timestamp is not in whole milliseconds")
    return value / 1000 if value % 1000 else value // 1000


WRITERS: dict[str, Writer] = {
    "string": _typed(str),
    "boolean": _typed(bool),
    "integer": _typed(int),
    "long": _typed(int),
    "double": _double,
    "float": _double,
    "timestamp": _timestamp,
    "blob": _typed(bytes),
}


def compile_mask(shapes: Shapes, name: str | None) -> tuple[Writer, tuple[str, ...]]:
    """Make the function that copies a value with sensitive members hidden, and list their paths.

    Paths name list elements by `[]`: `Resources[].Description`. Without any, the function
    returns its argument.
    """
    mask, paths = _mask(shapes, name, ()) if name is not None else (None, ())
    return mask or (lambda value: value), paths


def _mask(
    shapes: Shapes, name: str, seen: tuple[str, ...]
) -> tuple[Writer | None, tuple[str, ...]]:
    shape = shapes[name]
    if shape.get("sensitive"):
        return (lambda _: HIDDEN), ("",)
    if name in seen:
        return None, ()
    if shape["type"] == "list":
        each, inner = _mask(shapes, shape["member"]["shape"], (*seen, name))
        if each is None:
            return None, ()
        return _masked_list(each), tuple(_joined("[]", path) for path in inner)
    masks: dict[str, Writer] = {}
    paths: list[str] = []
    for member, reference in shape.get("members", {}).items():
        each, inner = _mask(shapes, reference["shape"], (*seen, name))
        if each is not None:
            masks[member] = each
            paths += [_joined(member, path) for path in inner]
    if not masks:
        return None, ()
    return (lambda value: _masked(value, masks)), tuple(paths)


def _joined(name: str, inner: str) -> str:
    return f"{name}.{inner}" if inner and not inner.startswith("[") else name + inner


def _masked_list(each: Writer) -> Writer:
    return lambda value: (
        [each(item) for item in value] if isinstance(value, list | tuple) else value
    )


def _masked(value: Any, masks: Mapping[str, Writer]) -> Any:
    # Violations are shown before the types of a list's elements are known.
    if not isinstance(value, dict):
        return value
    return {
        key: masks[key](item) if key in masks and item is not None else item
        for key, item in value.items()
    }
