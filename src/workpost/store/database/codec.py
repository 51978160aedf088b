"""Commands as bytes: how arguments, results and errors cross the process boundary.

From the annotations of each command two msgspec decoders are made once: one for the array of its
arguments, one for its result. Errors travel as (class name, message) and are revived by
`kernel.errors.revive`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from workpost.kernel.errors import Fault
from workpost.store.database.unit import NAME, commands

_encoder = msgspec.msgpack.Encoder()
_MISSING = inspect.Parameter.empty


class Call:
    """One command with its compiled codecs."""

    __slots__ = ("_arguments", "_defaults", "_names", "_positional", "_result", "function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        parameters = list(inspect.signature(function).parameters.values())[1:]
        hints = typing.get_type_hints(function)
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                raise TypeError(f"{name}: a command names all of its arguments")
            if parameter.name not in hints:
                raise TypeError(f"{name}: argument {parameter.name} has no annotation")
        if "return" not in hints:
            raise TypeError(f"{name}: a command annotates its result")
        self._names = tuple(p.name for p in parameters)
        self._positional = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self._defaults = {p.name: p.default for p in parameters if p.default is not _MISSING}
        kinds: Any = tuple(hints[n] for n in self._names)
        try:
            self._arguments = msgspec.msgpack.Decoder(tuple[kinds] if kinds else list[None])
            self._result = msgspec.msgpack.Decoder(hints["return"])
        except TypeError as error:
            raise TypeError(f"{name}: not plain data: {error}") from error

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Pack a call's arguments. Raises TypeError as a Python call would."""
        if args:
            if len(args) > len(self._positional):
                raise TypeError(f"{self.name}: too many positional arguments")
            kwargs = {**dict(zip(self._positional, args, strict=False)), **kwargs}
        names = self._names
        if len(kwargs) != len(names):
            kwargs = {**self._defaults, **kwargs}
        try:
            values = [kwargs[name] for name in names]
        except KeyError as error:
            raise TypeError(f"{self.name}: argument {error} is missing") from None
        if len(kwargs) != len(names):
            raise TypeError(f"{self.name}: unknown arguments {sorted(set(kwargs) - set(names))}")
        return _encoder.encode(values)

    def decode(self, data: bytes) -> dict[str, Any]:
        """Unpack arguments, checked against the annotations. Raises Fault."""
        try:
            return dict(zip(self._names, self._arguments.decode(data), strict=True))
        except (msgspec.MsgspecError, ValueError) as error:
            raise Fault(f"{self.name}: arguments do not fit: {error}") from None

    def encode_result(self, result: Any) -> bytes:
        """Pack a result. Raises Fault when it is not plain data."""
        try:
            return _encoder.encode(result)
        except (TypeError, OverflowError) as error:
            raise Fault(f"{self.name}: the result is not plain data: {error}") from None

    def decode_result(self, data: bytes) -> Any:
        """Unpack a result, checked against the annotation. Raises Fault."""
        try:
            return self._result.decode(data)
        except msgspec.MsgspecError as error:
            raise Fault(f"{self.name}: the result does not fit: {error}") from None


_calls: dict[str, Call] = {}


def call_named(name: str) -> Call:
    """The compiled command of this name; Fault when no module declared it."""
    call = _calls.get(name)
    if call is None:
        function = commands.get(name)
        if function is None:
            raise Fault(f"unknown command {name[:100]!r}")
        call = _calls[name] = Call(name, function)
    return call


def call_of(function: Callable[..., Any]) -> Call:
    """The compiled form of a function marked `@command`; Fault when it is not one."""
    name = getattr(function, NAME, None)
    if name is None:
        raise Fault(f"{function!r} is not declared as a command")
    call = _calls.get(name)
    return call if call is not None else call_named(name)


def compile_all() -> int:
    """Compile every declared command and return their number, so that mistakes show at start."""
    for name in commands:
        call_named(name)
    return len(commands)
