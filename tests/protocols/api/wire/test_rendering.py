"""Outputs: what goes out, what is left out, and what is a fault of the handler."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workpost.protocols.api.wire.rendering import NotModelled, compile_mask, compile_output

SHAPES: dict[str, dict[str, Any]] = {
    "Output": {
        "type": "structure",
        "members": {
            "Name": {"shape": "Name"},
            "Enabled": {"shape": "Boolean"},
            "Quota": {"shape": "Integer"},
            "Size": {"shape": "Double"},
            "Since": {"shape": "Timestamp"},
            "Users": {"shape": "Users"},
            "Password": {"shape": "Password"},
            "Child": {"shape": "Output"},
        },
    },
    "Users": {"type": "list", "member": {"shape": "User"}},
    "User": {
        "type": "structure",
        "members": {"Id": {"shape": "Name"}, "Password": {"shape": "Password"}},
    },
    "Passwords": {"type": "list", "member": {"shape": "Password"}},
    "Name": {"type": "string"},
    "Password": {"type": "string", "sensitive": True},
    "Boolean": {"type": "boolean"},
    "Integer": {"type": "integer"},
    "Double": {"type": "double"},
    "Timestamp": {"type": "timestamp"},
}
render = compile_output(SHAPES, "Output")


def test_none_is_left_out_at_any_depth() -> None:
    assert render({"Name": None, "Users": [{"Id": "1", "Password": None}]}) == (
        b'{"Users":[{"Id":"1"}]}'
    )


def test_lists_are_kept_when_given() -> None:
    assert render({"Users": []}) == b'{"Users":[]}'
    assert render({"Users": ()}) == b'{"Users":[]}'


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(1532459261827, b"1532459261.827"), (1532459261000, b"1532459261"), (0, b"0")],
)
def test_timestamps_are_seconds_of_the_epoch(milliseconds: int, text: bytes) -> None:
    assert render({"Since": milliseconds}) == b'{"Since":%b}' % text


def test_scalars() -> None:
    given = {"Name": "Grâce", "Enabled": False, "Quota": 5, "Size": 1, "Child": {"Size": 0.5}}
    assert json.loads(render(given)) == given


def test_operations_without_output_are_empty_objects() -> None:
    empty = compile_output(SHAPES, None)
    assert empty({}) == b"{}"
    with pytest.raises(NotModelled):
        empty({"Name": "x"})


@pytest.mark.parametrize(
    "output",
    [
        {"Nick": "x"},
        {"Users": [{"Nick": "x"}]},
        {"Users": "x"},
        {"Users": [None]},
        {"Name": 5},
        {"Enabled": 1},
        {"Quota": True},
        {"Size": float("nan")},
        {"Size": "1"},
        {"Since": 1.5},
        [],
    ],
)
def test_what_the_model_does_not_have_never_goes_out(output: Any) -> None:
    with pytest.raises(NotModelled):
        render(output)


def test_masks_hide_sensitive_members() -> None:
    mask, paths = compile_mask(SHAPES, "Output")
    assert paths == ("Users[].Password", "Password")
    given = {"Name": "a", "Password": "p", "Users": [{"Id": "1", "Password": "q"}]}
    assert mask(given) == {
        "Name": "a",
        "Password": "***",
        "Users": [{"Id": "1", "Password": "***"}],
    }
    assert given["Password"] == "p"
    assert mask({"Password": None, "Users": "odd"}) == {"Password": None, "Users": "odd"}


def test_masks_of_lists_and_of_nothing() -> None:
    mask, paths = compile_mask(SHAPES, "Passwords")
    assert (mask(["a"]), paths) == (["***"], ("[]",))
    mask, paths = compile_mask(SHAPES, "Name")
    assert (mask("a"), paths) == ("a", ())
    mask, paths = compile_mask(SHAPES, None)
    assert (mask({}), paths) == ({}, ())
